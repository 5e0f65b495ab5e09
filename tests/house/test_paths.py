"""Every path that the documents and the comments name exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "bench" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
# From the top of the repository, as in `cpp/kernels/isa/*.cpp`; a star stands for anything.
PATH = re.compile(r"(?<![\w./-])(?:(?:cpp|python|tests|bench|docs|examples|\.ci)/[\w./*-]*[\w*]/?)")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
FILE = re.compile(r"`([\w*]+\.(?:py|pyi|h|cpp|inc))`")
CITED = re.compile(r"(?<![\w./-])(?:docs/)?\w+\.md\b")


def missing_paths(document: Path, root: Path) -> Iterator[str]:
    """What a document names that is nowhere: paths, files without their folder, links."""
    text = document.read_text(encoding="utf-8")
    for path in PATH.findall(text):
        # A document may name what is beside it.
        if not any(any(place.glob(path.rstrip("/"))) for place in (root, document.parent)):
            yield path
    for link in LINK.findall(text):
        if not (document.parent / link).exists():
            yield link
    for name in FILE.findall(text):
        places = ("python", "cpp", "tests", "bench", "examples", ".ci")
        if not any(any((root / place).rglob(name)) for place in places):
            yield name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_paths_in_documents_exist(document: Path):
    assert list(missing_paths(document, ROOT)) == []


def test_what_does_not_exist_is_found(tmp_path: Path):
    (tmp_path / "cpp").mkdir()
    (tmp_path / "cpp" / "here.cpp").touch()
    document = tmp_path / "README.md"
    document.write_text(
        "`cpp/here.cpp`, `here.cpp`, `cpp/*.cpp`, [x](cpp/here.cpp), [y](https://elsewhere.org)\n"
        "`cpp/gone.cpp`, `gone.py`, `python/*.py`, [x](gone.md); cat cpp/gone.txt | less\n"
    )
    expected = ["cpp/gone.cpp", "python/*.py", "cpp/gone.txt", "gone.md", "gone.py"]
    assert list(missing_paths(document, tmp_path)) == expected


def test_documents_that_the_code_cites_exist():
    sources = [
        path
        for tree in ("python", "cpp", "tests", "bench", "examples")
        for kind in ("*.py", "*.h", "*.cpp", "*.inc")
        for path in (ROOT / tree).rglob(kind)
        if path.parent != Path(__file__).parent
    ]
    cited = {(name, path) for path in sources for name in CITED.findall(path.read_text("utf-8"))}
    assert len(cited) > 3
    assert [
        f"{path.relative_to(ROOT)} cites {name}"
        for name, path in sorted(cited)
        if not any((place / name).exists() for place in (ROOT, ROOT / "docs", path.parent))
    ] == []


def test_where_is_names_what_stands_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|`]*(?:`[^|`]*`[^|`]*)?\| `([^|`]+)` \| (.+) \|$", text, re.MULTILINE)
    assert len(rows) >= 10
    for name, places in rows:
        for path in re.findall(r"`([^`]+)`", places):
            assert name in (ROOT / path).read_text(encoding="utf-8"), (name, path)
