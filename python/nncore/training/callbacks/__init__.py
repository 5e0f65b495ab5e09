"""What looks on while a model trains, and may steer it; `base.py` says how to write one."""

from __future__ import annotations

from nncore.training.callbacks.base import Callback, FitSize, Logs, ModelInTraining
from nncore.training.callbacks.callback_list import CallbackList
from nncore.training.callbacks.checkpoint import ModelCheckpoint
from nncore.training.callbacks.csv_logger import CSVLogger
from nncore.training.callbacks.early_stopping import EarlyStopping
from nncore.training.callbacks.lambda_callback import LambdaCallback
from nncore.training.callbacks.plateau import ReduceLROnPlateau
from nncore.training.callbacks.tensorboard import TensorBoard
from nncore.training.callbacks.time_limit import TimeLimit

__all__ = [
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "FitSize",
    "LambdaCallback",
    "Logs",
    "ModelCheckpoint",
    "ModelInTraining",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TimeLimit",
]
