"""One contender in a process of its own: ``python -m readers NAME TASK.json``."""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from pathlib import Path

from contenders.base import replies_on_stdout

from readers import READERS
from readers.base import Task, serve


def main() -> int:
    name, path = sys.argv[1:]
    with replies_on_stdout() as replies:
        try:
            module = importlib.import_module(f"readers.{READERS[name].module}")
            serve(module.Reader, Task.load(Path(path)), replies)
        except Exception as error:
            traceback.print_exc()
            print(json.dumps({"error": f"{type(error).__name__}: {error}"}), file=replies)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
