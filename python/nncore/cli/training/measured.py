"""How good the trained model is; and, where images are few, a last look at those that told."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nncore.cli.inputs import BEST
from nncore.cli.training.provenance import of_training
from nncore.losses import SOFTMAX_LOSSES

if TYPE_CHECKING:
    from nncore.cli.training.plan import Plan
    from nncore.training.answers.calibration import Calibration
    from nncore.training.answers.report import Report
    from nncore.training.run_directory import RunDirectory


def calibrated(plan: Plan, run: RunDirectory) -> Calibration | None:
    """Calibrate the model, if there are images enough, and so the file of it.

    The file keeps what it says of the best epoch; the model in memory has seen later ones.
    """
    from nncore.training.model_file import load

    model = plan.model
    if plan.training.loss not in SOFTMAX_LOSSES:
        return None
    calibration = _out_of_fold(plan) or _on_validation(plan)
    if calibration is None:
        return None
    if not run.writes:
        return calibration
    best = load(run.file(BEST))
    best.take_calibration(model)
    best.save(run.file(BEST), include_optimizer=False)
    return calibration


def calibration_images(plan: Plan) -> int:
    """How many there are for it: of a head alone, all that it learns from and chooses by."""
    parts = plan.parts
    return len(parts.val) + (len(parts.train) if plan.settings.network.on_backbone else 0)


def _out_of_fold(plan: Plan) -> Calibration | None:
    """By folds of all images, where the head alone was trained."""
    from nncore.training.out_of_fold import calibrate_out_of_fold

    if not plan.settings.network.on_backbone:
        return None
    model, parts, seed = plan.model, plan.parts, plan.settings.seed
    assert model.history is not None
    used = [part for part in (parts.train, parts.val) if len(part)]
    # Once more trained, the head is that of the last epoch.
    epochs = None if refits(plan) else model.history.best_epoch()
    return calibrate_out_of_fold(model, used, plan.training, epochs=epochs, seed=seed)


def _on_validation(plan: Plan) -> Calibration | None:
    from nncore.training.answers.calibration import FEWEST_IMAGES

    images = plan.parts.val
    return plan.model.calibrate(images) if len(images) >= FEWEST_IMAGES else None


def measured(plan: Plan, run: RunDirectory, calibration: Calibration | None) -> Report:
    """Measure the model on the part that is there for it, and write the report.

    Where the head learns from the validation images in the end (`--refit`), that comes before test
    images are looked at, and after the validation images have told what they know.
    """
    from nncore.data.spread import first_alone

    part, images = plan.parts.measured
    if part == "test":
        _refit(plan, run)
    begun = time.perf_counter()
    report = plan.model.evaluate(images)
    seconds = {**plan.seconds, "measuring": time.perf_counter() - begun}
    pixels, told = images.images, of_training(plan, seconds, calibration, refits(plan)).to_dict()
    first_alone(pixels, lambda: run.write_report(report, pixels, told))
    if part == "validation":
        _refit(plan, run)
    return report


def refits(plan: Plan) -> bool:
    """Whether the model that is kept has learned from the validation images, too."""
    settings = plan.training
    whole = settings.fine_tune or plan.model.interrupted or not len(plan.parts.val)
    return bool(plan.settings.network.on_backbone and settings.refit and not whole)


def _refit(plan: Plan, run: RunDirectory) -> None:
    if not refits(plan):
        return
    from nncore.training.refit import refit_head

    model, parts = plan.model, plan.parts
    changed = refit_head(model, parts.train, parts.val, plan.training, seed=plan.settings.seed)
    if changed and run.writes:
        model.save(run.file(BEST), include_optimizer=False)
