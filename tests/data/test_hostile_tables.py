"""Tables, splits and class maps of changed bytes: read, or refused as bad data, and nothing else.

    NNCORE_TEST_CALLS=1000000 NNCORE_TEST_SEED=1 pytest tests/data/test_hostile_tables.py

is the long form, some ten minutes.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from nncore.data import ClassMap
from nncore.data.sources.split_csv import read_split_csv
from nncore.data.sources.table import read_table
from nncore.errors import DataError

TABLE = (
    b'path,label,split,group\na/1.png,cat,train,x\n"b,2.png",dog,val,\n'
    b'c.png,"\xc3\xbc ""q""",test,y\r\n'
)
PARTS = b"path,split\na/1.png,train\nb.png,val\n"
ODD = (
    b"\0",
    b"\xff",
    b"\xed\xb3\xbf",
    b"\r",
    b"\n",
    b'"',
    b",",
    b"\xef\xbb\xbf",
    b"1" * 400,
    b"[" * 9999,
)


def changed(rng, whole):
    """The bytes with a few set, taken out, put in or repeated."""
    data = bytearray(whole)
    for _ in range(rng.integers(1, 5)):
        at, to = sorted(rng.integers(0, len(data) + 1, 2))
        match rng.integers(0, 5):
            case 0:
                del data[at:to]
            case 1:
                data[at:at] = data[at:to]
            case 2:
                data[at:at] = ODD[rng.integers(0, len(ODD))]
            case _:
                data[at : at + 1] = bytes([rng.integers(0, 256)])
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "whole", "read"),
    [
        ("table.csv", TABLE, read_table),
        ("table.tsv", TABLE.replace(b",", b"\t"), read_table),
        ("split.csv", PARTS, read_split_csv),
        ("classes.csv", b"Label,Description\n0,cat\n1,dog\n", ClassMap.read),
        ("classes.txt", "cat\ndog\nfür\n".encode(), ClassMap.read),
        ("classes.json", b'{"cat": 0, "dog": 1, "\\u00fc": 2}', ClassMap.read),
    ],
)
def test_changed_bytes_are_read_or_refused(tmp_path, name, whole, read):
    path = tmp_path / name
    path.write_bytes(whole)
    assert len(read(path)) > 1
    rng = np.random.default_rng(int(os.environ.get("NNCORE_TEST_SEED", "0")))
    refused = unnamed = 0
    for _ in range(int(os.environ.get("NNCORE_TEST_CALLS", "600")) // 6):
        path.write_bytes(changed(rng, whole))
        try:
            read(path)
        except DataError as error:
            refused += str(path) in str(error)
            unnamed += str(path) not in str(error)
    assert refused > 0
    assert unnamed == 0
