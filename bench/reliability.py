"""Do probabilities, prediction sets and "none of these" keep what they promise: ``python
bench/reliability.py``.

Of each data set (`folders.py`) a network learns the training images, less a fifth that calibrates
it. The test images tell the calibration error and, as foreign ones of another data set do, what the
score of unknown pictures is worth. For the coverage both are mixed, and divided anew by each seed.

Of photos (stamps, and photos: the patches on a backbone) a head on a pretrained network learns, and
is calibrated by folds: see `reliability_photos.py`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from folders import NotInstalled, written
from numpy.typing import NDArray
from output import table, write_json
from process import BENCH
from reliability_photos import measure_photos

import nncore as nn
from nncore.training.answers.calibration import calibration_error
from nncore.training.answers.prediction_sets import TrueProbabilities, set_sizes

FOREIGN = {"fashion": "mnist", "mnist": "fashion", "digits": "fashion", "patches": "fashion"}
PHOTOS = {"stamps": "stamps", "photos": "patches"}
COVERAGES = (0.9, 0.95)


def auroc(known: NDArray[np.float64], foreign: NDArray[np.float64]) -> float:
    """How often a foreign score is above a known one; half where they are equal."""
    ordered = np.sort(known)
    below = np.searchsorted(ordered, foreign, "left") + np.searchsorted(ordered, foreign, "right")
    return float(below.mean() / (2 * len(known)))


def measure(name: str, root: Path, images: int, splits: int) -> dict[str, float]:
    """Everything about one data set, of which at most `images` are learned."""
    data, test = (nn.ImageDataset.from_folder(written(name, root) / p) for p in ("train", "test"))
    order = np.random.default_rng(0).permutation(len(data))[:images]
    train, val, _ = data.subset(order).split(val=0.2, test=0.0, seed=0)
    recipe = nn.recipe(train)
    model = nn.Sequential(recipe.layers)
    model.fit(train, validation_data=val, verbose=0, **recipe.fit_arguments())
    before = model.evaluate(test).accuracy
    plain = model.predict_proba(test)
    model.calibrate(val)
    calm = model.predict_proba(test)
    prepared = data.preprocessing
    other = nn.ImageDataset.from_folder(
        written(FOREIGN[name], root) / "test",
        size=(prepared.height, prepared.width),
        color=prepared.color,
    )
    known, foreign = (
        np.array([one.unknown_score for one in model.predict(s)]) for s in (test, other)
    )
    found = {
        "accuracy before": before,
        "accuracy": model.evaluate(test).accuracy,
        "error before": calibration_error(plain, test.labels),
        "error after": calibration_error(calm, test.labels),
        "AUROC": auroc(known, foreign),
        "false alarms": float((known > 1).mean()),
        "foreign found": float((foreign > 1).mean()),
    }
    pool = np.concatenate([model.predict_proba(val), calm])
    labels = np.concatenate([val.labels, test.labels])
    for coverage in COVERAGES:
        exact, given, sizes = [], [], []
        for seed in range(splits):
            drawn = np.random.default_rng(seed).permutation(len(pool))
            some, rest = drawn[: len(pool) // 2], drawn[len(pool) // 2 :]
            least = TrueProbabilities.of(pool[some], labels[some]).threshold(coverage)
            true = pool[rest, labels[rest]]
            size = set_sizes(pool[rest], least)
            exact.append((true >= least).mean())
            given.append(((true >= least) | (true == pool[rest].max(axis=1))).mean())
            sizes.append(size.mean())
        found |= {
            f"coverage {coverage:g}": float(np.mean(exact)),
            f"with the best {coverage:g}": float(np.mean(given)),
            f"classes {coverage:g}": float(np.mean(sizes)),
        }
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--data", nargs="+", choices=[*FOREIGN, *PHOTOS], default=[*FOREIGN, *PHOTOS]
    )
    parser.add_argument("--images", type=int, default=10_000, help="most images that are learned")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--root", type=Path, default=BENCH.parent / "build" / "recipes")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    outcomes, root = {}, options.root.resolve()
    for name in options.data:
        try:
            if name in PHOTOS:
                photos = PHOTOS[name]
                outcomes[name] = measure_photos(photos, root, options.splits, COVERAGES, auroc)
            else:
                outcomes[name] = measure(name, root, options.images, options.splits)
        except NotInstalled as error:
            print(f"NOT MEASURED: {name}: {error}")
            continue
        rows = [(what, f"{value:.4f}") for what, value in outcomes[name].items()]
        print(f"\n{table((name, 'measured'), rows)}", flush=True)
    if options.json:
        write_json(options.json, {"outcomes": outcomes})


if __name__ == "__main__":
    main()
