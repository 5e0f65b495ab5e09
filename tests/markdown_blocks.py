"""The fenced blocks of Markdown pages, and which of them are not to be run.

`<!-- not run: REASON -->` above a fence, perhaps with an empty line between, marks a block.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

FENCE = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]+) -->\n\n?)?"
    r"^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    page: str
    line: int  # of its fence, from 1
    language: str
    text: str
    reason: str | None  # why it is not run


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page.name,
            text.count("\n", 0, found.start("language")) + 1,
            found["language"],
            found["text"],
            found["reason"],
        )
        for found in FENCE.finditer(text)
    ]


def commands(shell: str) -> list[str]:
    """The commands of a shell block: comments and blank lines are none, a backslash goes on."""
    lines = (
        re.sub(r"(^|\s)#.*", "", line).strip() for line in shell.replace("\\\n", " ").split("\n")
    )
    return [line for line in lines if line]
