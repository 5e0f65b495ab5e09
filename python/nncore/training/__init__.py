"""Models that train, evaluate and predict; their history, reports and files."""

from __future__ import annotations

from nncore.training.answers.metrics import top_k_accuracy
from nncore.training.answers.predictions import Prediction, Predictions
from nncore.training.answers.report import ClassScore, Mistake, Report
from nncore.training.backbones import backbone
from nncore.training.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TensorBoard,
    TimeLimit,
)
from nncore.training.explain import ExplainedStep
from nncore.training.history import History
from nncore.training.imported import from_onnx
from nncore.training.learning_rate_search import LearningRates, lr_find
from nncore.training.loop import NonFiniteLossError
from nncore.training.model import Sequential
from nncore.training.model_file import (
    ModelFileNotFoundError,
    TrainingState,
    load,
    load_checkpoint,
    load_training_state,
)
from nncore.training.optimizer_state import OptimizerState
from nncore.training.out_of_fold import calibrate_out_of_fold
from nncore.training.position import TrainingFacts
from nncore.training.recipes.from_scratch import recipe
from nncore.training.recipes.recipe import Recipe
from nncore.training.recipes.transfer import transfer_recipe
from nncore.training.run_directory import RunDirectory
from nncore.training.transfer import fit_transfer

__all__ = [
    "CSVLogger",
    "Callback",
    "ClassScore",
    "EarlyStopping",
    "ExplainedStep",
    "History",
    "LambdaCallback",
    "LearningRates",
    "Mistake",
    "ModelCheckpoint",
    "ModelFileNotFoundError",
    "NonFiniteLossError",
    "OptimizerState",
    "Prediction",
    "Predictions",
    "Recipe",
    "ReduceLROnPlateau",
    "Report",
    "RunDirectory",
    "Sequential",
    "TensorBoard",
    "TimeLimit",
    "TrainingFacts",
    "TrainingState",
    "backbone",
    "calibrate_out_of_fold",
    "fit_transfer",
    "from_onnx",
    "load",
    "load_checkpoint",
    "load_training_state",
    "lr_find",
    "recipe",
    "top_k_accuracy",
    "transfer_recipe",
]
