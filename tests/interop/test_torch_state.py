"""State dicts in PyTorch's legacy format, honest and hostile ones, without PyTorch."""

from __future__ import annotations

import collections
import hashlib
import io
import os
import pickle
import sys
import types

import numpy as np
import pytest

from nncore.errors import ModelFileError
from nncore.interop.torch_state import read_state_dict

MAGIC = 0x1950A86A20F9469CFC6C
TENSORS = {
    "layer.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "layer.bias": np.array([0.5, -1.5, 2.5], np.float32),
    "steps": np.array(7, np.int64),
}


@pytest.fixture
def torch(monkeypatch):
    """Names for the pickler to write; nothing of PyTorch."""

    def rebuild(*args): ...

    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    fake, utilities = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage", "HalfStorage"):
        setattr(fake, name, type(name, (), {"__module__": "torch", "__qualname__": name}))
    utilities._rebuild_tensor_v2 = rebuild
    monkeypatch.setitem(sys.modules, "torch", fake)
    monkeypatch.setitem(sys.modules, "torch._utils", utilities)
    return fake


class Storage:
    def __init__(self, key, kind, count):
        self.identity = ("storage", kind, key, "cpu", count, None)


class Tensor:
    def __init__(self, *args):
        self.args = args

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.args


class Pickler(pickle.Pickler):
    def persistent_id(self, thing):
        return thing.identity if isinstance(thing, Storage) else None


def dump(thing):
    file = io.BytesIO()
    Pickler(file, protocol=2).dump(thing)
    return file.getvalue()


def described(torch, arrays, **changed):
    """The state dict of `arrays`, and its storages' bytes by key."""
    kinds = {"f4": torch.FloatStorage, "i8": torch.LongStorage}
    tensors, numbers = collections.OrderedDict(), {}
    for key, (name, array) in enumerate(arrays.items()):
        storage = Storage(str(key), kinds[array.dtype.str[1:]], array.size)
        strides = tuple(step // array.itemsize for step in array.strides)
        given = {"offset": 0, "shape": array.shape, "strides": strides} | changed
        tensors[name] = Tensor(
            storage, given["offset"], given["shape"], given["strides"], False, {}
        )
        numbers[str(key)] = array.tobytes()
    return tensors, numbers


def whole(state, numbers, keys=None, magic=MAGIC, protocol=1001, little=True, counts=None):
    keys = list(numbers) if keys is None else keys
    parts = [magic, protocol, {"protocol_version": protocol, "little_endian": little}, state, keys]
    data = b"".join(map(dump, parts))
    for key in keys:
        content = numbers[key]
        size = 8 if len(content) == 8 and key == "2" else 4
        count = len(content) // size if counts is None else counts
        data += count.to_bytes(8, "little", signed=True) + content
    return data


def write(tmp_path, data):
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    return path


def test_tensors_come_back(torch, tmp_path):
    path = write(tmp_path, whole(*described(torch, TENSORS)))
    found = read_state_dict(path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert list(found) == list(TENSORS)
    for name, array in TENSORS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_a_transposed_view_of_a_storage(torch, tmp_path):
    array = np.arange(12, dtype=np.float32)
    state, numbers = described(torch, {"w": array}, offset=1, shape=(2, 3), strides=(1, 4))
    found = read_state_dict(write(tmp_path, whole(state, numbers)))["w"]
    np.testing.assert_array_equal(found, [[1, 5, 9], [2, 6, 10]])


class Calls:
    """A pickle of this calls something when it is loaded by anybody who trusts it."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


@pytest.mark.parametrize("place", ["state", "magic", "keys", "facts", "tensor"])
@pytest.mark.parametrize("function", [os.system, eval, exec, print, getattr])
def test_nothing_that_a_file_names_is_executed(torch, tmp_path, place, function):
    seen = tmp_path / "executed"
    command = f"touch {seen}" if function is os.system else f"open({str(seen)!r}, 'w')"
    calls = Calls(function, command)
    state, numbers = described(torch, TENSORS)
    if place == "state":
        state = calls
    if place == "tensor":
        state["layer.bias"] = calls
    parts = {
        "magic": calls if place == "magic" else MAGIC,
        "protocol": 1001,
        "facts": calls if place == "facts" else {"little_endian": True},
        "state": state,
        "keys": calls if place == "keys" else list(numbers),
    }
    path = write(tmp_path, b"".join(map(dump, parts.values())))
    with pytest.raises(ModelFileError, match=r"names .*nothing of it was executed") as caught:
        read_state_dict(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not seen.exists()


def test_the_same_pickle_is_dangerous_in_other_hands(tmp_path):
    # Else the test above could not fail.
    seen = tmp_path / "executed"
    pickle.loads(dump(Calls(eval, f"open({str(seen)!r}, 'w').close()")))
    assert seen.exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"shape": (400,)}, "larger than its storage"),
        ({"shape": (2, 2), "strides": (0, 0), "offset": 99}, "larger than its storage"),
        ({"shape": (10**9, 10**9), "strides": (0, 0)}, "larger than its storage"),
        ({"shape": (-1, 2), "strides": (1, 1)}, "in a way that none can be"),
        ({"shape": (2, 2), "strides": (-1, 1)}, "in a way that none can be"),
        ({"offset": -4}, "in a way that none can be"),
        ({"offset": 2.0}, "in a way that none can be"),
        ({"shape": (3,), "strides": (1, 1)}, "1 axes has 2 strides"),
    ],
)
def test_tensors_that_lie_about_their_size(torch, tmp_path, changed, message):
    arrays = {"w": np.zeros(12, np.float32)}
    state, numbers = described(torch, arrays, **({"shape": (12,), "strides": (1,)} | changed))
    with pytest.raises(ModelFileError, match=message):
        read_state_dict(write(tmp_path, whole(state, numbers)))


@pytest.mark.parametrize("counts", [2**62, -1, 5, 0])
def test_storages_that_lie_about_their_size(torch, tmp_path, counts):
    path = write(tmp_path, whole(*described(torch, TENSORS), counts=counts))
    with pytest.raises(ModelFileError, match="truncated: storage"):
        read_state_dict(path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"magic": 1}, "not a state dict in PyTorch's legacy format"),
        ({"protocol": 1002}, "not protocol 1001"),
        ({"little": False}, "not little-endian"),
        ({"keys": ["0", "1"]}, "list of storages is not that of its tensors"),
        ({"keys": ["0", "1", "2", "2"]}, "list of storages is not that of its tensors"),
    ],
)
def test_files_that_contradict_themselves(torch, tmp_path, changed, message):
    state, numbers = described(torch, TENSORS)
    path = write(tmp_path, whole(state, numbers, **changed))
    with pytest.raises(ModelFileError, match=message):
        read_state_dict(path)


def test_what_is_no_tensor(torch, tmp_path):
    with pytest.raises(ModelFileError, match="'w' is no tensor but list"):
        read_state_dict(write(tmp_path, whole({"w": [1, 2]}, {})))


def test_every_truncation_is_refused(torch, tmp_path):
    data = whole(*described(torch, TENSORS))
    for length in range(len(data)):
        with pytest.raises(ModelFileError, match=r"weights\.pth: "):
            read_state_dict(write(tmp_path, data[:length]))
    with pytest.raises(ModelFileError, match="something follows"):
        read_state_dict(write(tmp_path, data + b"x"))


def test_changed_bytes_never_do_harm(torch, tmp_path):
    data = bytearray(whole(*described(torch, TENSORS)))
    rng = np.random.default_rng(int(os.environ.get("NNCORE_TEST_SEED", "0")))
    for _ in range(int(os.environ.get("NNCORE_TEST_CALLS", "2000"))):
        changed = bytearray(data)
        for place in rng.integers(0, len(data), 3):
            changed[place] = rng.integers(0, 256)
        try:
            found = read_state_dict(write(tmp_path, bytes(changed)))
        except ModelFileError:
            continue
        assert all(isinstance(array, np.ndarray) for array in found.values())


def test_another_file_is_not_even_parsed(tmp_path):
    with pytest.raises(ModelFileError, match="not the weights that nncore knows: its SHA-256 is"):
        read_state_dict(write(tmp_path, b"anything"), "0" * 64)


def test_no_file(tmp_path):
    with pytest.raises(ModelFileError, match="there is no such weights file"):
        read_state_dict(tmp_path / "absent.pth")
