"""Networks of torchvision as ONNX files: what nncore makes of them: ``python bench/imported.py``.

Each architecture, with random weights, is written by both exporters of PyTorch and read by
`nn.from_onnx`. Outputs are compared with ONNX Runtime's, relative to the range of the logits, and
gradients of all weights with PyTorch's in float64, relative to the largest of each tensor;
PyTorch's own in float32 are beside them. Sizes are odd where the architecture allows it.

Where the input of a ReLU is 0 but for rounding, or two pixels of a pool are equal but for it, the
gradient takes another way, in PyTorch's float32 as in ours: one such place among millions changes
the gradients below it by some thousandths. So several draws of images are compared, and of each
tensor the draw counts that agrees best. A wrong gradient is wrong in all of them. Where a network
is so deep that each draw has such a place (ResNet50, Inception), twice what PyTorch's float32
misses is allowed.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import logging
import sys
import tempfile
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from output import table, write_json

F64 = NDArray[np.float64]
Draw = tuple[NDArray[np.float32], NDArray[np.int64]]  # images (N, C, H, W) and labels

CLASSES, BATCH, DRAWS = 10, 1, 4
OUTPUT_TOLERANCE = 1e-4  # of the range of the logits
GRADIENT_TOLERANCE = 1e-4  # of the largest of a tensor; or twice what PyTorch's float32 misses
# So much of the weights must be found again. Factors behind a kernel, such as ConvNeXt has, become
# part of it on import: then its numbers are others, and nothing is compared.
MOST = 0.5
_ODD, _SQUARE = (97, 75), (224, 224)

# Height and width. VGG and AlexNet have adaptive pools, which PyTorch exports at whole ratios only;
# Inception needs 75 pixels for its last reduction; vision transformers take one size.
NETWORKS = {
    "alexnet": _SQUARE,
    "vgg11": _SQUARE,
    "vgg11_bn": _SQUARE,
    "resnet18": _ODD,
    "resnet50": _ODD,
    "resnext50_32x4d": _ODD,
    "wide_resnet50_2": _ODD,
    "squeezenet1_0": _ODD,
    "squeezenet1_1": _ODD,
    "densenet121": _ODD,
    "googlenet": _ODD,
    "inception_v3": (149, 123),
    "mobilenet_v2": _ODD,
    "mobilenet_v3_small": _ODD,
    "mobilenet_v3_large": _ODD,
    "mnasnet0_5": _ODD,
    "mnasnet1_0": _ODD,
    "shufflenet_v2_x0_5": _ODD,
    "shufflenet_v2_x1_0": _ODD,
    "regnet_x_400mf": _ODD,
    "regnet_y_400mf": _ODD,
    "efficientnet_b0": _ODD,
    "efficientnet_v2_s": _ODD,
    "convnext_tiny": (96, 64),
    "swin_t": _SQUARE,
    "vit_b_16": _SQUARE,
}
EXPORTERS = {"dynamo": True, "legacy": False}


@dataclass(frozen=True)
class Outcome:
    """Of one network and exporter; differences are None where it could not be had.

    `gradients` and PyTorch's in float32 are those of the tensor that differs most; `compared` is
    the part of the weights that were found in both.
    """

    network: str
    exporter: str
    size: str
    outputs: float | None = None
    gradients: float | None = None
    torch_gradients: float | None = None
    compared: float = 0.0
    refused: str | None = None

    @property
    def agrees(self) -> bool:
        if self.outputs is None or self.gradients is None:
            return False
        allowed = max(GRADIENT_TOLERANCE, 2 * (self.torch_gradients or 0.0))
        right = self.outputs <= OUTPUT_TOLERANCE and self.gradients <= allowed
        return right and self.compared >= MOST


def main(arguments: list[str] | None = None) -> int:
    """Exit code 1 where something that could be had does not agree."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--exporters", nargs="+", choices=list(EXPORTERS), default=list(EXPORTERS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    outcomes = []
    for name in options.networks:
        model, draws = task(name)
        exact = copy.deepcopy(model).double()
        right = [gradients_of(exact, x.astype(np.float64), labels) for x, labels in draws]
        for exporter in options.exporters:
            outcome = compared(name, exporter, model, draws, right)
            outcomes.append(outcome)
            print(told(outcome), flush=True)
    print(f"\n{summary(outcomes)}")
    if options.json:
        write_json(options.json, [asdict(one) for one in outcomes])
    return 0 if all(one.agrees or one.refused for one in outcomes) else 1


def task(name: str) -> tuple[Any, list[Draw]]:
    """The network, ready for use, with statistics that suit its weights; and images with labels.

    What comes after a convolution is made part of it where PyTorch itself can, so that its weights
    are those that the file has.
    """
    import torch
    import torchvision
    from torch.fx.experimental.optimization import fuse

    torch.manual_seed(0)
    settings: dict[str, Any] = {"num_classes": CLASSES, "weights": None}
    if name in ("googlenet", "inception_v3"):
        settings |= {"aux_logits": False, "init_weights": True}
    model = getattr(torchvision.models, name)(**settings)
    if name.startswith(("alexnet", "vgg")):  # whose dense layers would take gigabytes
        inputs = next(one for one in model.classifier if hasattr(one, "in_features")).in_features
        model.classifier = torch.nn.Sequential(
            torch.nn.Linear(inputs, 64), torch.nn.ReLU(), torch.nn.Linear(64, CLASSES)
        )
    height, width = NETWORKS[name]
    draws = [torch.randn(BATCH, 3, height, width).numpy() for _ in range(DRAWS)]
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the mean over all batches
        if isinstance(module, torch.nn.Dropout | torchvision.ops.StochasticDepth):
            module.p = 0.0
    with torch.no_grad():
        for _ in range(2):
            model.train()(torch.randn(8, 3, height, width))
    model.eval()
    with contextlib.suppress(Exception):  # what cannot be traced stays as it is
        model = fuse(model)
    labels = np.random.default_rng(0).integers(0, CLASSES, BATCH)
    return model, [(images, labels) for images in draws]


def gradients_of(model: Any, images: NDArray[Any], labels: NDArray[np.int64]) -> dict[str, F64]:
    """PyTorch's, by the names of its parameters."""
    import torch

    model.zero_grad()
    loss = torch.nn.functional.cross_entropy(
        model(torch.from_numpy(images)), torch.from_numpy(labels)
    )
    loss.backward()
    return {
        name: value.grad.numpy().astype(np.float64)
        for name, value in model.named_parameters()
        if value.grad is not None
    }


def compared(
    name: str,
    exporter: str,
    model: Any,
    draws: list[Draw],
    right: list[dict[str, F64]],
) -> Outcome:
    import nncore as nn

    first, _ = draws[0]
    outcome = Outcome(name, exporter, "x".join(map(str, first.shape[2:])))
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / f"{name}.onnx"
        try:
            export(model, first, path, EXPORTERS[exporter])
        except Exception as error:
            line = str(error).strip().split("\n")[0]
            return _with(outcome, refused=f"the exporter fails: {type(error).__name__}: {line}")
        try:
            ours = nn.from_onnx(path)
        except nn.NncoreError as error:
            return _with(outcome, refused=str(error).replace(f"{path}: ", ""))
        network = with_fixed_statistics(path)
        outputs = output_difference(path, ours, first)
    weights = {key: value.detach().numpy() for key, value in model.named_parameters()}
    missed, by_torch, part = [], [], 0.0
    for (images, labels), wanted in zip(draws, right, strict=True):
        found, part = gradient_differences(network, images, labels, weights, wanted)
        missed.append(found)
        theirs = gradients_of(model, images, labels)
        by_torch.append({key: _relative(theirs[key], wanted[key]) for key in found})
    return _with(
        outcome,
        outputs=outputs,
        gradients=_largest(missed),
        torch_gradients=_largest(by_torch),
        compared=part,
    )


def _largest(draws: list[dict[str, float]]) -> float:
    """Of all tensors, each as in the draw that agrees best."""
    return max(min(draw[name] for draw in draws) for name in draws[0])


def _with(outcome: Outcome, **facts: Any) -> Outcome:
    return Outcome(**(asdict(outcome) | facts))


def export(model: Any, images: NDArray[np.float32], path: Path, dynamo: bool) -> None:
    """As one file, at the size of the images, without the exporter's talk."""
    import torch

    logging.disable(logging.WARNING)
    settings: dict[str, Any] = {"dynamo": dynamo, "input_names": ["images"]}
    if dynamo:
        settings |= {"external_data": False, "verbose": False}
    quiet = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(quiet):
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (torch.from_numpy(images[:1]),), str(path), **settings)
    logging.disable(logging.NOTSET)


def with_fixed_statistics(path: Path) -> Any:
    """The engine's network, whose batch normalizations stay as they are when it is used."""
    from nncore.interop.onnx_import.fusing import without_normalizations
    from nncore.training.imported import built, read_import

    imported, _ = read_import(path, None, None)
    model = built(path, without_normalizations(imported.parts), imported.input_shape)
    return model._built_network()


def output_difference(path: Path, ours: Any, images: NDArray[np.float32]) -> float:
    """The largest from ONNX Runtime's, of the range of the logits."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    expected = np.concatenate([session.run(None, {name: one[None]})[-1] for one in images])
    found = ours.forward(np.ascontiguousarray(images.transpose(0, 2, 3, 1)))
    return float(np.abs(found - expected).max() / np.ptp(expected))


def gradient_differences(
    network: Any,
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    weights: dict[str, NDArray[np.float32]],
    right: dict[str, F64],
) -> tuple[dict[str, float], float]:
    """How far each kernel's are from `right`, by PyTorch's names, found by the numbers in the
    kernels; and which part of all weights in kernels that is."""
    x = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    network.compute_gradients(x, labels.astype(np.int32), "cross_entropy")
    known: dict[tuple[int, ...], list[str]] = {}
    for name, value in weights.items():
        known.setdefault(_matrix(value).shape, []).append(name)
    differences, compared, total = {}, 0, 0
    for name in network.parameter_names():
        if not name.endswith("/kernel"):
            continue
        kernel = _matrix_of_ours(network.get_parameter(name))
        total += kernel.size
        order = _order(kernel)
        for other in known.get(kernel.shape, []):
            matrix = _matrix(weights[other])
            places = _order(matrix)
            if np.allclose(matrix[places], kernel[order], rtol=1e-4, atol=1e-7):
                found = _matrix_of_ours(network.get_gradient(name))[order]
                differences[other] = _relative(found, _matrix(right[other])[places])
                compared += kernel.size
                break
    return differences, compared / total


def _matrix(weight: NDArray[Any]) -> NDArray[Any]:
    """PyTorch's (out, in, kh, kw) or (out, in) as (all inputs, out)."""
    return weight.reshape(len(weight), -1).T


def _matrix_of_ours(kernel: NDArray[Any]) -> NDArray[Any]:
    """(kh, kw, in, out) or (in, out) likewise."""
    if kernel.ndim == 4:
        kernel = kernel.transpose(2, 0, 1, 3)
    return kernel.reshape(-1, kernel.shape[-1])


def _order(matrix: NDArray[Any]) -> NDArray[np.intp]:
    """Of the rows by their first numbers: behind an image the two have them in other orders."""
    return np.lexsort(matrix[:, 2::-1].T)


def _relative(found: NDArray[Any], expected: NDArray[Any]) -> float:
    largest = float(np.abs(expected).max())
    return float(np.abs(found - expected).max()) / largest if largest else 0.0


def told(outcome: Outcome) -> str:
    """One line."""
    start = f"{outcome.network} ({outcome.exporter}, {outcome.size}): "
    if outcome.refused is not None:
        return f"{start}not to be had: {outcome.refused}"
    return (
        f"{start}outputs {outcome.outputs:.1e}, gradients {outcome.gradients:.1e} (PyTorch's "
        f"float32: {outcome.torch_gradients:.1e}) of {outcome.compared:.0%} of the weights"
        f"{'' if outcome.agrees else '  DIFFERS'}"
    )


def summary(outcomes: list[Outcome]) -> str:
    rows = [
        (
            one.network,
            one.exporter,
            one.size,
            *(
                ("", "", "", "")
                if one.refused
                else (
                    f"{one.outputs:.1e}",
                    f"{one.gradients:.1e}",
                    f"{one.torch_gradients:.1e}",
                    f"{one.compared:.0%}",
                )
            ),
            "not to be had" if one.refused else ("agrees" if one.agrees else "DIFFERS"),
        )
        for one in outcomes
    ]
    header = ("network", "exporter", "size", "outputs", "gradients", "float32's", "of", "")
    return table(header, rows)


if __name__ == "__main__":
    sys.exit(main())
