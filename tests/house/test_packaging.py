"""What is written about the package in more than one place is the same everywhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has none")

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_one_version():
    version = PROJECT["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    recipe = (ROOT / ".ci/conda-recipe/meta.yaml").read_text()
    assert f'{{% set version = "{version}" %}}' in recipe


def test_conda_names_the_same_dependencies():
    recipe = (ROOT / ".ci/conda-recipe/meta.yaml").read_text()
    run = recipe.partition("\n  run:\n")[2].partition("\ntest:")[0]
    listed = set(re.findall(r"^    - ([a-z0-9-]+) (>=.*)$", run, re.MULTILINE))
    wanted = {tuple(re.split("(?=>=)", one)) for one in PROJECT["dependencies"]}
    # Matplotlib without its windows has another name there.
    assert {(name.removesuffix("-base"), version) for name, version in listed} == wanted


def test_extras_that_errors_name_exist():
    named = set()
    for file in (ROOT / "python").rglob("*.py"):
        for extras in re.findall(r"nncore\[([a-z,]+)\]", file.read_text()):
            named |= set(extras.split(","))
    assert len(named) > 3
    assert named <= set(PROJECT["optional-dependencies"])
