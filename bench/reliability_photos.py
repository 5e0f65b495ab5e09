"""Small photo sets for `reliability.py`: a head on EfficientNet-Lite0, calibrated out of fold.

Of each random split a head learns four fifths of the pictures, chosen and then refitted as by
`nncore train`, and answers the last fifth. All answers together tell the calibration error, for the
fifth alone is a few dozen pictures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import transfer_sets
from folders import written

import nncore as nn
from nncore.training.answers.calibration import calibration_error
from nncore.training.answers.prediction_sets import set_sizes
from nncore.training.refit import refit_head
from nncore.training.settings import TrainingSettings

BACKBONE, MOST_FOREIGN = "efficientnet-lite0", 300


def measure_photos(
    name: str, root: Path, splits: int, coverages: tuple[float, ...], auroc: Any
) -> dict[str, float]:
    """The figures of `reliability.measure`, over so many splits of a photo set: "stamps", or the
    "patches" of `folders.py`."""
    # What is cut out of photos is stretched, as `nncore train` chooses.
    fit = "stretch" if name == "stamps" else "crop"
    prepared = nn.backbone(BACKBONE, classes=2, fit=fit).preprocessing
    assert prepared is not None
    if name == "stamps":
        table = transfer_sets.sources(name, root)[0]
        data = nn.ImageDataset.from_csv(table, preprocessing=prepared)
    else:
        data = nn.ImageDataset.from_folder(written("patches", root), preprocessing=prepared)
    foreign = nn.ImageDataset.from_folder(written("fashion", root) / "test", preprocessing=prepared)
    foreign = foreign.subset(np.arange(0, len(foreign), len(foreign) // MOST_FOREIGN))
    # All pictures are one set, whatever split came with them.
    data = nn.ImageDataset.from_arrays(data.images, data.labels, data.classes)
    parts = [_split(data, prepared, fit, seed, root) for seed in range(splits)]
    plain, calm = (np.concatenate([part[key] for part in parts]) for key in ("plain", "calm"))
    labels = np.concatenate([part["labels"] for part in parts])
    rows = _rows(foreign, fit, root)
    areas = [auroc(p["novelty"].scores(p["rows"]), p["novelty"].scores(rows)) for p in parts]
    alarms = [float((p["novelty"].scores(p["rows"]) > 1).mean()) for p in parts]
    seen = [float((p["novelty"].scores(rows) > 1).mean()) for p in parts]
    found = {
        "images": float(len(data)),
        "accuracy before": float((plain.argmax(axis=1) == labels).mean()),
        "accuracy": float((calm.argmax(axis=1) == labels).mean()),
        "error before": calibration_error(plain, labels),
        "error after": calibration_error(calm, labels),
        "AUROC": float(np.mean(areas)),
        "false alarms": float(np.mean(alarms)),
        "foreign found": float(np.mean(seen)),
    }
    ends = np.cumsum([len(p["labels"]) for p in parts])[:-1]
    for coverage in coverages:
        least = np.concatenate([np.full(len(p["labels"]), p["least"](coverage)) for p in parts])
        true = calm[np.arange(len(labels)), labels]
        sizes = [set_sizes(p["calm"], p["least"](coverage)) for p in parts]
        held = [float(one.mean()) for one in np.split(true >= least, ends)]
        found |= {
            f"coverage {coverage:g}": float((true >= least).mean()),
            f"standard error {coverage:g}": float(np.std(held) / np.sqrt(len(held))),
            f"with the best {coverage:g}": float(
                ((true >= least) | (true == calm.max(axis=1))).mean()
            ),
            f"classes {coverage:g}": float(np.concatenate(sizes).mean()),
        }
    return found


def _split(data: nn.ImageDataset, prepared: Any, fit: str, seed: int, root: Path) -> dict[str, Any]:
    """One head: what it answers to the test pictures, and what it knows of its own doubts."""
    train, val, test = data.split(val=0.15, test=0.2, seed=seed)
    model = nn.backbone(BACKBONE, classes=len(data.classes), fit=fit, seed=seed)
    model.cache = root / "features"
    recipe = nn.transfer_recipe(model, train, fine_tune=0)
    settings = TrainingSettings(**{**recipe.settings, "refit": True})
    nn.fit_transfer(model, train, settings, validation_data=val, seed=seed, verbose=0)
    nn.calibrate_out_of_fold(model, (train, val), settings, seed=seed)
    refit_head(model, train, val, settings, seed=seed)
    known = model._assurances
    assert known.true_probabilities is not None
    assert known.novelty is not None
    rows = np.asarray(model.through_fixed_layers(test).images, np.float32).reshape(len(test), -1)
    head = model.layers[-1]
    outputs = nn.kernels.matmul(rows, head.kernel) + head.bias
    return {
        "plain": nn.kernels.softmax(outputs),
        "calm": nn.kernels.softmax(outputs / np.float32(model.temperature)),
        "labels": test.labels,
        "rows": rows,
        "novelty": known.novelty,
        "least": known.true_probabilities.threshold,
    }


def _rows(data: nn.ImageDataset, fit: str, root: Path) -> Any:
    """What the backbone makes of pictures, whatever their classes."""
    model = nn.backbone(BACKBONE, classes=len(data.classes), fit=fit)
    model.cache = root / "features"
    rows = np.asarray(model.through_fixed_layers(data).images, np.float32)
    return rows.reshape(len(data), -1)
