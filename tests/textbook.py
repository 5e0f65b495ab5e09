"""A model that learns small pictures in a second, for tests that are about something else."""

from __future__ import annotations

MLP = ("--model", "mlp")
TRAIN = ("train", *MLP)
