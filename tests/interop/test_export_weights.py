"""Weights in files, in the shapes of other frameworks, and back."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from safetensors.numpy import load_file, save_file

import nncore as nn
from exported_networks import built, network
from nncore.interop.export.frameworks import parameters_of


def flattening() -> nn.Sequential:
    """What others flatten in another order."""
    return built(
        [
            nn.Conv2D(5, (2, 3), name="first"),
            nn.BatchNormalization(epsilon=1e-3),
            nn.DepthwiseConv2D(2, depth_multiplier=2, use_bias=False),
            nn.Flatten(),
            nn.BatchNormalization(epsilon=1e-3, name="flat"),
            nn.Dropout(0.5),
            nn.Dense(6, "tanh"),
            nn.Dense(4),
        ],
        (5, 6, 2),
    )


X = np.random.default_rng(2).normal(size=(7, 5, 6, 2)).astype(np.float32)


def zeroed(model: nn.Sequential) -> nn.Sequential:
    """The same layers with other weights."""
    other = nn.Sequential([view.description for view in model.layers])
    other.build(model.input_shape, seed=99)
    return other


def same_weights(one: nn.Sequential, other: nn.Sequential) -> bool:
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(a.tobytes() == b.tobytes() for a, b in pairs)


@pytest.mark.parametrize("framework", ["nncore", "keras", "torch"])
@pytest.mark.parametrize("ending", ["npz", "safetensors"])
@pytest.mark.parametrize("name", ["windows", "blocks", "without_softmax"])
def test_weights_come_back(framework, ending, name, tmp_path):
    model = network(name)[0]
    model.export(tmp_path / f"w.{ending}", framework=framework)
    other = zeroed(model)
    assert not same_weights(model, other)
    other.load_weights(tmp_path / f"w.{ending}")
    assert same_weights(model, other)


def test_the_arrays_are_as_pytorch_has_them(tmp_path):
    """The same network channels first, in NumPy, from PyTorch's arrays by PyTorch's rules."""
    model = flattening()
    model.export(tmp_path / "w.safetensors", framework="torch")
    w = load_file(tmp_path / "w.safetensors")
    x = X.transpose(0, 3, 1, 2).astype(np.float64)

    def normalize(x, name):
        shape = (1, -1) + (1,) * (x.ndim - 2)
        mean, var, weight, bias = (
            w[f"{name}.{part}"].reshape(shape)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / np.sqrt(var + 1e-3) * weight + bias

    def convolve(x, kernel, groups):
        out, _, *size = kernel.shape
        windows = sliding_window_view(x, size, axis=(2, 3))
        parts = np.split(windows, groups, axis=1)
        kernels = np.split(kernel, groups)
        pairs = zip(parts, kernels, strict=True)
        made = [np.einsum("nchwkl,ockl->nohw", a, b) for a, b in pairs]
        assert sum(one.shape[1] for one in made) == out
        return np.concatenate(made, axis=1)

    x = convolve(x, w["first.weight"], 1) + w["first.bias"].reshape(1, -1, 1, 1)
    x = convolve(normalize(x, "batch_normalization"), w["depthwise_conv2d.weight"], 5)
    x = normalize(x.reshape(len(x), -1), "flat")
    x = np.tanh(x @ w["dense.weight"].T + w["dense.bias"])
    x = x @ w["dense_1.weight"].T + w["dense_1.bias"]
    assert model._network.forward(X) == pytest.approx(x, abs=1e-4)
    # As a state dict of a torch.nn.Sequential: other names, batches counted, the order of layers.
    other = zeroed(model)
    state = {f"{at}.weight": w[name] for at, name in enumerate(_names_in_order(model))}
    other.load_weights(state | {"1.num_batches_tracked": np.array(7)})
    assert same_weights(model, other)


def _names_in_order(model: nn.Sequential) -> list[str]:
    return [one.name_in("torch") for one in parameters_of(model._network_alone())]


def test_the_arrays_are_as_keras_has_them(tmp_path):
    model = flattening()
    model.export(tmp_path / "w.npz", framework="keras")
    with np.load(tmp_path / "w.npz") as file:
        arrays = dict(file)
    depthwise = arrays["depthwise_conv2d/kernel"]
    assert depthwise.shape == (2, 2, 5, 2)
    assert (depthwise.reshape(2, 2, 1, 10) == model.layers[2].kernel).all()
    assert list(arrays) == list(model._network.parameter_names())
    # `keras_model.get_weights()`: the same without names.
    other = zeroed(model)
    np.savez(tmp_path / "list.npz", *arrays.values())
    other.load_weights(tmp_path / "list.npz")
    assert same_weights(model, other)


def test_a_model_file_is_a_file_of_weights(tmp_path):
    model = built([nn.Conv2D(3, 3, activation="relu"), nn.Flatten(), nn.Dense(3)], (6, 6, 1))
    x = np.random.default_rng(0).random((30, 6, 6, 1)).astype(np.float32)
    model.classes = None
    model.fit(x, np.arange(30) % 3, epochs=1, optimizer=nn.Adam(), verbose=0)
    model.save(tmp_path / "model.safetensors")
    other = zeroed(model)
    other.load_weights(tmp_path / "model.safetensors")
    assert same_weights(model, other)


def test_weights_of_other_networks_are_refused(tmp_path):
    model, small = flattening(), built([nn.Flatten(), nn.Dense(4)], (5, 6, 2))
    before = model.get_weights()
    wrong = {name: model._network.get_parameter(name) for name in model._network.parameter_names()}
    missing = {name: array for name, array in wrong.items() if name != "dense/bias"}
    for arrays, told in (
        (missing, r"missing: 'dense/bias'; not of this model: none"),
        (
            wrong | {"dense_2/bias": np.zeros(3)},
            r"missing: none; not of this model: 'dense_2/bias'",
        ),
        (wrong | {"first/kernel": np.zeros((5, 6, 2, 4))}, r"'first/kernel' has the shape \(5, 6"),
        (wrong | {"dense/bias": np.full(6, np.nan)}, r"dense/bias: NaN"),
        (wrong | {"dense/bias": np.array(["a"] * 6)}, r"dense/bias must be numbers"),
        ({"a": np.zeros(3)}, r"1 arrays for a model of 15 parameters"),
        ({str(n): np.zeros(3) for n in range(15)}, r"'0' has the shape \(3,\), but 'first/kernel'"),
    ):
        with pytest.raises((ValueError, TypeError), match=told):
            model.load_weights(arrays)
    small.export(tmp_path / "small.npz")
    with pytest.raises(nn.ModelFileError, match=r"small\.npz: 'dense/kernel'|small\.npz: 2 arrays"):
        model.load_weights(tmp_path / "small.npz")
    with pytest.raises(ValueError, match="unknown framework 'jax'"):
        model.load_weights(wrong, framework="jax")
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_without_names_safetensors_have_no_order(tmp_path):
    model = built([nn.Flatten(), nn.Dense(4), nn.Dense(4)], (2, 2, 1))
    arrays = {str(number): array for number, array in enumerate(model.get_weights())}
    save_file(arrays, tmp_path / "w.safetensors")
    with pytest.raises(nn.ModelFileError, match="keep no order"):
        model.load_weights(tmp_path / "w.safetensors")


def test_square_kernels_are_told_by_the_names():
    model = built([nn.Dense(3, "relu"), nn.Dense(3)], (3,))
    first, bias, second, other_bias = model.get_weights()
    other = zeroed(model)
    other.load_weights(
        {"0.weight": first.T, "0.bias": bias, "2.weight": second.T, "2.bias": other_bias}
    )
    assert same_weights(model, other)
    other = zeroed(model)
    other.load_weights(
        {"0.weight": first, "0.bias": bias, "2.weight": second, "2.bias": other_bias},
        framework="keras",
    )
    assert same_weights(model, other)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x08\0\0\0\0\0\0\0{}      ", b"x" * 100])
def test_broken_files_are_named(content, tmp_path):
    (tmp_path / "w.npz").write_bytes(content)
    with pytest.raises(nn.ModelFileError, match=r"w\.npz: "):
        flattening().load_weights(tmp_path / "w.npz")


def test_hostile_files_are_refused_before_they_are_unfolded(tmp_path):
    model = flattening()
    np.savez(tmp_path / "objects.npz", a=np.array([print], dtype=object))
    with pytest.raises(nn.ModelFileError, match="never unpickled"):
        model.load_weights(tmp_path / "objects.npz")
    header = io.BytesIO()
    claim = {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)}
    np.lib.format.write_array_header_1_0(header, claim)
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w") as archive:
        for name in model._network.parameter_names():
            archive.writestr(f"{name}.npy", header.getvalue())
    with pytest.raises(nn.ModelFileError, match=r"'first/kernel' has the shape \(1099511627776,\)"):
        model.load_weights(tmp_path / "bomb.npz")
    with pytest.raises(nn.ModelFileError, match="no such weights file"):
        model.load_weights(tmp_path / "none.npz")


def test_pytorchs_order_where_none_fits_is_refused(tmp_path):
    model = built([nn.Flatten(), nn.Residual([nn.Dense(60)]), nn.Dense(4, name="last")], (5, 6, 2))
    with pytest.raises(nn.ExportError, match="last/kernel: its inputs"):
        model.export(tmp_path / "w.npz", framework="torch")
    model.export(tmp_path / "w.npz")


def test_names_that_only_dots_tell_apart_are_refused(tmp_path):
    model = built([nn.Dense(3, name="a.b"), nn.Dense(3, name="a_b")], (4,))
    with pytest.raises(nn.ExportError, match=r"'a_b\.weight'"):
        model.export(tmp_path / "w.npz", framework="torch")
