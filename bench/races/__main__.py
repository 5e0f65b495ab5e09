"""One race in a process of its own; see the package."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from contender import replies_on_stdout, reply


def main() -> int:
    name, train, test, target, epochs, seed = sys.argv[1:]
    with replies_on_stdout() as results:

        def after_epoch(epoch: int, accuracy: float) -> bool:
            reply(results, epoch=epoch, accuracy=accuracy)
            return accuracy >= float(target)

        module = importlib.import_module(f"races.{name}_race")
        module.race(Path(train), Path(test), int(epochs), int(seed), after_epoch)
    return 0


if __name__ == "__main__":
    sys.exit(main())
