"""``python -m heads NAME FOLDER TASK THREADS``."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from heads import HEADS


def main() -> int:
    name, folder, task, threads = sys.argv[1:]
    module = importlib.import_module(f"heads.{HEADS[name].module}")
    images, accuracy = module.run(Path(folder), Path(task), int(threads))
    print(json.dumps({"images": images, "accuracy": accuracy}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
