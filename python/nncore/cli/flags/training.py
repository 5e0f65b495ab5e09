"""The flags that say how weights change."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from nncore.cli.failures import UsageError
from nncore.cli.flags import values
from nncore.losses import LOSSES, SOFTMAX_LOSSES

if TYPE_CHECKING:
    from nncore.training.settings import TrainingSettings

# The words of `nncore.training.settings`, which --help must not wait for.
OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")
WITH_MOMENTUM = ("sgd", "rmsprop")
SCHEDULES = ("constant", "step", "exponential", "cosine", "one-cycle")


def training_of(args: argparse.Namespace) -> TrainingSettings:
    """What the flags say; a verb need not have all of them."""
    import dataclasses

    from nncore.training.settings import TrainingSettings

    given = vars(args)
    names = [field.name for field in dataclasses.fields(TrainingSettings)]
    return TrainingSettings(**{name: given[name] for name in names if name in given})


def add_optimizer(group: argparse._ActionsContainer) -> None:
    """The loss, and whose steps make it small."""
    group.add_argument(
        "--loss",
        choices=tuple(LOSSES),
        default="cross_entropy",
        help="what to make small (default cross_entropy)",
    )
    group.add_argument(
        "--optimizer",
        choices=OPTIMIZERS,
        help="how weights change (default adam for the models auto and resnet, else sgd)",
    )
    group.add_argument(
        "--momentum",
        type=values.fraction,
        metavar="FRACTION",
        help="how much of the last step sgd or rmsprop takes again (default 0; 0.9 is usual)",
    )


def add_length(group: argparse._ActionsContainer) -> None:
    """How long it takes, and what each image counts."""
    group.add_argument(
        "--epochs",
        type=values.whole(1),
        metavar="N",
        help="how often to go through the training images (default: auto and resnet choose by "
        "their number, the others 30)",
    )
    group.add_argument(
        "--class-weight",
        choices=("balanced", "none"),
        help="balanced: each class counts the same in the training loss, however many images it "
        "has (default: auto and resnet choose by the balance, the others none)",
    )


def add_steps(group: argparse._ActionsContainer) -> None:
    """How far each step goes, and what ends them."""
    group.add_argument(
        "--learning-rate",
        type=values.positive,
        metavar="RATE",
        help="length of the steps, of a schedule the largest (default 0.1 for sgd, less for mse, "
        "sse, large images and with momentum; 0.001 for the others)",
    )
    add_optimizer(group)
    group.add_argument(
        "--weight-decay",
        type=values.not_negative,
        metavar="DECAY",
        help="how fast weights shrink, per unit of learning rate (default: auto and resnet choose "
        "where images are many, else 0; adamw 0.004)",
    )
    group.add_argument(
        "--schedule",
        choices=SCHEDULES,
        help="how the learning rate changes over all epochs: step is a tenth after each third, "
        "exponential down to a hundredth (default one-cycle for the models auto and resnet, else "
        "constant)",
    )
    group.add_argument(
        "--warmup",
        type=values.not_negative,
        default=0.0,
        metavar="EPOCHS",
        help="epochs, or a part of one, in which the learning rate first grows (default 0)",
    )
    group.add_argument(
        "--label-smoothing",
        type=values.fraction,
        metavar="FRACTION",
        help="part of each label that is spread over all classes (default: auto and resnet choose "
        "where images are many, else 0; 0.1 is usual)",
    )
    group.add_argument(
        "--early-stopping",
        type=values.whole(0),
        metavar="N",
        help="end after N epochs without a lower validation loss; 0: never (default: auto and "
        "resnet choose, the others 0)",
    )
    group.add_argument(
        "--max-minutes",
        type=values.positive,
        metavar="MINUTES",
        help="end before the epoch that would not be finished in this time; auto and resnet plan "
        "for it (default: they plan for 5 minutes)",
    )


def check(training: TrainingSettings, val: float | None = None) -> None:
    """What is known to be wrong before any work; UsageError."""
    if training.momentum is not None and training.optimizer not in WITH_MOMENTUM:
        raise UsageError(
            f"--momentum is for --optimizer {' and '.join(WITH_MOMENTUM)}; {training.optimizer} "
            "has averages of its own"
        )
    if training.early_stopping and val == 0:
        raise UsageError("--early-stopping looks at the validation loss; it needs --val above 0")
    if training.warmup and training.schedule == "one-cycle":
        raise UsageError("--schedule one-cycle has a warm-up of its own; leave --warmup out")
    if training.label_smoothing and training.loss not in SOFTMAX_LOSSES:
        raise UsageError(
            f"--label-smoothing is for --loss cross_entropy and focal, not {training.loss}"
        )
    check_warmup(training)


def check_warmup(training: TrainingSettings) -> None:
    """Once the epochs are known, from a flag or a recipe."""
    if training.epochs is not None and training.warmup >= training.epochs:
        raise UsageError(f"--warmup {training.warmup:g} must be below --epochs {training.epochs}")
