"""`nncore VERB ...`: the parser of all verbs. Nothing heavy is imported here."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from nncore.cli.failures import UsageError
from nncore.cli.flags.common import Common, common_of, common_options
from nncore.cli.help import Parser
from nncore.cli.output import Output
from nncore.cli.quoting import joined
from nncore.cli.suggestions import did_you_mean
from nncore.cli.verbs import (
    audit,
    check,
    completion,
    demo,
    evaluate,
    explain,
    export,
    info,
    lr_find,
    plot,
    predict,
    report,
    serve,
    train,
)

VERBS = {
    "check": check,
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "audit": audit,
    "explain": explain,
    "serve": serve,
    "export": export,
    "lr-find": lr_find,
    "info": info,
    "plot": plot,
    "report": report,
    "demo": demo,
    "completion": completion,
}

_EPILOG = """\
examples:
  nncore demo                          everything once, on real handwritten digits
  nncore check photos/                 what is in a folder with one sub-folder per class
  nncore audit photos/                 which labels in it may be wrong
  nncore train photos/ --test 0.15     train; the results go to runs/run-1/
  nncore report runs/run-1 runs/run-2  both on one page, side by side
  nncore predict runs/run-1 new.jpg    name what is on pictures

exit codes: 0 done, 1 failure, 2 usage, 3 bad data, 4 bad model file,
5 accuracy below --min-accuracy, 130 interrupted, 143 and 129 ended by SIGTERM and SIGHUP
(a training after saving: nncore train --resume RUN goes on)
"""


@dataclass(frozen=True)
class Command:
    """A command line that was understood: `run(settings, out)` is the verb of that name."""

    verb: str
    run: Callable[[Any, Output], int]
    settings: Any
    common: Common


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; `parse` uses it."""
    from nncore._core import __version__

    parser: argparse.ArgumentParser = Parser(
        prog="nncore",
        description="Train and run small image classifiers on ordinary CPUs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"nncore {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", dest="verb", required=True)
    common = common_options()
    for name, module in VERBS.items():
        verb = verbs.add_parser(
            name,
            parents=[common],
            help=module.HELP,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.add_arguments(verb)
        assert isinstance(verb, Parser)
        verb.verb = module
    return parser


def verb_parsers(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """Of the whole command line those of the verbs, by name."""
    kinds = (action for action in parser._actions if action.dest == "verb")
    verbs: Mapping[str, argparse.ArgumentParser] = next(kinds).choices  # type: ignore[assignment]
    return verbs


def parse(argv: Sequence[str]) -> Command:
    """What one command line says.

    Raises
    ------
    UsageError
        The command line is wrong.
    SystemExit
        After --help and --version.
    """
    if not argv:
        raise UsageError(f"a verb is needed: {', '.join(VERBS)} (see: nncore --help)")
    if argv[0] == "help":
        argv = [*argv[1:], "--help"]
    if not argv[0].startswith("-") and argv[0] not in VERBS:
        raise UsageError(
            f"there is no verb {argv[0]!r}{did_you_mean(argv[0], VERBS)} (the verbs are "
            f"{', '.join(VERBS)}; see: nncore --help)"
        )
    parser = build_parser()
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        _refuse(unknown, verb_parsers(parser)[args.verb])
    for flag in (word[:-3] for word in argv if word.startswith("--") and word.endswith("=--")):
        # argparse takes these dashes for the end of the flags, and the value for an empty list.
        raise UsageError(f"argument {flag}: '--' is no value (see: nncore {args.verb} --help)")
    args.parser = parser  # for the verb that describes all
    args.command_line = joined(["nncore", *argv])  # to type it again
    verb = VERBS[args.verb]
    return Command(args.verb, verb.run, verb.settings(args), common_of(args))


def _refuse(unknown: Sequence[str], verb: argparse.ArgumentParser) -> NoReturn:
    """UsageError about words that a verb does not know."""
    flags = [word.partition("=")[0] for word in unknown if word.startswith("-")]
    if not flags:
        verb.error(f"unrecognized arguments: {joined(unknown)}")
    known = [flag for action in verb._actions for flag in action.option_strings]
    words = (f"{flag}{did_you_mean(flag, known)}" for flag in flags)
    verb.error(f"unrecognized argument {', '.join(words)}")
