"""What is written about the package in more than one place is the same everywhere."""

from __future__ import annotations

import re
import shlex
from importlib import metadata
from pathlib import Path

import pytest

from nncore import extras
from nncore.extras import how_to_install, pip_command, requirements

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
    told: set[tuple[str, str]] = set()
    for file in (ROOT / "python").rglob("*.py"):
        text = file.read_text()
        # What extras hold is written into no message: `nncore.extras` asks.
        for words in re.findall(r"pip install ([a-zA-Z0-9 -]+[a-zA-Z0-9])[`)\"]", text):
            assert words == "matplotlib", file
        told |= set(re.findall(r"(?:how_to_install|pip_command)\('(\w+)'(?:, '(\w+)')?\)", text))
    assert {extra for extra, _ in told} == set(extras) - {"demo", "docs", "test", "dev"}
    for extra, package in told:
        assert package == "" or any(one.startswith(package) for one in extras[extra])
    documents = [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "examples").rglob("*.*"),
    ]
    found = [extra for path in documents for extra in extras_in(path)]
    assert len(found) > 5
    assert set(",".join(found).split(",")) <= set(extras)


def test_the_commands_of_documents_install_what_extras_hold():
    extras = PROJECT["optional-dependencies"]
    for_users = set(extras) - {"demo", "docs", "test", "dev"}
    held = [one for extra in for_users for one in extras[extra]]
    name_of = {re.split("[<>=;]", one)[0]: one for one in held}
    found = []
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for words in re.findall(r"pip\s+install ([^`#\n]+)", path.read_text()):
            for word in shlex.split(words):
                name = re.split("[<>=;]", word)[0]
                if name in name_of:
                    found.append(word)
                    assert word == name_of[name], path
    assert len(found) > 15
    table = (ROOT / "docs/install.md").read_text()
    for extra in for_users:
        (row,) = (line for line in table.splitlines() if line.startswith(f"| `{extra}` |"))
        assert f"| `{pip_command(extra)}` |" in row


@pytest.mark.parametrize("installed", [True, False])
def test_an_extra_is_installed_by_its_packages(monkeypatch, installed):
    """From the metadata of what is installed, or from the checkout that is used as it is."""
    told = [
        "numpy>=1.24",
        'onnxruntime>=1.16; extra == "onnx"',
        "onnx >= 1.15 ; extra == 'onnx'",
        'one==1; extra == "one"',
    ]

    def requires(name: str) -> list[str]:
        if not installed:
            raise metadata.PackageNotFoundError(name)
        return told

    if not installed:
        pytest.importorskip("tomllib")
    monkeypatch.setattr(metadata, "requires", requires)
    # The nncore that is tested may be another one than the checkout's.
    monkeypatch.setattr(extras, "__file__", str(ROOT / "python" / "nncore" / "extras.py"))
    assert requirements("onnx") == ["onnxruntime>=1.16", "onnx>=1.15"]
    assert pip_command("onnx") == 'pip install "onnxruntime>=1.16" "onnx>=1.15"'
    expected = 'run `python -m pip install "onnx>=1.15"` (the extra nncore[onnx])'
    assert how_to_install("onnx", "onnx") == expected
    if installed:
        assert pip_command("one") == "pip install one==1"
        told.clear()  # another project of that name
        assert pip_command("onnx", "onnxruntime") == "pip install onnxruntime"


def extras_in(path: Path) -> list[str]:
    if path.suffix not in (".md", ".py", ".ipynb", ".service"):
        return []
    text = path.read_text()
    assert not re.search(r"install ['\"]?nncore\b", text), path
    return re.findall(r"pip\s+install ['\"]\.\[([a-z,]+)\]['\"]", text)
