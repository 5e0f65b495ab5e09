"""A script that lets a shell complete verbs, flags, choices and files. It is complete in itself:
nncore does not run while you type."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from typing import Any

from nncore.cli.failures import DONE
from nncore.cli.flags import values
from nncore.cli.output import Output
from nncore.errors import MissingExtraError
from nncore.extras import how_to_install

HELP = "a script for your shell that completes commands"
SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")
EXAMPLES = (
    (
        "nncore completion bash > ~/.local/share/bash-completion/completions/nncore",
        "for bash, from the next terminal on",
    ),
    ("nncore completion zsh > ~/.zfunc/_nncore", "for zsh, whose fpath has ~/.zfunc"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))


@dataclass(frozen=True)
class Settings:
    """A shell, and the command line that it shall complete."""

    shell: str
    parser: argparse.ArgumentParser = field(compare=False)


def settings(args: argparse.Namespace) -> Settings:
    return Settings(args.shell, args.parser)


def run(settings: Settings, out: Output) -> int:
    try:
        import shtab
    except ImportError as error:
        raise MissingExtraError(
            f"completion needs the package shtab, which cannot be imported ({error}): "
            f"{how_to_install('completion')}"
        ) from error
    _complete_files(settings.parser, shtab.FILE)
    script = shtab.complete(settings.parser, settings.shell)
    out.result(script.rstrip("\n"), {"shell": settings.shell, "script": script})
    return DONE


def _complete_files(parser: argparse.ArgumentParser, how: Any) -> None:
    """Let what takes a path complete files, also where a word may stand in its place (DIR|off)."""
    for action in parser._actions:
        named = "FILE" in str(action.metavar) or "DIR" in str(action.metavar)
        if (action.type is values.path or named) and action.choices is None:
            action.complete = how  # type: ignore[attr-defined]
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                _complete_files(verb, how)
