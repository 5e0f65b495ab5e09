"""Every layer against PyTorch in float64, where it is installed: outputs and all gradients.

The model's layers are walked, and each is computed by PyTorch's function of that name from the
model's own weights. The bound is relative to the largest value of the array: float32 sums of some
thousand terms in networks of a few layers.
"""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn

torch = pytest.importorskip("torch")
functional = torch.nn.functional

BOUND = 2e-5

ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softmax": lambda x: torch.softmax(x, 1),
}


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def padded(layer, x, size, dilation=(1, 1), value=0.0):
    """The images with what the layer's padding puts around them."""
    sides = []  # left, right, top, bottom
    for axis in (1, 0):
        pixels, step = x.shape[2 + axis], layer.strides[axis]
        total = (-(-pixels // step) - 1) * step + (size[axis] - 1) * dilation[axis] + 1 - pixels
        given = layer.padding if isinstance(layer.padding, tuple) else (0, 0)
        if layer.padding == "same":
            sides += [max(0, total) // 2, max(0, total) - max(0, total) // 2]
        else:
            sides += pair(given[axis])
    return functional.pad(x, sides, value=value)


def conv2d(layer, x, kernel, bias, groups):
    x = padded(layer, x, layer.kernel_size, layer.dilation_rate)
    kernel = kernel.permute(3, 2, 0, 1).contiguous()
    return functional.conv2d(x, kernel, bias, layer.strides, 0, layer.dilation_rate, groups)


def channels_last(function, x):
    return function(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) if x.ndim == 4 else function(x)


class Peer:
    """The layers of a model, with PyTorch's functions; images are (N, C, H, W) inside."""

    def __init__(self, model, training):
        network = model._built_network()
        self.training = training
        self.values = {
            name: torch.tensor(network.get_parameter(name), dtype=torch.float64)
            for name in network.parameter_names()
        }
        for name, value in self.values.items():
            value.requires_grad_("moving" not in name)
        self.views = model.layers

    def forward(self, x):
        for view in self.views:
            x = self.layer(view, x)
        return x

    def layer(self, view, x):
        layer, of = view.description, lambda short: self.values.get(f"{view.name}/{short}")
        y = getattr(self, "on_" + type(layer).__name__)(view, layer, x, of)
        return ACTIVATIONS[getattr(layer, "activation", None) or "linear"](y)

    def on_Conv2D(self, view, layer, x, of):
        return conv2d(layer, x, of("kernel"), of("bias"), layer.groups)

    def on_DepthwiseConv2D(self, view, layer, x, of):
        return conv2d(layer, x, of("kernel"), of("bias"), x.shape[1])

    def on_Dense(self, view, layer, x, of):
        y = x @ of("kernel")
        return y if of("bias") is None else y + of("bias")

    def on_Activation(self, view, layer, x, of):
        return x

    def on_MaxPool2D(self, view, layer, x, of):
        x = padded(layer, x, layer.pool_size, value=-torch.inf)
        return functional.max_pool2d(x, layer.pool_size, layer.strides)

    def on_AveragePool2D(self, view, layer, x, of):
        mean = functional.avg_pool2d(
            padded(layer, x, layer.pool_size), layer.pool_size, layer.strides
        )
        if layer.count_padding:
            return mean
        inside = padded(layer, torch.ones_like(x), layer.pool_size)
        return mean / functional.avg_pool2d(inside, layer.pool_size, layer.strides)

    def on_GlobalAveragePool2D(self, view, layer, x, of):
        return x.mean((2, 3))

    def on_Flatten(self, view, layer, x, of):
        return x.permute(0, 2, 3, 1).flatten(1) if x.ndim == 4 else x

    def on_BatchNormalization(self, view, layer, x, of):
        return functional.batch_norm(
            x,
            of("moving_mean").clone(),
            of("moving_variance").clone(),
            of("gamma"),
            of("beta"),
            training=self.training,
            eps=layer.epsilon,
        )

    def on_LayerNormalization(self, view, layer, x, of):
        def normalize(rows):
            return functional.layer_norm(
                rows, rows.shape[-1:], of("gamma"), of("beta"), layer.epsilon
            )

        return channels_last(normalize, x)

    def branches(self, view, layer, x):
        views = iter(view.layers)
        for branch in layer.branches:
            y = x
            for _ in branch:
                y = self.layer(next(views), y)
            yield y

    def on_Concatenate(self, view, layer, x, of):
        return torch.cat(list(self.branches(view, layer, x)), 1)

    def on_Multiply(self, view, layer, x, of):
        product = 1.0
        for y in self.branches(view, layer, x):
            product = product * (y[:, :, None, None] if x.ndim == 4 and y.ndim == 2 else y)
        return product

    def on_Residual(self, view, layer, x, of):
        branch, shortcut = x, x
        for at, inner in enumerate(view.layers):
            if at < len(layer.layers):
                branch = self.layer(inner, branch)
            else:
                shortcut = self.layer(inner, shortcut)
        return branch + shortcut


def block(filters, activation="relu"):
    return [
        nn.Conv2D(filters, 3, padding="same", use_bias=False),
        nn.BatchNormalization(),
        nn.Activation(activation),
    ]


NETWORKS = {
    "dense": ((17,), [nn.Dense(33, activation="tanh"), nn.Dense(5, activation="sigmoid")]),
    "convolutions": (
        (9, 8, 3),
        [
            nn.Conv2D(6, 3, padding="same", activation="relu"),
            nn.MaxPool2D(2),
            nn.Conv2D(17, (2, 3), strides=(1, 2), padding=1, activation="tanh"),
            nn.AveragePool2D((2, 1)),
            nn.Conv2D(16, 3, strides=2, padding="same", activation="sigmoid"),
            nn.Flatten(),
        ],
    ),
    "dilated": (
        (13, 11, 3),
        [
            nn.Conv2D(9, (3, 2), padding="same", dilation_rate=(2, 3), activation="relu"),
            nn.MaxPool2D(2),
            nn.Conv2D(17, 3, strides=2, padding=(3, 2), dilation_rate=2, activation="tanh"),
            nn.Conv2D(5, 2, dilation_rate=(1, 2)),
            nn.Flatten(),
        ],
    ),
    "groups": (
        (9, 8, 6),
        [
            nn.Conv2D(40, 3, padding="same", groups=2, activation="relu"),
            nn.MaxPool2D(2),
            nn.Conv2D(20, (2, 3), padding=1, groups=4, dilation_rate=(2, 1), activation="tanh"),
            nn.Conv2D(40, 2, strides=(2, 1), groups=20, padding="same"),
            nn.BatchNormalization(),
            nn.Activation("relu"),
            nn.Conv2D(60, 2, groups=20, activation="sigmoid"),
            nn.Flatten(),
        ],
    ),
    "depthwise separable": (
        (9, 10, 3),
        [
            nn.DepthwiseConv2D(3, depth_multiplier=6, padding="same", activation="relu"),
            nn.Conv2D(20, 1),
            nn.BatchNormalization(),
            nn.Activation("relu"),
            nn.DepthwiseConv2D((3, 2), strides=2, padding="same", use_bias=False),
            nn.BatchNormalization(),
            nn.Activation("tanh"),
            nn.Residual([nn.DepthwiseConv2D(3, padding="same", dilation_rate=2)]),
            nn.GlobalAveragePool2D(),
        ],
    ),
    "batch normalization": (
        (8, 7, 3),
        [
            *block(20, "tanh"),
            nn.MaxPool2D(2),
            nn.Conv2D(16, 3),
            nn.MaxPool2D((1, 1)),
            nn.BatchNormalization(epsilon=1e-2),
            nn.Flatten(),
            nn.Dense(9),
            nn.BatchNormalization(),
            nn.Activation("relu"),
        ],
    ),
    "normalization of the inputs": (
        (6, 5, 3),
        [nn.BatchNormalization(), nn.LayerNormalization(), *block(7), nn.GlobalAveragePool2D()],
    ),
    "layer normalization": (
        (7, 6, 2),
        [
            nn.Conv2D(18, 3, padding="same", activation="relu"),
            nn.LayerNormalization(),
            nn.Conv2D(5, 3),
            nn.LayerNormalization(epsilon=1e-2),
            nn.Activation("tanh"),
            nn.Flatten(),
            nn.LayerNormalization(),
        ],
    ),
    "residual blocks": (
        (8, 8, 3),
        [
            *block(16),
            nn.Residual([*block(16), *block(16)[:2]], activation="relu"),
            nn.Residual([nn.Conv2D(24, 3, strides=2, padding="same", activation="tanh")]),
            nn.Residual([nn.Residual(block(24)), nn.Activation("tanh")], activation="sigmoid"),
            nn.GlobalAveragePool2D(),
            nn.Residual([nn.Dense(24, activation="relu"), nn.Dense(24)]),
            nn.Residual([nn.Dense(7)], activation="tanh"),
        ],
    ),
    "inception": (
        (9, 8, 3),
        [
            nn.Conv2D(6, 3, strides=2, padding=((0, 1), (2, 1)), activation="tanh"),
            nn.Concatenate(
                [
                    [nn.Conv2D(5, 1, activation="relu")],
                    [nn.Conv2D(3, 1), nn.BatchNormalization(), nn.Conv2D(18, 3, padding="same")],
                    [nn.MaxPool2D(3, strides=1, padding=1), nn.Conv2D(2, 1)],
                    [nn.AveragePool2D(3, strides=1, padding="same", count_padding=True)],
                ]
            ),
            nn.Concatenate([[], [nn.BatchNormalization(), nn.Conv2D(4, 3, padding="same")]]),
            nn.MaxPool2D(3, strides=2, padding=1),
            nn.AveragePool2D((2, 3), strides=1, padding=(1, 1)),
            nn.Flatten(),
            nn.Concatenate([[nn.Dense(5, activation="tanh")], []]),
        ],
    ),
    "squeeze and excite": (
        (9, 8, 3),
        [
            nn.Conv2D(20, 3, strides=2, padding="same", activation="tanh"),
            nn.Residual(
                [
                    nn.Conv2D(30, 1, activation="tanh"),
                    nn.DepthwiseConv2D(3, padding="same"),
                    nn.Multiply(
                        [
                            [nn.Activation("sigmoid")],
                            [
                                nn.GlobalAveragePool2D(),
                                nn.Dense(7, activation="tanh"),
                                nn.Dense(30, activation="sigmoid"),
                            ],
                        ]
                    ),
                    nn.Conv2D(20, 1),
                ]
            ),
            nn.Multiply([[], [nn.Conv2D(1, 3, padding="same", activation="sigmoid")]]),
            nn.Multiply([[nn.AveragePool2D((5, 4))], [], [nn.MaxPool2D((5, 1))]]),
            nn.GlobalAveragePool2D(),
            nn.Multiply([[], [nn.Dense(20, activation="tanh")]]),
        ],
    ),
    "shortcuts of all kinds": (
        (9, 9, 2),
        [
            nn.Residual(
                [nn.Conv2D(5, 3, padding="same"), nn.MaxPool2D(2)],
                shortcut=[nn.AveragePool2D(2), nn.Conv2D(5, 1), nn.BatchNormalization()],
                activation="relu",
            ),
            nn.Residual(
                [nn.BatchNormalization(), nn.Activation("relu"), nn.Conv2D(5, 3, padding="same")],
                shortcut=[nn.Residual([nn.Conv2D(5, 3, padding="same")]), nn.Activation("tanh")],
            ),
            nn.Residual([nn.MaxPool2D(2), nn.Conv2D(6, 1)], shortcut=[nn.Conv2D(6, 3)]),
            nn.Flatten(),
        ],
    ),
}


def built(name, seed=0):
    shape, layers = NETWORKS[name]
    model = nn.Sequential([*layers, nn.Dense(4)])
    model.build(shape, seed=seed)
    rng = np.random.default_rng(seed)
    for value in model._built_network().parameter_names():
        if value.endswith("kernel"):
            continue
        shape_of = model._built_network().get_parameter(value).shape
        low, high = (0.5, 2.0) if value.endswith(("gamma", "variance")) else (-0.5, 0.5)
        numbers = rng.uniform(low, high, shape_of).astype(np.float32)
        model._built_network().set_parameter(value, numbers)
    x = rng.normal(size=(11, *shape)).astype(np.float32)
    return model, x, rng.integers(0, 4, len(x))


def to_torch(x):
    x = torch.tensor(x, dtype=torch.float64)
    return x.permute(0, 3, 1, 2) if x.ndim == 4 else x


def assert_close(actual, exact, what):
    error, size = np.abs(actual - exact).max(), np.abs(exact).max()
    assert size > 1e-9, what
    assert error <= BOUND * size, f"{what}: off by {error:.2e} at a size of {size:.2e}"


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients(name):
    model, x, y = built(name)
    peer = Peer(model, training=True)
    loss = functional.cross_entropy(peer.forward(to_torch(x)), torch.tensor(y))
    loss.backward()
    assert model.compute_gradients(x, y, loss="cross_entropy") == pytest.approx(
        loss.item(), rel=1e-5
    )
    largest = max(float(v.grad.abs().max()) for v in peer.values.values() if v.requires_grad)
    for key, value in peer.values.items():
        gradient = model._built_network().get_gradient(key)
        if not value.requires_grad:
            assert not gradient.any()
        elif float(value.grad.abs().max()) < 1e-9 * largest:
            # What a normalization takes away again, such as the bias before it.
            assert np.abs(gradient).max() < BOUND * largest, key
        else:
            assert_close(gradient, value.grad.numpy(), f"gradient of {key}")


@pytest.mark.parametrize("name", NETWORKS)
def test_predictions(name):
    model, x, _ = built(name)
    exact = torch.softmax(Peer(model, training=False).forward(to_torch(x)), 1).detach().numpy()
    assert_close(model.predict_proba(x), exact, name)
