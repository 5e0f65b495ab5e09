"""Whether two wheels hold the same files: ``python .ci/same_wheel.py FIRST.whl SECOND.whl``."""

from __future__ import annotations

import sys
import zipfile


def contents(path: str) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


first, second = (contents(path) for path in sys.argv[1:3])
different = sorted(
    name for name in first.keys() | second.keys() if first.get(name) != second.get(name)
)
if different:
    sys.exit(f"the wheels differ: {', '.join(different)}")
print(f"the same {len(first)} files")
