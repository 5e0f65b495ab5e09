"""The speed gate: ``python bench/regress.py`` fails when a training step became slower.

What is compared is not time but the share of the FMA peak, measured in turns with the steps: it
hardly depends on the clock rate or on how fast this machine happens to be today. On one thread the
steps' CPU time counts, so that other programs are in the way as little as possible. The baseline is
bench/baseline.json, one entry per processor, instruction set and number of threads, written by
``--record``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import cpu_model, load_warning
from output import table, write_json
from peak import limit_run, measure_peak
from process import BENCH, ContenderProcess, cpus
from task import make_task
from works import WORKS, Work

import nncore as nn

BASELINE = BENCH / "baseline.json"
TOLERANCE = 0.15  # the share of the baseline that may be lost


def baseline_key(threads: int) -> str:
    """What a baseline entry holds for."""
    return f"{cpu_model()}, {nn.info()['isa']}, {threads} thread(s)"


def read_baseline(path: Path) -> dict[str, Any]:
    """The entries by key; none where the file is missing.

    Raises
    ------
    ValueError
        The file is not a baseline.
    """
    if not path.exists():
        return {}
    data = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict) or not isinstance(data.get("entries"), dict):
        raise ValueError(f'{path} is no baseline: it must be a JSON object with "entries"')
    return dict(data["entries"])


def slower(
    measured: dict[str, float], recorded: dict[str, float], tolerance: float = TOLERANCE
) -> list[str]:
    """The works whose share of the peak fell by more than `tolerance` of the recorded one."""
    return [
        name
        for name, share in measured.items()
        # Written so that NaN counts as slower.
        if name in recorded and not share >= (1 - tolerance) * recorded[name]
    ]


def share_of_peak(work: Work, threads: int, rounds: int, seconds: float) -> float:
    """Median over the rounds of limit / time, each with the peak measured just before.

    The steps are those of `Sequential.fit`, in a process of their own.
    """
    shares = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task.npz"
        make_task(work, threads).save(path)
        with ContenderProcess("nncore", path, threads) as process:
            isa = process.versions["isa"]
            clock = "cpu_seconds" if threads == 1 else "seconds"
            epochs, taken = 1, process.ask("run 1")["seconds"]
            while taken < seconds / 4:
                epochs *= 4
                taken = process.ask(f"run {epochs}")["seconds"]
            epochs = max(1, round(epochs * seconds / taken))
            limit = limit_run(threads, isa)
            for _ in range(rounds):
                if limit is None:
                    gflops = measure_peak(threads, isa).gflops
                else:
                    gflops = 20 * threads / limit[0](20 * threads)  # a tenth of a second
                time.sleep(0.05)
                taken = process.ask(f"run {epochs}")[clock] / (epochs * work.steps)
                shares.append(work.limit_seconds(gflops) / taken)
    return statistics.median(shares)


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    warning = load_warning()
    if warning:
        print(f"WARNING: {warning}")
    key = baseline_key(options.threads)
    entries = read_baseline(options.baseline)
    recorded: dict[str, float] = entries.get(key, {}).get("share_of_peak", {})
    if not recorded and not options.record:
        print(
            f"no baseline for this machine ({key}) in {options.baseline}: nothing to compare with; "
            f"record one with: python bench/regress.py --record --threads {options.threads}"
        )
        return 1 if options.strict else 0

    def measure(names: list[str]) -> dict[str, float]:
        return {
            name: share_of_peak(WORKS[name], options.threads, options.rounds, options.seconds)
            for name in names
        }

    measured = measure(options.works)
    if options.record:
        shares = {**recorded, **{name: round(share, 4) for name, share in measured.items()}}
        info = nn.info()
        entries[key] = {
            "share_of_peak": shares,
            "version": info["version"],
            "compiler": info["compiler"],
            "recorded": time.strftime("%Y-%m-%d"),
        }
        write_json(options.baseline, {"entries": entries})
        print(_comparison(measured, recorded))
        print(f"recorded in {options.baseline} for {key}")
        return 0
    suspects = slower(measured, recorded)
    if suspects:
        # Another program may have been in the way: whoever is slower must be so twice.
        print(f"slower than the baseline: {', '.join(suspects)}; measuring again")
        again = measure(suspects)
        measured |= {name: max(share, measured[name]) for name, share in again.items()}
        suspects = slower(measured, recorded)
    print(_comparison(measured, recorded))
    unknown = [name for name in measured if name not in recorded]
    if unknown:
        print(f"not in the baseline: {', '.join(unknown)}; record them with --record")
    if suspects:
        print(
            f"FAILED: {', '.join(suspects)} lost more than {TOLERANCE:.0%} of the recorded speed; "
            "if that is wanted, record it with --record and say why"
        )
        return 1
    return 1 if unknown and options.strict else 0


def _comparison(measured: dict[str, float], recorded: dict[str, float]) -> str:
    rows = []
    for name, share in measured.items():
        before = recorded.get(name)
        change = "new" if before is None else f"{share / before - 1:+.1%}"
        rows.append((name, f"{share:.1%}", "" if before is None else f"{before:.1%}", change))
    return table(("work", "of the FMA peak", "baseline", "change"), rows)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--works", nargs="+", choices=list(WORKS), default=list(WORKS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3, help="per round, about")
    parser.add_argument("--record", action="store_true", help="make this the baseline")
    parser.add_argument("--strict", action="store_true", help="fail without a baseline, too")
    parser.add_argument("--baseline", type=Path, default=BASELINE)
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.threads < 1 or options.seconds <= 0:
        parser.error("--rounds, --threads and --seconds must be positive")
    try:
        cpus(options.threads)
    except ValueError as error:
        parser.error(f"--threads: {error}")
    return options


if __name__ == "__main__":
    sys.exit(main())
