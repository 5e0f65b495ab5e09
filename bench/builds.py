"""Two builds of nncore from source, made alike, to be measured against each other.

Each is a folder `nncore` that PYTHONPATH can lead to: the package's Python files and the compiled
module, by the same compiler with the same options. Nothing of what is installed is measured.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from process import BENCH, environment

ROOT = BENCH.parent
HERE = "the working tree"


class BuildFailed(RuntimeError):
    """A commit is unknown, its sources do not compile, or another nncore would be measured."""


def commit_of(revision: str) -> str:
    """The commit's name in full.

    Raises
    ------
    BuildFailed
        git knows no such revision.
    """
    return _run(["git", "rev-parse", "--verify", f"{revision}^{{commit}}"], ROOT).strip()


def build_commit(commit: str, folder: Path) -> Path:
    """What to put on PYTHONPATH for a commit; kept in `folder` for the next time."""
    place = folder / commit
    if not (place / "package" / "nncore").is_dir():
        with tempfile.TemporaryDirectory() as scratch:
            archive = Path(scratch) / "sources.tar"
            _run(["git", "archive", f"--output={archive}", commit], ROOT)
            with tarfile.open(archive) as file:
                file.extractall(place / "sources", filter="data")
        _build(place / "sources", place)
    return place / "package"


def build_here(folder: Path) -> Path:
    """The same for the files as they are now, committed or not."""
    _build(ROOT, folder / "here")
    return folder / "here" / "package"


def _build(sources: Path, place: Path) -> None:
    build, package = place / "build", place / "package"
    pybind11 = _run([sys.executable, "-m", "pybind11", "--cmakedir"], ROOT).strip()
    options = [
        "-DCMAKE_BUILD_TYPE=Release",
        "-DNNCORE_TESTS=OFF",
        f"-Dpybind11_DIR={pybind11}",
        f"-DPython_EXECUTABLE={sys.executable}",
    ]
    print(f"building {place.name[:12]} in {build}", flush=True)
    _run(["cmake", "-S", str(sources), "-B", str(build), *options], ROOT)
    jobs = str(len(os.sched_getaffinity(0)))
    _run(["cmake", "--build", str(build), "--parallel", jobs, "--target", "_core"], ROOT)
    (module,) = build.rglob("_core*.so")
    # Whole or not at all, so that an interrupted build is not taken for a finished one.
    shutil.rmtree(package, ignore_errors=True)
    unfinished = place / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    skipped = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(sources / "python" / "nncore", unfinished / "nncore", ignore=skipped)
    shutil.copy2(module, unfinished / "nncore")
    unfinished.rename(package)


def check_comes_first(package: Path) -> None:
    """BuildFailed unless a contender with `package` on its path measures that nncore."""
    code = "import nncore; print(nncore.__file__)"
    found = _run([sys.executable, "-c", code], BENCH, environment(1, package)).strip()
    if package.resolve() not in Path(found).resolve().parents:
        raise BuildFailed(
            f"{found} would be measured instead of {package}: an editable installation of nncore "
            "comes before everything else, so use an environment without it"
        )


def _run(command: list[str], folder: Path, environ: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
    if done.returncode != 0:
        told = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise BuildFailed(f"{' '.join(command[:4])} ...: {told}")
    return done.stdout
