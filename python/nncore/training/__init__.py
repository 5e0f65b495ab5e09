"""Models that train, evaluate and predict; their history, reports and files."""

from __future__ import annotations

from nncore.training.callbacks import Callback
from nncore.training.explain import ExplainedStep
from nncore.training.fit import NonFiniteLossError, TrainingFacts
from nncore.training.history import History
from nncore.training.model import Sequential
from nncore.training.model_file import (
    ModelFileNotFoundError,
    TrainingState,
    load,
    load_training_state,
)
from nncore.training.predictions import Prediction, Predictions
from nncore.training.report import ClassScore, Mistake, Report
from nncore.training.run_directory import RunDirectory

__all__ = [
    "Callback",
    "ClassScore",
    "ExplainedStep",
    "History",
    "Mistake",
    "ModelFileNotFoundError",
    "NonFiniteLossError",
    "Prediction",
    "Predictions",
    "Report",
    "RunDirectory",
    "Sequential",
    "TrainingFacts",
    "TrainingState",
    "load",
    "load_training_state",
]
