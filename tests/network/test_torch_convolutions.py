"""Convolutions with strides, dilation and groups against PyTorch in float64, where it is installed:
output, gradients of kernel and bias, and through them, by way of a layer before, of the input."""

from __future__ import annotations

import numpy as np
import pytest

from nncore import _core

torch = pytest.importorskip("torch")

# filters, and the arguments that PyTorch shares; the input is (N, 11, 9, 12).
CASES = {
    "ordinary": (10, {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 2)}),
    "dilated": (10, {"kernel_size": (3, 2), "dilation": (2, 3), "padding": (1, 2)}),
    "dilated and strided": (7, {"kernel_size": 3, "stride": 2, "dilation": 3, "padding": 3}),
    "groups": (20, {"kernel_size": 3, "groups": 2, "padding": 1, "stride": (1, 2)}),
    "small groups": (24, {"kernel_size": 2, "groups": 6, "dilation": 2}),
    "depthwise": (12, {"kernel_size": 3, "groups": 12, "padding": 1}),
    "depthwise multiplied": (36, {"kernel_size": 3, "groups": 12, "dilation": (1, 2)}),
}


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


@pytest.mark.parametrize("name", CASES)
def test_output_and_gradients(name):
    filters, options = CASES[name]
    network = _core.Network((11, 9, 3))
    network.add_conv2d("before", 12, (1, 1))
    network.add_conv2d(
        "conv",
        filters,
        pair(options["kernel_size"]),
        pair(options.get("stride", 1)),
        "explicit",
        pair(options.get("padding", 0)),
        "tanh",
        dilation_rate=pair(options.get("dilation", 1)),
        groups=options.get("groups", 1),
    )
    network.add_flatten("flatten")
    network.build(3)
    rng = np.random.default_rng(1)
    network.set_parameter("conv/bias", rng.normal(size=filters).astype(np.float32))
    before = torch.nn.Conv2d(3, 12, 1, dtype=torch.float64)
    conv = torch.nn.Conv2d(12, filters, **options, dtype=torch.float64)
    peers = {"before": before, "conv": conv}
    for layer, peer in peers.items():
        kernel = network.get_parameter(f"{layer}/kernel").astype(np.float64)
        peer.weight.data = torch.tensor(kernel.transpose(3, 2, 0, 1).copy())
        peer.bias.data = torch.tensor(network.get_parameter(f"{layer}/bias").astype(np.float64))

    x = rng.random((6, 11, 9, 3), np.float32)
    images = torch.tensor(x.transpose(0, 3, 1, 2).astype(np.float64))
    output = torch.tanh(conv(before(images))).permute(0, 2, 3, 1)
    target = rng.random((6, network.output_size), np.float32)
    ((output.flatten(1) - torch.tensor(target)) ** 2).sum().backward()

    network.compute_gradients(x, target, "sse")
    np.testing.assert_allclose(
        network.layer_output("conv"), output.detach().numpy(), rtol=1e-5, atol=1e-5
    )
    for layer, peer in peers.items():
        gradients = {
            "kernel": peer.weight.grad.permute(2, 3, 1, 0).numpy(),
            "bias": peer.bias.grad.numpy(),
        }
        for parameter, exact in gradients.items():
            error = np.abs(network.get_gradient(f"{layer}/{parameter}") - exact).max()
            assert error <= 2e-5 * np.sqrt((exact**2).mean()), (layer, parameter)
