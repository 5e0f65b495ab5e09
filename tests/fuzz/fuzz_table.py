"""Any bytes as a table, a split, a class map: refused by its name as bad data, or read.

    PYTHONPATH=tests python tests/fuzz/fuzz_table.py -max_total_time=600 -timeout=2 \
        -rss_limit_mb=600 build/found tests/fuzz/corpus/table
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

from fuzz.under_atheris import fuzz


def make_target(folder: Path) -> Callable[[bytes], int]:
    from nncore.data import ClassMap
    from nncore.data.sources.split_csv import read_split_csv
    from nncore.data.sources.table import read_table
    from nncore.errors import DataError

    readers = [
        (folder / "table.csv", read_table),
        (folder / "table.tsv", read_table),
        (folder / "split.csv", read_split_csv),
        (folder / "classes.csv", ClassMap.read),
        (folder / "classes.txt", ClassMap.read),
        (folder / "classes.json", ClassMap.read),
    ]

    def target(data: bytes) -> int:
        """How many of its readings were good."""
        warnings.simplefilter("ignore")
        read_well = 0
        for path, read in readers:
            path.write_bytes(data)
            try:
                read(path)
                read_well += 1
            except DataError as error:
                if str(path) not in str(error):
                    raise
        return read_well

    return target


if __name__ == "__main__":
    fuzz(make_target)
