"""The flags that say who looks on while a training runs."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from nncore.cli.failures import UsageError
from nncore.cli.flags import values

NAMES = ("live", "live_port", "tensorboard")


@dataclass(frozen=True)
class OnlookerSettings:
    """What a person says of them; `tensorboard` is the folder of the event files."""

    live: bool = False
    live_port: int = 0
    tensorboard: str | None = None


def add_onlookers(parser: argparse.ArgumentParser) -> None:
    """Looking on changes nothing of the training."""
    group = parser.add_argument_group("looking on")
    group.add_argument(
        "--live",
        action="store_true",
        help="serve a page on this machine (its address is printed) that shows curves, speed, time "
        "left and sample predictions while it trains, has a button that stops and saves, and shows "
        "the report in the end",
    )
    group.add_argument(
        "--live-port",
        type=values.whole(1, 65535),
        metavar="PORT",
        help="port of that page (default: a free one)",
    )
    group.add_argument(
        "--tensorboard",
        type=values.path,
        metavar="DIR",
        help="write event files for TensorBoard there: numbers, weights, sample predictions (extra "
        "[tensorboard])",
    )


def onlookers_of(args: argparse.Namespace) -> OnlookerSettings:
    """What the flags say."""
    if args.live_port is not None and not args.live:
        raise UsageError("--live-port is for --live")
    return OnlookerSettings(args.live, args.live_port or 0, args.tensorboard)
