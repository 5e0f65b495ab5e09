"""What the documents call `nn.Name`, `nn.Name.name` and `model.name` is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

DOCUMENTS = Path(__file__).parents[2] / "docs"
DOTTED = re.compile(r"`(nn|nncore|model)\.([a-zA-Z_]\w*(?:\.[a-zA-Z_]\w*)*)")


def is_there(dotted: str, start: Any) -> bool:
    here = start
    for name in dotted.split("."):
        if not hasattr(here, name):
            return False
        here = getattr(here, name)
    return True


def unknown_names(text: str) -> list[str]:
    """Of the column of nncore where there is a table, else of all."""
    import nncore.sklearn

    columns = [line.split("|")[2] if line.startswith("|") else line for line in text.splitlines()]
    start = {"nn": nncore, "nncore": nncore, "model": nncore.Sequential}
    found = {match for column in columns for match in DOTTED.findall(column)}
    return sorted(f"{room}.{name}" for room, name in found if not is_there(name, start[room]))


def test_names_are_there():
    pytest.importorskip("sklearn", minversion="1.6")
    assert unknown_names((DOCUMENTS / "coming-from.md").read_text(encoding="utf-8")) == []


def test_a_name_that_is_not_there_is_found():
    pytest.importorskip("sklearn", minversion="1.6")
    text = "| `nn.Linear` | `nn.Dense`, `nn.Linear(3)` |\n`model.fit`, `model.zero_grad`"
    assert unknown_names(text) == ["model.zero_grad", "nn.Linear"]
