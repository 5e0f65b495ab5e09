"""`_core.pyi` says exactly what the compiled module holds."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import nncore
from nncore import _core

STUB = ast.parse((Path(nncore.__file__).parent / "_core.pyi").read_text(encoding="utf-8"))


def argument_names(function: ast.FunctionDef) -> list[str]:
    return [argument.arg for argument in function.args.args if argument.arg != "self"]


def documented_names(function: object) -> list[str]:
    """pybind11 writes the signature into the first line of the docstring."""
    signature = inspect.getdoc(function).splitlines()[0]
    names = re.findall(r"[(,] ?(\w+):", signature)
    return [name for name in names if name != "self"]


def public(names) -> set[str]:
    return {name for name in names if not name.startswith("_") or name == "__version__"}


def test_names():
    declared = {
        node.target.id if isinstance(node, ast.AnnAssign) else node.name
        for node in STUB.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AnnAssign)
    }
    assert public(declared) == public(dir(_core))


def test_functions_and_methods():
    checked = 0
    for node in STUB.body:
        if isinstance(node, ast.FunctionDef):
            assert argument_names(node) == documented_names(getattr(_core, node.name)), node.name
            checked += 1
        if not isinstance(node, ast.ClassDef):
            continue
        owner = getattr(_core, node.name)
        members = [member for member in node.body if isinstance(member, ast.FunctionDef)]
        assert public(m.name for m in members) == public(dir(owner)), node.name
        for member in members:
            if isinstance(inspect.getattr_static(owner, member.name), property):
                kinds = {"property", f"{member.name}.setter"}
                assert any(ast.unparse(d) in kinds for d in member.decorator_list)
                continue
            names = documented_names(getattr(owner, member.name))
            if member.name == "__init__":
                names = [name for name in names if not name.startswith("arg")]
            assert argument_names(member) == names, (node.name, member.name)
            checked += 1
    assert checked > 30
