"""What `.ci/check_imports.py` finds in a small tree, and that it finds nothing in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
CLEAN = {
    "python/nncore/__init__.py": "from nncore.room.low import name\n",
    "python/nncore/_core.pyi": "",
    "python/nncore/room/__init__.py": "from nncore.room.high import name\n",
    "python/nncore/room/low.py": "from nncore import _core\nname = 1\n",
    "python/nncore/room/high.py": "from .low import name\n",
    "bench/question.py": "import helper\ndef main(): ...\n",
    "bench/helper.py": "import nncore\n",
}


def faults_of(place: Path, changed: dict[str, str]) -> list[str]:
    for name, text in (CLEAN | changed).items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return checked(place)


def checked(place: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "check_imports.py", place], capture_output=True, text=True
    )
    assert not done.stderr
    assert done.returncode == bool(done.stdout)
    return done.stdout.splitlines()


def test_arrows_in_one_direction_are_no_fault(tmp_path: Path):
    assert faults_of(tmp_path, {}) == []


def test_a_circle_through_an_import_for_types_alone(tmp_path: Path):
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from nncore.room import high\n"
    (fault,) = faults_of(tmp_path, {"python/nncore/room/low.py": text})
    assert "nncore.room.low imports nncore.room.high" in fault
    assert "nncore.room.high imports nncore.room.low" in fault


def test_a_circle_through_a_local_import_of_the_room_itself(tmp_path: Path):
    text = "def late():\n    from . import name\n"
    (fault,) = faults_of(tmp_path, {"python/nncore/room/low.py": text})
    assert fault.count("imports") == 3  # the room's face, the high file, the low one


def test_the_facade_inside_the_package(tmp_path: Path):
    text = "def late():\n    import nncore as nn\n"
    found = faults_of(tmp_path, {"python/nncore/room/low.py": text})
    assert found[0].startswith("nncore.room.low imports the facade nncore")


def test_a_circle_and_a_script_that_is_imported_in_bench(tmp_path: Path):
    script, circle = faults_of(tmp_path, {"bench/helper.py": "from question import main\n"})
    assert script.startswith("helper imports the script question")
    assert circle.startswith("a circle: ")


@pytest.mark.parametrize(
    ("file", "line", "fault"),
    [
        ("plots/_figure.py", "from nncore.training import history", "nncore.training"),
        ("losses.py", "import nncore.data.dataset", "nncore.data"),
        ("interop/onnx_graph.py", "from nncore.plots import curves", "nncore.plots"),
        ("another.py", "", "another"),  # a room that no layer names
    ],
)
def test_the_contracts_of_the_rooms_can_be_broken(tmp_path: Path, file: str, line: str, fault: str):
    if not LINT_IMPORTS.exists():
        pytest.skip("import-linter, of the [dev] extra, is not installed")
    for path in (ROOT / "python" / "nncore").rglob("*.py"):
        copy = tmp_path / path.relative_to(ROOT / "python")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    with (tmp_path / "nncore" / file).open("a") as changed:
        changed.write(f"\n\nif TYPE_CHECKING:\n    {line or 'pass'}\n")
    done = subprocess.run(
        [LINT_IMPORTS, "--no-cache", "--no-logo", ROOT / "pyproject.toml"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 1
    assert fault in done.stdout


def test_this_repository_has_neither():
    assert checked(ROOT) == []
