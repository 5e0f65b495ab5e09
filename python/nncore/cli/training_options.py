"""The flags of `nncore train` that say how weights change, and the objects they stand for."""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nncore.cli import options
from nncore.cli.failures import UsageError
from nncore.losses import LOSSES, SOFTMAX_LOSSES

if TYPE_CHECKING:
    from nncore.optimizers import Optimizer
    from nncore.schedules import Schedule
    from nncore.training.callbacks import Callback
    from nncore.training.model import Sequential

OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")
WITH_MOMENTUM = ("sgd", "rmsprop")
SCHEDULES = ("constant", "step", "exponential", "cosine", "one-cycle")


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
        type=options.fraction,
        metavar="FRACTION",
        help="how much of the last step sgd or rmsprop takes again (default 0; 0.9 is usual)",
    )


def add_arguments(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--learning-rate",
        type=options.positive,
        metavar="RATE",
        help="length of the steps, of a schedule the largest (default 0.1 for sgd, less for mse, "
        "sse, large images and with momentum; 0.001 for the others)",
    )
    add_optimizer(group)
    group.add_argument(
        "--weight-decay",
        type=options.not_negative,
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
        type=options.not_negative,
        default=0.0,
        metavar="EPOCHS",
        help="epochs, or a part of one, in which the learning rate first grows (default 0)",
    )
    group.add_argument(
        "--label-smoothing",
        type=options.fraction,
        metavar="FRACTION",
        help="part of each label that is spread over all classes (default: auto and resnet choose "
        "where images are many, else 0; 0.1 is usual)",
    )
    group.add_argument(
        "--early-stopping",
        type=options.whole(0),
        metavar="N",
        help="end after N epochs without a lower validation loss; 0: never (default: auto and "
        "resnet choose, the others 0)",
    )
    group.add_argument(
        "--max-minutes",
        type=options.positive,
        metavar="MINUTES",
        help="end before the epoch that would not be finished in this time; auto and resnet plan "
        "for it (default: they plan for 5 minutes)",
    )


def check(args: argparse.Namespace) -> None:
    """What is known to be wrong before any work; UsageError."""
    if args.momentum is not None and args.optimizer not in WITH_MOMENTUM:
        raise UsageError(
            f"--momentum is for --optimizer {' and '.join(WITH_MOMENTUM)}; {args.optimizer} "
            "has averages of its own"
        )
    if args.early_stopping and args.val == 0:
        raise UsageError("--early-stopping looks at the validation loss; it needs --val above 0")
    if args.warmup and args.schedule == "one-cycle":
        raise UsageError("--schedule one-cycle has a warm-up of its own; leave --warmup out")
    if args.label_smoothing and args.loss not in SOFTMAX_LOSSES:
        raise UsageError(
            f"--label-smoothing is for --loss cross_entropy and focal, not {args.loss}"
        )
    check_warmup(args)


def check_warmup(args: argparse.Namespace) -> None:
    """Once the epochs are known, from a flag or a recipe."""
    if args.epochs is not None and args.warmup >= args.epochs:
        raise UsageError(f"--warmup {args.warmup:g} must be below --epochs {args.epochs}")


def optimizer_of(args: argparse.Namespace, model: Sequential, iterations: int) -> Optimizer:
    """The optimizer with its schedule; `iterations` are those of an epoch."""
    from nncore.optimizers import SGD, Adam, AdamW, RMSprop

    settings: dict[str, Any] = {"weight_decay": args.weight_decay, "momentum": args.momentum}
    settings = {name: value for name, value in settings.items() if value is not None}
    if args.optimizer == "sgd":
        plain = model.default_optimizer(args.loss, args.batch_size).rate
        # With momentum each gradient counts 1 / (1 - momentum) times in the long run.
        rate = plain * (1 - settings.get("momentum", 0.0))
        optimizer: Optimizer = SGD(rate, **settings)
    else:
        kinds: Mapping[str, Callable[..., Optimizer]]
        kinds = {"adam": Adam, "adamw": AdamW, "rmsprop": RMSprop}
        optimizer = kinds[args.optimizer](**settings)
    rate = optimizer.rate if args.learning_rate is None else args.learning_rate
    schedule = schedule_of(args, rate, iterations)
    return dataclasses.replace(optimizer, learning_rate=schedule)


def schedule_of(args: argparse.Namespace, rate: float, iterations: int) -> Schedule | float:
    """The learning rate of each step, from `rate` on."""
    from nncore.schedules import CosineDecay, ExponentialDecay, OneCycle, StepDecay, Warmup

    kinds: Mapping[str, Callable[[float], Schedule | float]] = {
        "constant": float,
        "step": StepDecay,
        "exponential": ExponentialDecay,
        "cosine": CosineDecay,
        "one-cycle": OneCycle,
    }
    schedule = kinds[args.schedule](rate)
    if not args.warmup:
        return schedule
    return Warmup(schedule, max(1, math.ceil(args.warmup * iterations)))


def callbacks_of(args: argparse.Namespace) -> list[Callback]:
    """What ends the training early, if anything. `fit` restores the best weights itself."""
    from nncore.training.callbacks.early_stopping import EarlyStopping
    from nncore.training.callbacks.time_limit import TimeLimit

    found: list[Callback] = []
    if args.early_stopping:
        found.append(EarlyStopping(patience=args.early_stopping))
    if args.max_minutes is not None:
        found.append(TimeLimit(args.max_minutes))
    return found


def described(args: argparse.Namespace, optimizer: Optimizer) -> dict[str, Any]:
    """The settings for config.toml; None is left out there."""
    facts = optimizer.to_dict()
    return {
        "optimizer": facts.pop("type"),
        **facts,
        "learning_rate": optimizer.rate,
        "schedule": None if args.schedule == "constant" else args.schedule,
        "warmup": args.warmup or None,
        "label_smoothing": args.label_smoothing or None,
        "early_stopping": args.early_stopping or None,
        "max_minutes": args.max_minutes,
    }
