"""What `nncore train` reaches without flags, beside scikit-learn's logistic regression.

The latter learns the pixels, and what EfficientNet-Lite0 makes of the cropped pictures, by ONNX
Runtime. All are tested on the pictures that the split keeps apart.
"""

from __future__ import annotations

import importlib.util
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from output import table
from photo_task import F32, SIDE, described, lite0
from process import BENCH, cpus, environment

PIXELS_SIDE = 32
_AT_ONCE = 16


@dataclass(frozen=True)
class Accuracy:
    """On the test pictures of one split; `seconds` from process start, where it was one."""

    data: str
    split: int
    contender: str
    accuracy: float
    seconds: float | None = None


def nncore_train(data: str, split: int, source: Path, threads: int, flags: list[str]) -> Accuracy:
    """In a process of its own, without a cache."""
    with tempfile.TemporaryDirectory() as place:
        chosen = ",".join(map(str, sorted(cpus(threads))))
        command = ["taskset", "-c", chosen, sys.executable, "-m", "nncore", "train", str(source)]
        command += ["--output", place, "--cache", "off", "--json", "--quiet", *flags]
        started = time.perf_counter()
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=environment(threads),
            cwd=BENCH,
            check=False,
        )
        seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"failed: {shlex.join(command)}\n{done.stderr}")
    told = json.loads(done.stdout)
    if told["measured_on"] != "test":
        raise RuntimeError(f"{source}: measured on {told['measured_on']} images, not on the test's")
    name = " ".join(["nncore train", *flags])
    return Accuracy(data, split, name, told["accuracy"], seconds)


class Regressions:
    """Logistic regressions on the splits of one data set, whose features are computed once."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._features: dict[str, F32] = {}
        self._session = None

    @staticmethod
    def missing() -> str | None:
        """What has to be installed for them."""
        needed = ("sklearn", "onnx", "onnxruntime")
        names = [name for name in needed if not importlib.util.find_spec(name)]
        if not names:
            return None
        return f"{', '.join(names)} missing: pip install scikit-learn onnx onnxruntime"

    def accuracies(self, data: str, split: int, source: Path) -> list[Accuracy]:
        """The most frequent class, pixels, and frozen features."""
        import nncore as nn
        from nncore.data import Reading

        small = nn.ImageDataset.read(source, Reading(size=PIXELS_SIDE, fit="crop"))
        photos = nn.ImageDataset.read(source, Reading(size=SIDE, color="rgb", fit="crop"))
        assert small.given_split is not None
        test = np.array([part == "test" for part in small.given_split])
        labels = small.labels
        pixels = small.images.reshape(len(small), -1).astype(np.float32) / 255
        frozen = self._known(photos.paths, photos.images)
        most = np.bincount(labels[~test]).argmax()
        return [
            Accuracy(data, split, "most frequent class", float((labels[test] == most).mean())),
            Accuracy(data, split, "regression on pixels", regression(pixels, labels, test)),
            Accuracy(data, split, "regression on features", regression(frozen, labels, test)),
        ]

    def _known(self, paths: Sequence[str], images: NDArray[np.uint8]) -> F32:
        """Features (N, F), computed for those that no split has had before."""
        new = [i for i, path in enumerate(paths) if path not in self._features]
        for start in range(0, len(new), _AT_ONCE):
            chosen = new[start : start + _AT_ONCE]
            block = (images[chosen].transpose(0, 3, 1, 2).astype(np.float32) - 127) / 128
            (rows,) = self._network().run(None, {"x": np.ascontiguousarray(block)})
            for i, row in zip(chosen, rows, strict=True):
                self._features[paths[i]] = row
        return np.stack([self._features[path] for path in paths])

    def _network(self):  # type: ignore[no-untyped-def]
        if self._session is None:
            from networks.onnx_network import session
            from onnx_layers import onnx_bytes

            model = lite0()
            weights = _parameters(model)
            made = onnx_bytes(described(model)[:-1], weights, SIDE, softmax=False)
            self._session = session(made, self._threads)
        return self._session


def _parameters(model) -> dict[str, F32]:  # type: ignore[no-untyped-def]
    from safetensors.numpy import load

    return load(model.to_bytes())


def regression(rows: F32, labels: NDArray[np.integer], test: NDArray[np.bool_]) -> float:
    """Accuracy of scikit-learn's LogisticRegression, with its own penalty."""
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        model = LogisticRegression(max_iter=500).fit(rows[~test], labels[~test])
    return float(model.score(rows[test], labels[test]))


def summary(outcomes: Sequence[Accuracy]) -> str:
    """One row per data set and contender: the mean over the splits, lowest and highest."""
    groups: dict[tuple[str, str], list[Accuracy]] = {}
    for one in outcomes:
        groups.setdefault((one.data, one.contender), []).append(one)
    rows = []
    for (data, contender), own in groups.items():
        values = [one.accuracy for one in own]
        seconds = [one.seconds for one in own if one.seconds is not None]
        rows.append(
            (
                data,
                contender,
                str(len(own)),
                f"{statistics.fmean(values):.4f}",
                f"{min(values):.4f} to {max(values):.4f}",
                f"{statistics.median(seconds):.1f}" if seconds else "",
            )
        )
    return table(("data", "contender", "splits", "accuracy", "range", "seconds"), rows)
