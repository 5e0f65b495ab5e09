"""All that can look on while a model trains, by the name that Keras has for it:
``nn.callbacks.EarlyStopping``; each is ``nn.EarlyStopping``, too.
"""

from __future__ import annotations

from nncore.live import Live
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

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "LambdaCallback",
    "Live",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TimeLimit",
]
