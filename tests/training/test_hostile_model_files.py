"""Model files that are damaged, endless or made to cost: each is refused at once, with a reason.

    NNCORE_TEST_CALLS=3000 NNCORE_TEST_SEED=1 pytest tests/training/test_hostile_model_files.py

is the long form.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import time
from pathlib import Path

import numpy as np
import pytest

import limited_cases
from model_files import content, make_model, weights, write
from nncore.errors import ModelFileError
from nncore.layers import Flatten
from nncore.layers.naming import unique_names
from nncore.training.model_file import load
from nncore.training.model_format import read_header

pytestmark = pytest.mark.every_isa

CALLS = int(os.environ.get("NNCORE_TEST_CALLS", "400"))
SEED = int(os.environ.get("NNCORE_TEST_SEED", "0"))


@pytest.fixture(scope="module")
def model():
    return make_model(seed=5)


@pytest.fixture
def path(model, tmp_path):
    path = tmp_path / "pets.safetensors"
    model.save(path)
    return path


def is_noticed(path):
    """Whether the file is refused by name."""
    try:
        load(path)
    except ModelFileError as error:
        return str(path) in str(error)
    return False


def flipped_bits(path):
    whole = path.read_bytes()
    bits = np.random.default_rng(SEED).permutation(8 * len(whole))[:CALLS]
    (length,) = struct.unpack("<Q", whole[:8])
    # The words by which a file is known to have digests, bit by bit.
    for word in (b"digests", b"sealed"):
        at = whole.index(word, 0, 8 + length)
        bits = np.concatenate([bits, np.arange(8 * at, 8 * (at + len(word)))])
    # Those of its length, any of which may ask for much.
    for bit in np.concatenate([bits, np.arange(64)]):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        assert is_noticed(path), f"bit {bit}"
        yield f"bit {bit}"


def cuts(path):
    whole = path.read_bytes()
    places = np.arange(len(whole))
    if CALLS < 1000:
        rng = np.random.default_rng(SEED)
        places = np.concatenate([places[:20], places[-20:], rng.permutation(places)[:100]])
    for place in places:
        path.write_bytes(whole[:place])
        assert is_noticed(path), f"cut at {place}"
        yield f"cut at {place}"


@pytest.mark.parametrize("damages", [flipped_bits, cuts])
def test_any_damage_is_noticed_at_once(path, damages):
    limited_cases.run(damages, path)


def test_files_without_digests_are_read_all_the_same(path):
    before = weights(load(path))
    write(path, *content(path))
    assert weights(load(path)) == before
    assert not read_header(path).sealed


def test_a_header_is_read_and_no_more(path):
    whole = path.read_bytes()
    damaged = whole[:-1] + bytes([whole[-1] ^ 1])
    path.write_bytes(damaged)
    assert read_header(path).described["architecture"]["name"] == "pets"
    with pytest.raises(ModelFileError, match="tensors are not those that were written"):
        load(path)
    path.write_bytes(bytes(8) + whole[8:])
    with path.open("r+b") as file:  # a terabyte that is no model, of which nothing lies on the disk
        file.truncate(1 << 40)
    with pytest.raises(ModelFileError, match="not a whole safetensors file"):
        load(path)


def test_numbers_beyond_all_floats(path):
    write(path, *content(path))  # without digests
    whole = path.read_bytes()
    start = 8 + struct.unpack("<Q", whole[:8])[0]
    for place in (rb'("data_offsets":\[\d+,)\d+', rb'("shape":\[)\d+', rb"(format_version\W+)1"):
        header = re.sub(place, rb"\g<1>1e400", whole[8:start], count=1)
        assert header != whole[8:start]
        path.write_bytes(struct.pack("<Q", len(header)) + header + whole[start:])
        for read in (read_header, load):
            with pytest.raises(ModelFileError, match="1e400 is beyond all numbers"):
                read(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "socket"))
    for path in (tmp_path / "pipe", tmp_path / "socket", Path("/dev/zero"), Path("a\0b")):
        with pytest.raises(ModelFileError, match=r"regular file|NUL"):
            load(path)
    listening.close()


def test_naming_takes_time_in_proportion():
    layers = [Flatten() for _ in range(20_000)]
    started = time.process_time()
    names = unique_names(layers)
    assert time.process_time() - started < 2
    assert names[:2] + names[-1:] == ["flatten", "flatten_1", "flatten_19999"]
