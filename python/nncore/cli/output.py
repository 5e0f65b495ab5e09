"""Where the words of a verb go: results to standard output, all else to standard error."""

from __future__ import annotations

import contextlib
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from nncore.files.file_names import joined_bytes
from nncore.process.standard_error import STANDARD_ERROR

if TYPE_CHECKING:
    from nncore.data.skipped import SkippedFile

# So many skipped files are named on the terminal; JSON and skipped.csv have them all.
_NAMED = 10
# So many notes of one kind are read.
_MOST_NOTES = 5


class Output:
    """What one call of the command line may print.

    Parameters
    ----------
    json
        Only one JSON value on standard output, at the end.
    quiet
        Only results, warnings and errors.
    """

    def __init__(self, json: bool = False, quiet: bool = False) -> None:
        self.json, self.quiet = json, quiet
        self._lost: StandardOutputError | None = None

    def say(self, text: str = "") -> None:
        """What a person likes to read besides the result.

        That it cannot be written must not end hours of training: `finish` complains of it.
        """
        if self.json or self.quiet or self._lost is not None:
            return
        try:
            _write(sys.stdout, text + "\n")
        except StandardOutputError as error:
            self._lost = error

    def finish(self) -> None:
        """All is done; StandardOutputError if part of what was said is lost."""
        if self._lost is not None:
            raise self._lost

    def result(self, text: str, data: Any) -> None:
        """The result: `text`, or `data` as JSON; StandardOutputError if it cannot be written."""
        if self.json:
            import json

            # ASCII with escapes is right whatever the encoding of the terminal or pipe.
            text = json.dumps(_with_letters(data), indent=2, allow_nan=False)
        self.finish()
        if sys.stdout is None:
            raise StandardOutputError("standard output is closed: there is no place for the result")
        _write(sys.stdout, text + "\n")

    def warn(self, message: str) -> None:
        """One line on standard error."""
        _write_line("nncore: warning: ", message)

    def note(self, message: str) -> None:
        """How the result is to be read, on standard error: programs read the result itself."""
        if not (self.json or self.quiet):
            _write_line("nncore: ", message)

    def warn_all(self, notes: Sequence[str]) -> None:
        """Notes of one kind, such as one for each small class: some of them."""
        for note in capped(notes):
            self.warn(note)

    def warn_of_skipped(self, skipped: Sequence[SkippedFile]) -> None:
        """Say that files were left out where `say` cannot list them; what is hidden or nncore's own
        was to be expected."""
        skipped = [file for file in skipped if file.kind not in ("hidden", "own", "audited")]
        if skipped and (self.json or self.quiet):
            first = skipped[0]
            self.warn(f"{count(len(skipped), 'file')} skipped, first {first.path}: {first.reason}")

    @property
    def verbose(self) -> int:
        """The argument of that name for `Sequential.fit`."""
        return 0 if self.quiet else 1

    @contextlib.contextmanager
    def progress(
        self, what: str, unit: str = "file"
    ) -> Iterator[Callable[[int, int], object] | None]:
        """A callback (done, total) that draws a bar; None unless a person watches a terminal."""
        if self.quiet or not STANDARD_ERROR.isatty():
            yield None
            return
        from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

        with tqdm(desc=what, unit=unit, file=STANDARD_ERROR, leave=False) as bar:

            def update(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            yield update


def write_out(text: str) -> None:
    """Text on standard output; StandardOutputError if that fails."""
    _write(sys.stdout, text)


def write_error(message: str) -> None:
    """The one line of a failure."""
    _write_line("nncore: error: ", message)


class StandardOutputError(Exception):
    """Standard output cannot be written: the disk is full, it was closed."""


class ReaderGoneError(StandardOutputError):
    """Who read standard output has seen enough, as in `nncore info | head -1`."""


def abandon_stdout() -> None:
    """Nobody reads any more: keep the interpreter from failing once more when it exits."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def skipped_lines(skipped: Sequence[SkippedFile]) -> list[str]:
    """The skipped files with reasons, for people."""
    if not skipped:
        return []
    lines = [f"skipped {count(len(skipped), 'file')}:"]
    lines += [f"  {printable(file.path)}: {printable(file.reason)}" for file in skipped[:_NAMED]]
    if len(skipped) > _NAMED:
        lines.append(f"  and {len(skipped) - _NAMED:,} more")
    return lines


def capped(notes: Sequence[str]) -> list[str]:
    """The first notes, and how many there are besides."""
    left = len(notes) - _MOST_NOTES
    return list(notes) if left <= 1 else [*notes[:_MOST_NOTES], f"{left:,} more notes like these"]


def listed(words: Iterable[str], most: int, rest: str) -> str:
    """`a, b, c and 1,997 more (REST)`."""
    found = list(words)
    left = len(found) - most
    more = f" and {left:,} more ({rest})" if left > 0 else ""
    return ", ".join(map(printable, found[:most])) + more


def skipped_json(skipped: Sequence[SkippedFile]) -> list[dict[str, str]]:
    """The skipped files for JSON."""
    return [file.to_dict() for file in skipped]


def count(number: int, noun: str) -> str:
    """`1 file`, `1,200 files`; a `noun` in s gets es."""
    plural = "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{'' if number == 1 else plural}"


def table(rows: Sequence[Sequence[str]], indent: str = "  ") -> str:
    """Two or more columns: the first to the left, the others to the right."""
    widths = [max(map(_columns, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [first + " " * (widths[0] - _columns(first))]
        for cell, width in zip(others, widths[1:], strict=True):
            cells.append(" " * (width - _columns(cell)) + cell)
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def _columns(text: str) -> int:
    """Columns that `text` takes on a terminal: wide characters two, combining ones none."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def printable(text: str) -> str:
    """`text` on one line: line ends, tabs and what would steer a terminal become escapes."""
    return "".join(
        letter if letter.isprintable() or "\udc80" <= letter <= "\udcff" else _escape(letter)
        for letter in text
    )


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def _with_letters(data: Any) -> Any:
    """The same for JSON, names as text whatever the locale."""
    if isinstance(data, str):
        return joined_bytes(data)
    if isinstance(data, dict):
        return {_with_letters(key): _with_letters(value) for key, value in data.items()}
    return [_with_letters(value) for value in data] if isinstance(data, (list, tuple)) else data


def _write_line(prefix: str, message: str) -> None:
    _write(sys.stderr, prefix + printable(message.strip()) + "\n")


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:  # the process was started with it closed
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        # A class name or path that this terminal cannot show must not end the program.
        stream.write(joined_bytes(text).encode(encoding, "backslashreplace").decode(encoding))
        # At once, so that it stands in order with standard error and that a failure is seen here.
        stream.flush()
    except (OSError, ValueError) as error:  # ValueError: it was closed
        if stream is sys.stdout:
            reason = getattr(error, "strerror", None) or error
            gone = isinstance(error, BrokenPipeError)
            kind = ReaderGoneError if gone else StandardOutputError
            raise kind(f"standard output cannot be written: {reason}") from error
        # Nobody may be left to read standard error; then the exit code must do.
