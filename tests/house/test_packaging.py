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


def test_commands_that_install():
    """By what is in the checkout or by the names of others: `nncore` on PyPI is another project."""
    extras = PROJECT["optional-dependencies"]
    ours = [*PROJECT["dependencies"], *(one for extra in extras.values() for one in extra)]
    packages = {re.split("[<>=]", one)[0] for one in ours} | {"pillow-heif", "pillow-avif-plugin"}
    named: set[str] = set()
    for file in (ROOT / "python").rglob("*.py"):
        for words in re.findall(r"pip install ([a-zA-Z0-9 -]+[a-zA-Z0-9])[`)]", file.read_text()):
            named |= set(words.split()) - {"-U"}
    assert len(named) > 5
    assert named <= packages
    told = {
        extra
        for file in (ROOT / "python").rglob("*.py")
        for extra in re.findall(r"the extra nncore\[([a-z]+)\]", file.read_text())
    }
    assert len(told) > 5
    assert told <= set(extras)
    documents = [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "examples").rglob("*.*"),
    ]
    found = [extra for path in documents for extra in extras_in(path)]
    assert len(found) > 9
    assert set(",".join(found).split(",")) <= set(extras)


def extras_in(path: Path) -> list[str]:
    if path.suffix not in (".md", ".py", ".ipynb", ".service"):
        return []
    text = path.read_text()
    assert not re.search(r"install ['\"]?nncore\b", text), path
    return re.findall(r"pip\s+install ['\"]\.\[([a-z,]+)\]['\"]", text)
