"""Time of one image's probabilities: ``python bench/latency.py``.

Each call gets one float32 image as a NumPy array and returns its class probabilities as one, on one
thread or several: `predict_proba` of nncore, `run` of ONNX Runtime, the model and a softmax in
PyTorch's inference mode. Images alternate. All must give the same probabilities.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from contender import blas_kernels
from contenders.nncore_fit import make_model
from loads import LOADS
from machine import load_warning, machine, versions
from numpy.typing import NDArray
from output import microseconds, table, write_json
from process import drop_misleading
from rounds import Run, Timing, alternate
from works import F32, WORKS, Work, make_data, make_weights

import nncore as nn

TOLERANCE = 1e-5
OURS = "nncore"
PHOTO_NETWORKS = ("mobilenetv2", "resnet18")
INSTALL = {
    "onnxruntime": "pip install onnxruntime onnx",
    "torch": "pip install torch==2.13.0",
}

Predict = Callable[[F32], NDArray[np.float32]]  # one image, shaped as its library has it


def nncore_predict(work: Work, weights: list[F32], threads: int) -> Predict:
    model = make_model(work)
    model.build(work.input_shape)
    model.set_weights(weights)
    return _on(threads, model)


def _on(threads: int, model: nn.Sequential) -> Predict:
    def predict(x: F32) -> NDArray[np.float32]:
        nn.set_num_threads(threads)
        return model.predict_proba(x)

    return predict


def onnxruntime_predict(work: Work, weights: list[F32], threads: int) -> Predict:
    from onnx_graph import onnx_model

    return _session(onnx_model(work, weights), threads)


def _session(graph: bytes, threads: int) -> Predict:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {session.get_inputs()[0].name: x})[0]


def torch_predict(work: Work, weights: list[F32], threads: int) -> Predict:
    import torch
    from contenders.torch_eager import make_model, torch_weights

    torch.set_num_threads(threads)
    model = make_model(work)
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), torch_weights(work, weights), strict=True):
            parameter.copy_(value)

    def predict(x: F32) -> NDArray[np.float32]:
        with torch.inference_mode():
            return torch.softmax(model(torch.from_numpy(x)), 1).numpy()

    return predict


@dataclass(frozen=True)
class Question:
    """A network: its images, and by contender what makes its function for a number of threads."""

    images: F32
    makers: dict[str, Callable[[int], Predict]]


def question(name: str) -> Question:
    """One of the works of works.py, or a network for photos."""
    if name in PHOTO_NETWORKS:
        return _photo_question(name)
    work = WORKS[name]
    weights = make_weights(work)
    makers = {OURS: nncore_predict, "onnxruntime": onnxruntime_predict, "torch": torch_predict}
    return Question(
        make_data(work)[0][:64],
        {who: functools.partial(make, work, weights) for who, make in makers.items()},
    )


def _photo_question(name: str) -> Question:
    from photo_task import NETWORKS, SIDE, described, settled

    random = np.random.default_rng(0)
    images = random.random((8, SIDE, SIDE, 3), dtype=np.float32)
    model = settled(NETWORKS[name], images, np.zeros(8, np.int32), 8)

    def onnxruntime(threads: int) -> Predict:
        from onnx_layers import onnx_bytes
        from safetensors.numpy import load_file

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.safetensors"
            model.save(path)
            graph = onnx_bytes(described(model), load_file(path), SIDE, softmax=True)
        return _session(graph, threads)

    return Question(images, {OURS: lambda threads: _on(threads, model), "onnxruntime": onnxruntime})


def inputs(name: str, images: F32) -> list[F32]:
    """Batches of one image; channels first for the others."""
    if name != OURS and images.ndim == 4:
        images = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return [images[i : i + 1] for i in range(len(images))]


def measure(
    asked: Question, names: list[str], threads: list[int], rounds: int, seconds: float
) -> dict[str, Timing]:
    """Seconds per call, by contender and number of threads.

    Raises
    ------
    ArithmeticError
        Probabilities differ.
    """
    expected: NDArray[np.float32] | None = None
    runs: dict[str, Run] = {}
    for name, count in itertools.product(names, threads):
        if name not in asked.makers:
            continue
        predict, batches = asked.makers[name](count), inputs(name, asked.images)
        result = np.concatenate([predict(batch) for batch in batches])
        expected = result if expected is None else expected
        if not np.abs(result - expected).max() <= TOLERANCE:
            raise ArithmeticError(f"{name} and {names[0]} give other probabilities")
        runs[f"{name}, {count}"] = _repeated(predict, itertools.cycle(batches))
    return alternate(runs, rounds, seconds)


def _repeated(predict: Predict, batches: Iterator[F32]) -> Run:
    def run(count: int) -> float:
        started = time.perf_counter()
        for batch in itertools.islice(batches, count):
            predict(batch)
        return time.perf_counter() - started

    return run


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    names = [OURS]
    for name, install in INSTALL.items():
        try:
            __import__(name)
            if name == "onnxruntime":
                __import__("onnx")
        except ImportError as error:
            print(f"NOT MEASURED: {name} ({error}); install it with: {install}")
        else:
            names.append(name)
    warning = load_warning()
    if warning:
        print(f"WARNING: {warning}")
    drop_misleading()
    for library, kernels in blas_kernels().items():
        print(f"{library}: kernels for {kernels}")
    report: dict[str, Any] = {
        "machine": machine(),
        "versions": versions(["nncore", "onnxruntime", "torch", "numpy"]),
        "blas": blas_kernels(),
        "settings": {
            "rounds": options.rounds,
            "seconds": options.seconds,
            "load": options.load,
        },
        "seconds_per_call": {},
    }
    rows = []
    for name in options.works:
        asked = question(name)
        with LOADS[options.load]():
            timings = measure(asked, names, options.threads, options.rounds, options.seconds)
        ours = timings[f"{OURS}, {options.threads[0]}"]
        report["seconds_per_call"][name] = {n: t.to_dict() for n, t in timings.items()}
        for who, timing in timings.items():
            low, high = timing.spread
            rows.append(
                (
                    f"{name}: {who}",
                    microseconds(timing.median),
                    f"{microseconds(low)} to {microseconds(high)}",
                    f"{timing.median / ours.median:.2f}",
                )
            )
    print(table(("one image: contender, threads", "us/call", "rounds", "times of the first"), rows))
    if options.json:
        write_json(options.json, report)
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--works",
        nargs="+",
        choices=[*WORKS, *PHOTO_NETWORKS],
        default=["mlp128", "lenet", "cnn28", *PHOTO_NETWORKS],
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--load", choices=list(LOADS), default="quiet", help="other programs")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.2, help="per library and round")
    parser.add_argument("--json", type=Path, help="write all rounds to this file")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.seconds <= 0 or min(options.threads) < 1:
        parser.error("--rounds, --seconds and --threads must be positive")
    return options


if __name__ == "__main__":
    sys.exit(main())
