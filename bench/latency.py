"""Time of one image's probabilities: ``python bench/latency.py``.

Each call gets one float32 image as a NumPy array and returns its class probabilities as one, on one
thread: `predict_proba` of nncore, `run` of ONNX Runtime, the model and a softmax in PyTorch's
inference mode. Images alternate. All must give the same probabilities.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from contenders.nncore_fit import make_model
from machine import load_warning, machine, versions
from numpy.typing import NDArray
from output import microseconds, table, write_json
from rounds import Run, Timing, alternate
from works import F32, WORKS, Work, make_data, make_weights

import nncore as nn

TOLERANCE = 1e-5
OURS = "nncore"
INSTALL = {
    "onnxruntime": "pip install onnxruntime onnx",
    "torch": "pip install torch==2.13.0",
}

Predict = Callable[[F32], NDArray[np.float32]]  # one image, shaped as its library has it


def nncore_predict(work: Work, weights: list[F32]) -> Predict:
    model = make_model(work)
    model.build(work.input_shape)
    model.set_weights(weights)
    return model.predict_proba


def onnxruntime_predict(work: Work, weights: list[F32]) -> Predict:
    import onnxruntime
    from onnx_graph import onnx_model

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        onnx_model(work, weights), options, providers=["CPUExecutionProvider"]
    )
    return lambda x: session.run(None, {"x": x})[0]


def torch_predict(work: Work, weights: list[F32]) -> Predict:
    import torch
    from contenders.torch_eager import make_model, torch_weights

    torch.set_num_threads(1)
    model = make_model(work)
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), torch_weights(work, weights), strict=True):
            parameter.copy_(value)

    def predict(x: F32) -> NDArray[np.float32]:
        with torch.inference_mode():
            return torch.softmax(model(torch.from_numpy(x)), 1).numpy()

    return predict


MAKERS = {OURS: nncore_predict, "onnxruntime": onnxruntime_predict, "torch": torch_predict}


def inputs(name: str, images: F32) -> list[F32]:
    """Batches of one image; channels first for the others."""
    if name != OURS and images.ndim == 4:
        images = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return [images[i : i + 1] for i in range(len(images))]


def measure(work: Work, names: list[str], rounds: int, seconds: float) -> dict[str, Timing]:
    """Seconds per call.

    Raises
    ------
    ArithmeticError
        Probabilities differ.
    """
    weights = make_weights(work)
    images = make_data(work)[0][:64]
    expected: NDArray[np.float32] | None = None
    runs: dict[str, Run] = {}
    for name in names:
        predict, batches = MAKERS[name](work, weights), inputs(name, images)
        result = np.concatenate([predict(batch) for batch in batches])
        expected = result if expected is None else expected
        if not np.abs(result - expected).max() <= TOLERANCE:
            raise ArithmeticError(f"{work.name}: {name} and {names[0]} give other probabilities")
        runs[name] = _repeated(predict, itertools.cycle(batches))
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
    nn.set_num_threads(1)
    report: dict[str, Any] = {
        "machine": machine(),
        "versions": versions(["nncore", "onnxruntime", "torch", "numpy"]),
        "settings": {"rounds": options.rounds, "seconds": options.seconds},
        "seconds_per_call": {},
    }
    rows = []
    for name in options.works:
        timings = measure(WORKS[name], names, options.rounds, options.seconds)
        report["seconds_per_call"][name] = {n: t.to_dict() for n, t in timings.items()}
        for who, timing in timings.items():
            low, high = timing.spread
            rows.append(
                (
                    f"{name}, {who}",
                    microseconds(timing.median),
                    f"{microseconds(low)} to {microseconds(high)}",
                    f"{timing.median / timings[OURS].median:.2f}",
                )
            )
    print(table(("one image", "us/call", "rounds", "times of nncore's"), rows))
    if options.json:
        write_json(options.json, report)
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--works", nargs="+", choices=list(WORKS), default=["mlp128", "lenet", "cnn28"]
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.2, help="per library and round")
    parser.add_argument("--json", type=Path, help="write all rounds to this file")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds and --seconds must be positive")
    return options


if __name__ == "__main__":
    sys.exit(main())
