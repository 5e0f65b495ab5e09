#!/usr/bin/env python3
"""No circle between files, nothing in the package imports its facade, no script imports another.

Reads every import of python/nncore and of bench, those within functions and under TYPE_CHECKING
included: a reader has to hold all files of a circle in mind at once, whatever the interpreter does.
Which room may import which is said in pyproject.toml ([tool.importlinter]).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

# Name of the package whose modules each folder holds; bench is a folder of scripts.
TREES = {"python/nncore": "nncore", "bench": ""}

Graph = dict[str, set[str]]


def module_files(folder: Path, package: str) -> dict[str, Path]:
    """Full name and file of each module; a stub stands for a compiled one."""
    files = {}
    for path in sorted([*folder.rglob("*.pyi"), *folder.rglob("*.py")]):
        parts = [*filter(None, [package]), *path.relative_to(folder).with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
        files[".".join(parts)] = path
    return files


def imported_names(name: str, path: Path) -> Iterator[str]:
    """Full names of all that a file imports: a.b of ``import a.b`` and of ``from a import b``."""
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            above = parts[: len(parts) - node.level + 1] if node.level else []
            origin = ".".join(filter(None, [*above, node.module]))
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def import_graph(files: dict[str, Path]) -> Graph:
    """For each module the others of the same tree that its file imports."""

    def module_of(imported: str) -> str:
        # What is imported may be a name inside a module: then that module counts.
        while imported and imported not in files:
            imported = imported.rpartition(".")[0]
        return imported

    return {
        name: {module_of(imported) for imported in imported_names(name, path)} - {"", name}
        for name, path in files.items()
    }


def facade_faults(graph: Graph, facade: str) -> Iterator[str]:
    for name in sorted(graph):
        if facade in graph[name]:
            yield (
                f"{name} imports the facade {facade}, which imports everything: import from the "
                "file that defines the name"
            )


def script_faults(graph: Graph, files: dict[str, Path]) -> Iterator[str]:
    for name, path in files.items():
        if "def main(" in path.read_text(encoding="utf-8"):
            for importer in sorted(graph):
                if name in graph[importer]:
                    yield f"{importer} imports the script {name}: what both need goes elsewhere"


def circle_faults(graph: Graph) -> Iterator[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        # There each is imported by the next; a reader follows the imports.
        yield f"a circle: {' imports '.join(reversed(error.args[1]))}"


def faults(repository: Path) -> Iterator[str]:
    """What is wrong with the imports; of several circles the first that is found."""
    for tree, package in TREES.items():
        files = module_files(repository / tree, package)
        graph = import_graph(files)
        yield from facade_faults(graph, package) if package else script_faults(graph, files)
        yield from circle_faults(graph)


if __name__ == "__main__":
    root = Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parents[1]
    found = list(faults(root))
    print("\n".join(found), end="\n" if found else "")
    sys.exit(1 if found else 0)
