"""The notebook of the lesson runs from top to bottom, and says what lesson.md says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "lesson.ipynb"


def test_the_notebook_runs(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {}
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []  # what it prints depends on nothing, and is not stored
            exec(compile("".join(cell["source"]), f"lesson.ipynb, cell {number}", "exec"), names)
    shown = capsys.readouterr().out
    assert "SSE 0.6638, the answer is Dog" in shown
    assert "W2 = 0.3855" in shown
    assert names["measured"] == pytest.approx(names["computed"], abs=2e-3)
    assert names["report"].accuracy > 0.9
    assert (tmp_path / "curves.png").stat().st_size > 1000
