"""What a person says about a training, what the images make of it, and what it led to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nncore.cli.inputs import RUNS
from nncore.cli.models import Network
from nncore.cli.parts import Parts, SplitSettings

if TYPE_CHECKING:
    from nncore.cli.flags.features import FeatureSettings
    from nncore.data import Corrections, Reading
    from nncore.training.answers.calibration import Calibration
    from nncore.training.answers.report import Report
    from nncore.training.history import History
    from nncore.training.model import Sequential
    from nncore.training.recipes.recipe import Recipe
    from nncore.training.run_directory import RunDirectory
    from nncore.training.settings import TrainingSettings


@dataclass(frozen=True)
class RunPlace:
    """Where runs are kept; the name of this one (None: the next number)."""

    output: str = RUNS
    name: str | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class TrainSettings:
    """All that a person says about a training; `command` is how to say it again, `audit` the table
    that says what becomes of single images."""

    command: str
    source: str
    reading: Reading
    training: TrainingSettings
    network: Network = field(default_factory=Network)
    features: FeatureSettings | None = None
    split: SplitSettings = field(default_factory=SplitSettings)
    classes: str | None = None
    audit: str | None = None
    normalize: bool = True
    place: RunPlace = field(default_factory=RunPlace)
    seed: int = 0
    checkpoint_seconds: float = 5.0


@dataclass(frozen=True)
class Plan:
    """What is about to be trained: `training` is what was asked for, with what the images decided;
    `recipe` is None for networks that have none, `corrections` where there was no audit; `seconds`
    is what was spent so far, by what on."""

    settings: TrainSettings
    parts: Parts
    training: TrainingSettings
    recipe: Recipe | None
    model: Sequential
    corrections: Corrections | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What one training led to. `report` is on the images of `part`; None where Ctrl-C came before
    the first epoch was finished. `calibration` is None where the probabilities are as the network
    gives them."""

    plan: Plan
    run: RunDirectory
    history: History
    part: str
    report: Report | None
    calibration: Calibration | None = None
