"""One race in a process of its own; see the package."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path


def main() -> int:
    name, train, test, target, epochs, seed = sys.argv[1:]
    # Libraries print what they like; results go to the real standard output.
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def after_epoch(epoch: int, accuracy: float) -> bool:
        print(json.dumps({"epoch": epoch, "accuracy": accuracy}), file=results, flush=True)
        return accuracy >= float(target)

    module = importlib.import_module(f"races.{name}_race")
    module.race(Path(train), Path(test), int(epochs), int(seed), after_epoch)
    return 0


if __name__ == "__main__":
    sys.exit(main())
