"""The examples of `docs/scikit-learn.md` run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sklearn", minversion="1.6")

TEXT = (Path(__file__).parents[2] / "docs" / "scikit-learn.md").read_text(encoding="utf-8")


def test_the_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    # Processes are for the tests of backends: here they would cost seconds.
    examples = [
        e.replace("n_jobs=2", "n_jobs=1") for e in re.findall(r"```python\n(.*?)```", TEXT, re.S)
    ]
    assert len(examples) >= 3
    names: dict[str, Any] = {}
    for example in examples:
        exec(compile(example, "scikit-learn.md", "exec"), names)
    assert names["digits"].score(names["X_test"], names["y_test"]) > 0.9
    assert names["online"].n_iter_ == 3
    assert "{'learning_rate'" in capsys.readouterr().out
