"""What `info` checks of a model file, and how little it reads for that."""

from __future__ import annotations

import json
import os
import struct

import numpy as np
import pytest
from safetensors.numpy import save as save_tensors

from model_files import content, make_model, write
from nncore.layers import Dense, Flatten
from nncore.optimizers import Adam
from nncore.training.model import Sequential


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "pets.safetensors"
    make_model(seed=5).save(path)
    return path


def test_the_header_is_checked_and_with_verify_all(path, call, fails):
    assert json.loads(call("info", path, "--json").out)["digests"] is True
    assert "header (--verify" in call("info", path).out
    assert "header and weights" in call("info", path, "--verify").out
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert call("info", path).code == 0
    assert "tensors are not those that were written" in fails(4, "info", path, "--verify")
    data[20] ^= 1
    path.write_bytes(data)
    fails(4, "info", path)
    assert "needs the model file" in fails(2, "info", "--verify")


def test_what_is_kept_beside_the_weights_is_told(path, call, run):
    def keeps(file):
        return json.loads(call("info", file, "--json").out)["keeps"]

    assert keeps(path) == []  # plain SGD remembers nothing
    model = make_model(seed=5, optimizer=Adam(0.01))
    model.save(path)
    assert keeps(path) == ["optimizer"]
    assert "the weights and the optimizer's state" in call("info", path).out
    model.save(path, include_optimizer=False)
    assert keeps(path) == []
    assert "the weights\n" in call("info", path).out
    assert keeps(run / "best.safetensors") == []
    assert keeps(run / "last.safetensors")[-1] == "history"


def test_files_of_before_there_were_digests_say_so(path, call):
    write(path, *content(path))
    assert "no: the file is older than digests" in call("info", path, "--verify").out
    assert json.loads(call("info", path, "--json").out)["digests"] is False


def test_what_no_json_can_hold_is_a_bad_model_file(path, fails):
    tensors, described = content(path)
    described["training"]["metrics"]["loss"] = float("nan")
    write(path, tensors, described)
    fails(4, "info", path, "--json")


def test_large_weights_are_not_read(tmp_path, call, monkeypatch):
    model = Sequential([Flatten(), Dense(1)])
    model.build((4, 4, 1), seed=0)
    path = tmp_path / "m"
    model.save(path)
    _, described = content(path)
    described["architecture"]["input_shape"] = [4096, 4096, 1]
    count = 4096 * 4096
    small = {"dense/kernel": np.zeros((1, 1), np.float32), "dense/bias": np.zeros(1, np.float32)}
    data = save_tensors(small, metadata={"nncore": json.dumps(described)})
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header["dense/bias"]["data_offsets"] = [0, 4]
    header["dense/kernel"].update(shape=[count, 1], data_offsets=[4, 4 + 4 * count])
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    os.truncate(path, 8 + len(text) + 4 + 4 * count)
    monkeypatch.setattr(Sequential, "build", None)
    assert json.loads(call("info", path, "--json").out)["parameters"] == count + 1


def test_a_workspace_that_is_too_large_is_refused_before_it_is_asked_for(path, fails):
    tensors, described = content(path)
    described["architecture"]["input_shape"] = [16384, 16384, 1]
    write(path, tensors, described)
    for verb in (("info", path), ("predict", path, path)):
        assert "values per image, of which" in fails(4, *verb)


def test_paths_that_no_file_can_have(call):
    for path in ("a" * 5000, "a\0b"):
        called = call("info", path)
        assert (called.code, len(called.err.splitlines())) == (4, 1), called
        called = call("check", path)
        assert (called.code, len(called.err.splitlines())) == (3, 1), called
