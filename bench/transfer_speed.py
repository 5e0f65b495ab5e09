"""How fast a network for photos is trained, looks at photos, and gets a head from files of them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from contender import Contender
from heads import HEADS
from networks import NETWORKS
from output import table
from photo_task import NETWORKS as MODELS
from photo_task import RATES, lite0, photos, settled, write_task
from pictures import PICTURES, folder
from process import BENCH, ContenderFailed, ContenderProcess, cpus, environment
from rounds import Timing, alternate

BATCH, STEPS = 16, 4
OUTPUT_TOLERANCE = 1e-4  # of the range of the class probabilities
LOSS_TOLERANCE = 1e-3
GRADIENT_TOLERANCE = 0.03  # of the length of a tensor's, or of a hundredth of all
ACCURACY_TOLERANCE = 0.02


EXACT = "torch-channels-last"  # can compute in float64, too


class DifferentWork(RuntimeError):
    """Contenders that should have done the same did not."""


@dataclass
class Race:
    """One question: seconds of each contender, for what, and what could not be measured.

    `per_unit` is how many photos, or steps, a unit of the timings stands for.
    """

    name: str
    unit: str
    per_unit: int
    timings: dict[str, Timing] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)
    checked: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def ratio(self, name: str) -> float:
        """How many times as long as the first contender, which is ours, by medians."""
        first = next(iter(self.timings.values()))
        return self.timings[name].median / first.median

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            "seconds": {
                name: timing.per(self.per_unit).to_dict() for name, timing in self.timings.items()
            },
            "ratio": {name: self.ratio(name) for name in self.timings},
            "versions": self.versions,
            "checked": self.checked,
            "failures": self.failures,
        }

    def __str__(self) -> str:
        rows = []
        for name, timing in self.timings.items():
            one = timing.per(self.per_unit)
            low, high = one.spread
            rows.append(
                (
                    name,
                    f"{1e3 * one.median:,.1f}",
                    f"{1e3 * low:,.1f} to {1e3 * high:,.1f}",
                    f"{self.ratio(name):.2f} x",
                )
            )
        header = ("contender", f"ms per {self.unit}", "rounds", "times nncore's")
        failed = [f"NOT MEASURED: {text}" for text in self.failures.values()]
        return "\n".join([f"{self.name}", table(header, rows), *failed])


def installed(entries: Mapping[str, Contender], race: Race) -> list[str]:
    """Names of the contenders that can take part; the others are noted."""
    there = []
    for name, entry in entries.items():
        missing = entry.missing()
        if missing:
            race.failures[name] = f"{name}: {', '.join(missing)} missing: {entry.install}"
        else:
            there.append(name)
    return there


def train(network: str, threads: int, rounds: int, seconds: float) -> Race:
    """All layers, plain SGD, batches of 16 photos of 224 x 224."""
    race = Race(f"training {network}, batches of {BATCH}, {threads} thread(s)", "step", STEPS)
    entries = {name: entry for name, entry in NETWORKS.items() if entry.trains}
    with _processes(entries, network, threads, race) as processes:
        race.checked |= first_step(processes)
        runs = {name: _asking(process, "train") for name, process in processes.items()}
        race.timings = alternate(runs, rounds, seconds, pause=0.2)
    return race


def look(network: str, threads: int, rounds: int, seconds: float, batch: int = BATCH) -> Race:
    """Class probabilities, `batch` photos per call; with 16, what frozen features cost."""
    name = f"{network} looking at photos, {batch} per call, {threads} thread(s)"
    race = Race(name, "photo", BATCH * STEPS)
    with _processes(NETWORKS, network, threads, race, batch) as processes:
        runs = {name: _asking(process, "look") for name, process in processes.items()}
        race.timings = alternate(runs, rounds, seconds, pause=0.2)
    return race


@contextlib.contextmanager
def _processes(  # type: ignore[no-untyped-def]
    entries: Mapping[str, Contender], network: str, threads: int, race: Race, batch: int = BATCH
):
    """Contenders at work on one task, whose class probabilities agree."""
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        images, labels = photos(BATCH * STEPS)
        facts = {"batch": batch, "learning_rate": RATES[network], "threads": threads}
        model = settled(MODELS[network], images, labels, BATCH)
        write_task(place, model, images, labels, **facts)
        processes: dict[str, ContenderProcess] = {}
        outputs = {}
        for name in installed(entries, race):
            try:
                process = ContenderProcess(name, place, threads, package="networks")
                processes[name] = stack.enter_context(process)
                outputs[name] = np.array(process.ask("outputs")["outputs"])
            except ContenderFailed as error:
                processes.pop(name, None)
                race.failures[name] = str(error)
                continue
            race.versions[name] = process.versions
        race.checked["largest difference of outputs, of their range"] = check_outputs(outputs)
        yield processes


def _asking(process: ContenderProcess, command: str) -> Callable[[int], float]:
    def run(units: int) -> float:
        return float(process.ask(f"{command} {units}")["seconds"])

    return run


def check_outputs(outputs: Mapping[str, np.ndarray]) -> float:
    """The largest difference from the first; `DifferentWork` if it is not small.

    Class probabilities (N, K) that hardly differ between photos would prove nothing.
    """
    names = list(outputs)
    first = outputs[names[0]]
    spread = float(np.ptp(first, axis=0).max())
    if not spread > 1e-3:
        raise DifferentWork(f"class probabilities of {names[0]} are all alike")
    worst = 0.0
    for name in names[1:]:
        difference = float(np.abs(outputs[name] - first).max()) / float(np.ptp(first))
        if not difference <= OUTPUT_TOLERANCE:
            raise DifferentWork(f"outputs of {name} differ from {names[0]}'s by {difference:.2g}")
        worst = max(worst, difference)
    return worst


def first_step(processes: Mapping[str, ContenderProcess]) -> dict[str, Any]:
    """What was compared of the first step: all losses, and how far gradients are from float64's.

    Not of later ones: from the second step on, float32 in another order of sums leads a deep
    network elsewhere, PyTorch's own float64 no less.
    """
    losses, gradients = {}, {}
    exact: dict[str, np.ndarray] | None = None
    with tempfile.TemporaryDirectory() as place:

        def asked(process: ContenderProcess, question: str) -> tuple[float, dict[str, np.ndarray]]:
            file = Path(place) / "gradients.npz"
            loss = process.ask(f"{question} {file}")["loss"]
            with np.load(file) as arrays:
                return loss, dict(arrays)

        for name, process in processes.items():
            losses[name], gradients[name] = asked(process, "gradients")
        if EXACT in processes:
            losses["float64"], exact = asked(processes[EXACT], "exact")
    check_losses(losses)
    checked: dict[str, Any] = {"loss of the first step": losses}
    if exact is not None:
        checked["gradients of the first step, from float64's"] = {
            name: check_gradients(name, own, exact) if name != EXACT else _missed(own, exact)[0]
            for name, own in gradients.items()
        }
    return checked


def check_losses(losses: Mapping[str, float]) -> None:
    """`DifferentWork` unless all first steps had about the same loss."""
    names = list(losses)
    for name in names[1:]:
        if not abs(losses[name] / losses[names[0]] - 1) <= LOSS_TOLERANCE:
            raise DifferentWork(f"the losses of the first step differ: {dict(losses)}")


def check_gradients(
    name: str, gradients: Mapping[str, np.ndarray], exact: Mapping[str, np.ndarray]
) -> float:
    """The largest difference of a tensor; `DifferentWork` if it is not small."""
    if gradients.keys() != exact.keys():
        odd = sorted(gradients.keys() ^ exact.keys())
        raise DifferentWork(f"{name} does not train what {EXACT} trains: {odd}")
    worst, tensor = _missed(gradients, exact)
    if not worst <= GRADIENT_TOLERANCE:
        raise DifferentWork(f"gradients of {tensor} by {name} differ from float64's by {worst:.2g}")
    return worst


def _missed(
    gradients: Mapping[str, np.ndarray], exact: Mapping[str, np.ndarray]
) -> tuple[float, str]:
    """How far the worst tensor is from the exact one, and its name.

    Of its length, not number by number: where a value is 0 but for rounding, one activation lets
    its gradient through and the other does not. Of those that are next to nothing, such as of what
    a batch normalization takes away again, the length is that of a hundredth of all.
    """
    least = 0.01 * float(np.sqrt(sum(np.square(one).sum() for one in exact.values())))
    missed = {
        name: float(np.linalg.norm(gradients[name] - one)) / max(float(np.linalg.norm(one)), least)
        for name, one in exact.items()
    }
    # One that is no number is the worst.
    worst = max(missed, key=lambda name: np.nan_to_num(missed[name], nan=np.inf))
    return missed[worst], worst


def head(root: Path, threads: int, rounds: int, count: int | None = None) -> Race:
    """From JPEG files to a trained head, from process start; `count` of 500 photos."""
    place = folder(PICTURES["photos"], root, count)
    race = Race(f"{count or 500} JPEGs of 2048x1536 to a trained head, {threads} threads", "run", 1)
    names = installed(HEADS, race)
    with tempfile.TemporaryDirectory() as scratch:
        task = Path(scratch) / "task"
        images, labels = photos(1)
        write_task(task, lite0(), images, labels, batch=1, learning_rate=1.0, threads=threads)
        times: dict[str, list[float]] = {name: [] for name in names}
        for turn in range(-1, rounds):  # the first is for the files to be in the page cache
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                told, seconds = _timed([name, str(place), str(task), str(threads)], threads)
                race.checked[name] = told
                if turn >= 0:
                    times[name].append(seconds)
            check_heads(race.checked)
    race.timings = {name: Timing(tuple(taken), 1) for name, taken in times.items()}
    return race


def check_heads(told: Mapping[str, Mapping[str, float]]) -> None:
    """`DifferentWork` unless all have read as many photos and learned them about as well."""
    if len({one["images"] for one in told.values()}) > 1:
        raise DifferentWork(f"not the same number of photos: {dict(told)}")
    accuracies = [one["accuracy"] for one in told.values()]
    if max(accuracies) - min(accuracies) > ACCURACY_TOLERANCE:
        raise DifferentWork(f"not as well trained: {dict(told)}")


def _timed(words: Sequence[str], threads: int) -> tuple[dict[str, float], float]:
    chosen = ",".join(map(str, sorted(cpus(threads))))
    command = ["taskset", "-c", chosen, sys.executable, "-W", "ignore", "-m", "heads", *words]
    started = time.perf_counter()
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(threads), cwd=BENCH, check=False
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"failed: {' '.join(words)}\n{done.stderr}")
    return json.loads(done.stdout), seconds
