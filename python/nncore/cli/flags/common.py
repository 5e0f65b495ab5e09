"""Flags of many verbs: those that every verb has, its images, its model, the quality gate."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from nncore.cli.flags import values


@dataclass(frozen=True)
class Common:
    """What can be said to every verb; the seed is handed to those that draw."""

    json: bool
    quiet: bool
    threads: int | None


def common_of(args: argparse.Namespace) -> Common:
    return Common(args.json, args.quiet, args.threads)


def common_options() -> argparse.ArgumentParser:
    """The flags that every verb has; a parent for `ArgumentParser`."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    group = parser.add_argument_group("common options")
    group.add_argument("--json", action="store_true", help="print the result as JSON, only that")
    group.add_argument(
        "--quiet", action="store_true", help="no progress, only results, warnings and errors"
    )
    group.add_argument(
        "--seed",
        type=values.whole(0, 2**63 - 1),
        default=0,
        metavar="N",
        help="of the first weights, shuffles and splits (default 0)",
    )
    group.add_argument(
        "--threads",
        type=values.whole(1, 1024),
        metavar="N",
        help="threads to use; results do not depend on it (default: all CPUs)",
    )
    return parser


def add_labelled(parser: argparse.ArgumentParser, needed: bool = True) -> None:
    """The images of the verbs that train."""
    parser.add_argument(
        "data",
        type=values.path,
        nargs=None if needed else "?",
        metavar="FOLDER|CSV",
        help="folder with one sub-folder per class, or table with the columns path and label",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """The model of the verbs that use one."""
    parser.add_argument(
        "model",
        type=values.path,
        metavar="MODEL",
        help="a .safetensors file, or a run directory (its best model)",
    )


def add_min_accuracy(parser: argparse._ActionsContainer) -> None:
    """The quality gate."""
    parser.add_argument(
        "--min-accuracy",
        type=values.number(0, 1),
        metavar="FRACTION",
        help="end with exit code 5 if the measured accuracy is lower, for example 0.9",
    )
