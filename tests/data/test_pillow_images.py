"""Every picture with which Pillow tests itself, some thousand odd, broken and malicious files.

They are not in this repository; `.ci/pillow_images` fetches them and runs this file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from PIL import Image

from nncore.data.pictures.decode import MAX_PIXELS

FOLDER = os.environ.get("NNCORE_PILLOW_IMAGES")
pytestmark = pytest.mark.skipif(
    not FOLDER,
    reason="needs Pillow's Tests/images: run .ci/pillow_images, or set NNCORE_PILLOW_IMAGES to it",
)

# The memory is that of the whole process, so it runs in one of its own.
CHECK = """
import resource, sys
from nncore.cli import main
code = main(["check", *sys.argv[1:], "--json", "--quiet", "--max-broken", "1"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)
sys.exit(code)
"""


def opens_in_pillow(path: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                small = image.width * image.height <= MAX_PIXELS
                image.convert("RGB")
    except Exception:
        return False
    return small


def test_every_file_is_loaded_or_named(tmp_path: Path):
    images = Path(FOLDER or "").resolve()
    files = [str(path.relative_to(images)) for path in images.rglob("*") if path.is_file()]
    assert len(files) > 500, f"{images} holds {len(files)} files only"
    (tmp_path / "odd").symlink_to(images)
    (tmp_path / "plain").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "plain" / "a.png")

    checked = subprocess.run(
        [sys.executable, "-c", CHECK, str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert checked.returncode == 0, checked.stderr[-2000:]
    assert int(checked.stderr.split()[-1]) < 1024  # MB
    told = json.loads(checked.stdout)
    assert all(one["reason"] for one in told["skipped"])
    skipped = {os.path.relpath(one["path"], tmp_path / "odd") for one in told["skipped"]}
    assert len(skipped) == len(told["skipped"])
    assert skipped <= set(files)
    assert told["counts"] == {"odd": len(files) - len(skipped), "plain": 1}
    refused = [name for name in sorted(skipped) if opens_in_pillow(str(images / name))]
    assert refused == []
