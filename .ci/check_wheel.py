"""Check a built wheel: small, typed, and nothing in it that belongs to the build tree."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

LIMIT = 3_000_000  # bytes
ALLOWED = {".py", ".pyi", ".so", ".pyd", ".typed", ".md", ".npz", ".png", ".txt", ".csv"}
ALLOWED |= {".html", ".css", ".js"}  # of pages
ALLOWED |= {".c"}  # what exported C sources are made of

path = Path(sys.argv[1])
names = [name for name in zipfile.ZipFile(path).namelist() if not name.endswith("/")]
size = path.stat().st_size
foreign = [
    name
    for name in names
    if ".dist-info/" not in name
    and not name.startswith("nncore.libs/")  # what auditwheel puts in
    and (not name.startswith("nncore/") or Path(name).suffix not in ALLOWED)
]
# The list of public names is read when nncore is imported.
needed = {"nncore/py.typed", "nncore/_core.pyi", "nncore/__init__.py", "nncore/__init__.pyi"}
missing = needed - set(names)
print(f"{path.name}: {size:,} bytes, {len(names)} files")
if size > LIMIT or foreign or missing:
    sys.exit(f"limit {LIMIT:,} bytes; foreign files: {foreign}; missing: {sorted(missing)}")
