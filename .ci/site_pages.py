"""The pages that the site is made of: links to the documents, and a page of API per room.

python .ci/site_pages.py build/site-pages
python .ci/site_pages.py --requirements     # what builds the site: the extra [docs]
"""

from __future__ import annotations

import ast
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# As in the repository, so that relative links lead to the same.
DOCUMENTS = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "LICENSE",
    "bench/README.md",
    "bench/*.py",
    "bench/cpp/bench_conv.cpp",
    "docs",
    "examples",
    "python/nncore/cli/demo_data/ATTRIBUTION.txt",
]
# What no import in __init__.pyi gives a place of its own: a module is a page.
TITLES = {
    "training": "Models and training",
    "data": "Pictures, labels, data sets",
    "layers": "Layers",
    "optimizers": "Optimizers",
    "schedules": "Learning rates",
    "regularizers": "Regularizers",
    "auditing": "Wrong labels",
    "interop": "Frozen features",
    "live": "Looking on",
    "process": "The machine",
    "errors": "Errors",
    "callbacks": "Callbacks",
    "kernels": "Kernels",
    "plots": "Plots",
}


def public_names() -> dict[str, list[str]]:
    """The public names by their room, as __init__.pyi lists them; a module that is public itself
    has none, since all of it is."""
    rooms: dict[str, list[str]] = {}
    tree = ast.parse((ROOT / "python/nncore/__init__.pyi").read_text(encoding="utf-8"))
    for node in tree.body:
        if not isinstance(node, ast.ImportFrom):
            continue
        for name in node.names:
            if node.module is None:
                rooms.setdefault(name.name, [])
            elif node.module != "_core":
                rooms.setdefault(node.module.split(".")[0], []).append(name.name)
    return rooms


def write_api(folder: Path) -> None:
    folder.mkdir(parents=True)
    rooms = public_names()
    unknown = rooms.keys() ^ TITLES.keys()
    if unknown:
        sys.exit(f"site_pages.py: rooms without a title, or titles without a room: {unknown}")
    index = ["# API", "", "All of it is in `import nncore as nn`.", ""]
    for room, title in TITLES.items():
        names = rooms[room] or [""]
        page = [f"# {title}", ""]
        for name in names:
            page += [f"::: nncore.{name}" if name else f"::: nncore.{room}", ""]
        (folder / f"{room}.md").write_text("\n".join(page), encoding="utf-8")
        listed = ", ".join(f"`{name}`" for name in names if name) or f"`nncore.{room}`"
        index += [f"- [{title}]({room}.md): {listed}"]
    (folder / "index.md").write_text("\n".join(index) + "\n", encoding="utf-8")


def requirements() -> str:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r"^docs = (\[.*\])$", text, re.MULTILINE)
    if found is None:
        sys.exit("site_pages.py: pyproject.toml has no line docs = [...]")
    return " ".join(ast.literal_eval(found.group(1)))


def main() -> None:
    if sys.argv[1:] == ["--requirements"]:
        print(requirements())
        return
    pages = Path(sys.argv[1])
    shutil.rmtree(pages, ignore_errors=True)
    for pattern in DOCUMENTS:
        for document in sorted(ROOT.glob(pattern)):
            link = pages / document.relative_to(ROOT)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(document)
    write_api(pages / "api")


if __name__ == "__main__":
    main()
