"""How the help of a verb reads: a short usage, the flags that matter first, examples, the rest."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

from nncore.cli.failures import UsageError
from nncore.cli.output import write_out
from nncore.cli.suggestions import forgotten_model

_WIDTH = 80
_MISSING = "the following arguments are required: "  # in argparse's words


class Parser(argparse.ArgumentParser):
    """Complains in one line, by an exception, and writes where everything is written.

    The parser of a verb has its module as `verb`; how its help reads is worked out when it is
    asked for, since every command makes the parsers of all verbs.
    """

    verb: ModuleType | None = None
    _read: argparse.Namespace | None = None  # what is known of a command line when it is refused

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self._read = argparse.Namespace() if namespace is None else namespace
        return super().parse_known_args(args, self._read)

    def format_help(self) -> str:
        if self.verb is not None:
            _describe(self, self.verb)
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        missing = message.removeprefix(_MISSING)
        given = getattr(self._read, "model", None)
        if missing != message and given is not None and not missing.startswith("-"):
            message = forgotten_model(given, self.prog) or message
        raise UsageError(f"{message} (see: {self.prog} --help)")

    def _print_message(self, message: str, file: Any = None) -> None:
        # Help and version; argparse would hide that they cannot be written.
        write_out(message)


def _describe(parser: argparse.ArgumentParser, verb: ModuleType) -> None:
    """Give the parser of a verb, which has its arguments, its usage, description and examples.

    A verb's docstring is its description. It may have ``FIRST``, the flags that matter first, and
    ``EXAMPLES``, pairs of a command and what it is for.
    """
    actions = parser._actions
    places = [_place(action) for action in actions if not action.option_strings]
    parser.usage = " ".join(["%(prog)s [options]", *places])
    parts = [(verb.__doc__ or "").strip()]
    flags = {flag: action for action in actions for flag in action.option_strings}
    first = [(flag, flags[flag]) for flag in getattr(verb, "FIRST", ())]
    if first:
        rows = [(_with_value(flag, action), _short(action)) for flag, action in first]
        parts.append("the flags that matter first:\n" + _table(rows))
    examples = getattr(verb, "EXAMPLES", ())
    if examples:
        parts.append("examples:\n" + _table(examples))
    parser.description = "\n\n".join(parts)


def _place(action: argparse.Action) -> str:
    """A positional argument as the usage shows it."""
    name = str(action.metavar or action.dest.upper())
    return {"?": f"[{name}]", "*": f"[{name}...]", "+": f"{name}..."}.get(str(action.nargs), name)


def _with_value(flag: str, action: argparse.Action) -> str:
    if action.nargs == 0 or isinstance(action, argparse.BooleanOptionalAction):
        return flag
    if action.choices is not None and action.metavar is None:
        return f"{flag} {{{','.join(map(str, action.choices))}}}"
    return f"{flag} {action.metavar or action.dest.upper()}"


def _short(action: argparse.Action) -> str:
    """The first sentence of a flag's help."""
    first = (action.help or "").replace("%%", "%").partition("; ")[0]
    return first + ")" * (first.count("(") - first.count(")"))


def _table(rows: Sequence[tuple[str, str]]) -> str:
    width = min(max(len(left) for left, _ in rows) + 4, _WIDTH // 2)
    lines = []
    for left, right in rows:
        wrapped = textwrap.wrap(right, _WIDTH - width) or [""]
        if len(left) + 4 > width:
            lines.append(f"  {left}")
        else:
            lines.append(f"  {left}".ljust(width) + wrapped.pop(0))
        lines += [" " * width + line for line in wrapped]
    return "\n".join(lines)
