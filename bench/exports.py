"""Do exported models answer as nncore does? ``python bench/exports.py``.

Networks are trained for a moment on MNIST (1,000 other pictures are looked at) or taken for photos,
exported in every format, and run: by ONNX Runtime; as C, compiled with warnings as errors by GCC
and Clang, under the sanitizers, and for ARM under qemu; and their weights in Keras and PyTorch,
from where they are read back. The table has the largest difference of any probability; a label that
differs, or more than 1e-5, is a failure. What is not installed is named.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from export_targets import TARGETS, NoSuchLayer, Target
from export_targets.networks import NETWORKS, Case
from folders import NotInstalled
from output import table

_TOLERANCE = 1e-5


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    cases = [NETWORKS[name]() for name in options.networks]
    rows, failures = [], []
    for name in options.targets:
        cells = [name]
        for case in cases:
            cell, failure = _checked(TARGETS[name], case)
            cells.append(cell)
            failures += [f"{name}, {case.name}: {failure}"] if failure else []
        rows.append(cells)
        print(f"{name} done", file=sys.stderr)
    header = ["largest difference", *(f"{case.name} ({len(case.images)})" for case in cases)]
    print(table(header, rows))
    for case in cases:
        print(f"{case.name}: {case.sizes}")
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


def _checked(target: Target, case: Case) -> tuple[str, str | None]:
    """What stands in the table, and what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            images = case.images[: target.most(case)]
            found = target.run(case, images, Path(folder))
        except NotInstalled as error:
            return f"no {error}", None
        except NoSuchLayer:
            return "-", None
    expected = case.expected(target.calibrated)[: len(images)]
    difference = float(np.abs(found - expected).max())
    others = int((found.argmax(axis=1) != expected.argmax(axis=1)).sum())
    few = f" ({len(images)})" if len(images) < len(case.images) else ""
    wrong = others or not difference <= _TOLERANCE
    failure = f"{others} other labels, difference {difference:.2g}" if wrong else None
    return f"{difference:.1e}{few}", failure


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
