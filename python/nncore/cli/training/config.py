"""What `nncore train` keeps in config.toml."""

from __future__ import annotations

import datetime
import os
from typing import TYPE_CHECKING, Any

from nncore.cli.training import recipe

if TYPE_CHECKING:
    from nncore.cli.training.plan import Plan
    from nncore.optimizers import Optimizer
    from nncore.training.settings import TrainingSettings


def config(plan: Plan) -> dict[str, dict[str, Any]]:
    """The sections of config.toml."""
    from nncore import _core

    machine = _core.info()
    settings, training, model, parts = plan.settings, plan.training, plan.model, plan.parts
    data = parts.whole
    assert model.optimizer is not None
    assert model.facts is not None
    facts = model.facts
    return {
        "run": {
            "command": settings.command,
            "started": datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0),
            "nncore": machine["version"],
        },
        "data": {
            "source": os.path.abspath(settings.source),
            "size": [data.preprocessing.height, data.preprocessing.width],
            "color": data.preprocessing.color,
            "fit": data.preprocessing.fit,
            "normalize": settings.normalize,
            "val": parts.val_fraction,
            "test": settings.split.test,
            "split": parts.source,
            **_audit(plan),
            "images": len(data),
            "train_images": len(parts.train),
            "val_images": len(parts.val),
            "test_images": len(parts.test),
            "skipped_files": len(data.skipped),
        },
        "model": {
            "preset": settings.network.model,
            "backbone": settings.network.backbone,
            "head_penalty": _head_penalty(plan),
            "hidden": settings.network.hidden_units,
            "width": training.width,
            "stem_pool": training.stem_pool,
            "parameters": model.parameter_count,
        },
        **({} if model.features is None else {"features": model.features.to_dict()}),
        **({} if plan.recipe is None else {"recipe": recipe.reasons(plan.recipe)}),
        "training": {
            "epochs": training.epochs,
            "batch_size": training.batch_size,
            "loss": training.loss,
            **_described(training, model.optimizer),
            "seed": settings.seed,
            "class_weight": training.class_weight,
            "augment": training.augment,
        },
        **_fine_tuning(training),
        **({} if facts.augmentation is None else {"augmentation": facts.augmentation}),
        **({} if facts.class_weight is None else {"class_weights": facts.class_weight}),
        "report": {"measured_on": parts.measured[0]},
        # For the record: the results do not depend on these.
        "machine": {name: machine[name] for name in ("isa", "threads", "compiler")},
    }


def _audit(plan: Plan) -> dict[str, Any]:
    """The table of an audit, and of how many images it has decided."""
    table, found = plan.settings.audit, plan.corrections
    if table is None or found is None:
        return {}
    return {"audit": os.path.abspath(table), "moved": found.moved, "left_out": found.left_out}


def _head_penalty(plan: Plan) -> float | None:
    """The L2 penalty of a new layer on a pretrained network."""
    if not plan.settings.network.on_backbone:
        return None
    regularizer = getattr(plan.model.layers[-1].description, "kernel_regularizer", None)
    return None if regularizer is None else float(regularizer.rates[1])


def _fine_tuning(training: TrainingSettings) -> dict[str, dict[str, Any]]:
    """The section on what comes after the head; none where nothing does."""
    if not training.fine_tune:
        return {}
    names = {"epochs": "fine_tune", "from": "fine_tune_from", "learning_rate": "fine_tune_rate"}
    return {"fine_tuning": {key: getattr(training, name) for key, name in names.items()}}


def _described(training: TrainingSettings, optimizer: Optimizer) -> dict[str, Any]:
    """How weights change; None is left out."""
    facts = optimizer.to_dict()
    return {
        "optimizer": facts.pop("type"),
        **facts,
        "learning_rate": optimizer.rate,
        "schedule": None if training.schedule == "constant" else training.schedule,
        "warmup": training.warmup or None,
        "label_smoothing": training.label_smoothing or None,
        "early_stopping": training.early_stopping or None,
        "max_minutes": training.max_minutes,
    }
