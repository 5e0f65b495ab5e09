"""No file above 500 lines, no function above 80, unless a line at its top says why.

The reason is a comment of one line, ``# Long because: ...``: among the first 40 lines of the file,
or directly above the function's ``def`` or its first decorator.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINES_OF_A_FILE, LINES_OF_A_FUNCTION = 500, 80
TOP = 40
REASON = re.compile(r"\s*# Long because: \S+ \S+")


def long_ones(path: Path, functions: bool) -> Iterator[str]:
    """What is too long in a file without a reason."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    if len(lines) > LINES_OF_A_FILE and not any(map(REASON.match, lines[:TOP])):
        yield f"{path} has {len(lines)} lines"
    for node in ast.walk(ast.parse(text)) if functions else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            count = (node.end_lineno or first) - first + 1
            if count > LINES_OF_A_FUNCTION and not REASON.match(lines[first - 2]):
                yield f"{path}, line {first}: {node.name} has {count} lines"


def found(path: Path, text: str) -> list[str]:
    path.write_text(text, encoding="utf-8")
    return list(long_ones(path, functions=True))


def test_a_long_file_is_found_unless_it_says_why(tmp_path: Path):
    path = tmp_path / "long.py"
    assert found(path, "x = 1\n" * 500) == []
    assert found(path, "x = 1\n" * 501) == [f"{path} has 501 lines"]
    assert found(path, "# Long because: one table.\n" + "x = 1\n" * 501) == []
    assert len(found(path, "# Long because:\n" + "x = 1\n" * 501)) == 1
    assert len(found(path, "x = 1\n" * 501 + "# Long because: too late.\n")) == 1


def test_a_long_function_is_found_unless_it_says_why(tmp_path: Path):
    path, body = tmp_path / "long.py", "        x = 1\n"
    assert found(path, "class C:\n    def f(self):\n" + body * 79) == []
    long = "    @staticmethod\n    def f():\n" + body * 79
    assert found(path, f"class C:\n{long}") == [f"{path}, line 2: f has 81 lines"]
    assert found(path, f"class C:\n    # Long because: one table.\n{long}") == []


def test_this_repository_has_none():
    trees = {"python/nncore": True, "bench": True, ".ci": True, "tests": False}
    assert [
        fault.replace(f"{ROOT}/", "")
        for tree, functions in trees.items()
        for path in sorted((ROOT / tree).rglob("*.py"))
        for fault in long_ones(path, functions)
    ] == []
