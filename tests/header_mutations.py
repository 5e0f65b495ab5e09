"""Model files whose description is changed by its grammar and not byte by byte.

A description is JSON: numbers leave their ranges, texts become other words of the format, lists and
objects lose, repeat and exchange parts, layers are put into blocks, parts come from other files.
The file around it stays one that the safetensors library could have written, or what it says of its
tensors is changed in the same way. Where the digests were right they are right again, and now and
then the tensors are those that the changed layers need: what is checked later is reached, too.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nncore.arguments import check_int
from nncore.layers import layer_from_dict
from nncore.layers.stack import LayerStack
from nncore.training.model_digests import DIGESTS, SEALED, UNSEALED, sealed

Rng = np.random.Generator
# Where one number ends and the next type of C++ or JSON begins.
EDGES = (0, -1, 1, 255, 2**16, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64, 10**30)
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-320, 1e-30, 1e30, 3.5e38, 1e308, math.inf, math.nan)
# Written as a number of JSON that is none of Python's.
BEYOND, BEYOND_FLOATS = 1.2345e308, "1e400"
TEXTS = ("", " ", "/", "a/b", "\0", "\ud800", "\u202e", "x" * 5000, "None", "0", "-1", "nan")
DTYPES = ("F32", "F64", "F16", "BF16", "I64", "U8", "BOOL", "C64", "f32", "")
# More values than this are not written: no file of the tests is large.
MOST_VALUES = 100_000


@dataclass
class ModelFile:
    """A file, taken apart: what it says of its tensors, its description, the tensors' bytes."""

    entries: dict[str, Any]
    described: dict[str, Any]
    data: bytes

    @classmethod
    def read(cls, path: Path) -> ModelFile:
        whole = path.read_bytes()
        start = 8 + int.from_bytes(whole[:8], "little")
        entries = json.loads(whole[8:start])
        described = json.loads(entries.pop("__metadata__")["nncore"])
        return cls(entries, described, whole[start:])

    def to_bytes(self, with_digests: bool) -> bytes:
        """With right digests, or as from before there were any."""
        rest = {k: v for k, v in self.described.items() if k not in (DIGESTS, SEALED)}
        if with_digests:
            rest = {DIGESTS: UNSEALED, **rest, SEALED: True}
        metadata = {"__metadata__": {"nncore": json.dumps(rest)}}
        text = json.dumps(metadata | self.entries, separators=(",", ":"))
        header = text.replace(repr(BEYOND), BEYOND_FLOATS).encode()
        whole = len(header).to_bytes(8, "little") + header + self.data
        return sealed(whole) if with_digests else whole


class Mutator:
    """Makes files of others. The same for the same numbers of `rng`.

    Parameters
    ----------
    files
        Whole files: what one has can get into the other.
    """

    def __init__(self, files: Sequence[ModelFile], rng: Rng) -> None:
        self.files, self.rng = files, rng
        nodes = [node for file in files for node in _nodes(file.described)]
        values = [inside[key] for inside, key in nodes]
        self.words = sorted({v for v in values if isinstance(v, str)}) + list(TEXTS)
        self.parts = [v for v in values if isinstance(v, dict | list)]
        self.layers = [v for v in self.parts if isinstance(v, dict) and _is_layer(v)]

    def mutated(self) -> bytes:
        """The bytes of a changed file."""
        while True:
            try:
                return self._mutated()
            except RecursionError:  # nested beyond what can be written
                continue

    def _mutated(self) -> bytes:
        file = copy.deepcopy(self._choose(self.files))
        for _ in range(self._choose((1, 1, 1, 2, 3))):
            self._choose(
                (self._description, self._description, self._layers, self._entries, self._tensors)
            )(file)
        if self.rng.random() < 0.4:
            give_the_tensors_it_needs(file, self.rng)
        try:
            return file.to_bytes(with_digests=bool(self.rng.random() < 0.5))
        except (UnicodeEncodeError, AssertionError):  # no text, or no place for the digests
            return file.to_bytes(with_digests=False)

    def _choose(self, among: Sequence[Any]) -> Any:
        return among[self.rng.integers(len(among))]

    # -- what is changed

    def _description(self, file: ModelFile) -> None:
        inside, key = self._choose(list(_nodes(file.described)))
        inside[key] = self.value(inside[key])

    def _layers(self, file: ModelFile) -> None:
        """Other layers, in places where layers are."""
        lists = [v for v in _lists(file.described) if v and all(map(_is_layer, v))]
        if not lists:
            return
        layers = self._choose(lists)
        at = int(self.rng.integers(len(layers)))
        match self.rng.integers(5):
            case 0:
                layers[at] = copy.deepcopy(self._choose(self.layers))
            case 1:
                layers.insert(at, copy.deepcopy(self._choose(self.layers)))
            case 2:
                del layers[at]
            case 3:
                for _ in range(self._choose((1, 1, 2, 5, 40, 100))):
                    layers[at] = self._block(layers[at])
            case _:
                layers[at:] = [copy.deepcopy(x) for x in layers[at:] * self._choose((2, 3, 20))]

    def _block(self, layer: dict[str, Any]) -> dict[str, Any]:
        match self.rng.integers(3):
            case 0:
                block = {"type": "Residual", "activation": None, "shortcut": None}
                return block | {"layers": [layer], "name": None}
            case 1:
                return {"type": "Concatenate", "branches": [[layer], []], "name": None}
            case _:
                return {"type": "Multiply", "branches": [[layer], []], "name": None}

    def _entries(self, file: ModelFile) -> None:
        """What the file says of its tensors: their names, types, shapes and places."""
        if not isinstance(file.entries, dict) or len(file.entries) < 2:
            return
        name, other = self.rng.choice(sorted(file.entries), 2, replace=False).tolist()
        entry = file.entries[name]
        if not isinstance(entry, dict):  # changed already
            return
        match self.rng.integers(7):
            case 0:
                entry["dtype"] = self._choose(DTYPES)
            case 1:
                entry["shape"] = self.value(entry.get("shape"))
            case 2:
                entry["data_offsets"] = self.value(entry.get("data_offsets"))
            case 3:
                file.entries[self._choose((name + "x", "", "a/b/c", other))] = entry
                file.entries.pop(name)
            case 4:
                file.entries[name] = file.entries[other]
            case 5:
                file.entries[name + "2"] = copy.deepcopy(entry)  # two in one place
            case _:
                file.entries[name] = self.value(entry)

    def _tensors(self, file: ModelFile) -> None:
        """Numbers that no training leaves, or one more byte."""
        data = bytearray(file.data)
        if len(data) < 8:
            return
        numbers = np.frombuffer(data, np.float32, len(data) // 4)
        value = np.float32(self._choose((math.nan, math.inf, 3e38, -3e38, 1e-45, 0.0)))
        if self.rng.random() < 0.5:
            numbers[self.rng.integers(len(numbers))] = value
        else:
            numbers[:] = value
        file.data = bytes(data) + bytes(int(self.rng.random() < 0.1))

    # -- one value

    def value(self, value: Any) -> Any:
        """Another one in its place: of its own kind, mostly."""
        if self.rng.random() < 0.1:
            return copy.deepcopy(self._choose((None, True, [], {}, 7, *self.parts)))
        changes: Callable[[Any], Any]
        match value:
            case bool():
                return self._choose((not value, int(value), None, str(value)))
            case int() | float():
                changes = self._number
            case str():
                changes = self._text
            case list():
                changes = self._list
            case dict():
                changes = self._dict
            case _:
                return copy.deepcopy(self._choose((*EDGES, *FLOATS, *self.words, *self.parts)))
        return changes(value)

    def _number(self, value: float) -> Any:
        if self.rng.random() < 0.4:
            small = int(value) if math.isfinite(value) and abs(value) < 1e9 else 3
            return self._choose(
                (small + 1, small - 1, 2 * small, -small, float(small), small + 0.5)
            )
        return self._choose((*EDGES, *FLOATS, BEYOND, str(value), [value]))

    def _text(self, value: str) -> Any:
        return self._choose((*self.words, value + " ", value.upper(), value * 2, 0, [value]))

    def _list(self, value: list[Any]) -> list[Any]:
        value = copy.deepcopy(value)
        if not value:
            return [self._choose((None, 0, "a", []))]
        at = int(self.rng.integers(len(value)))
        match self.rng.integers(7):
            case 0:
                del value[at]
            case 1:
                value.insert(at, copy.deepcopy(value[-1]))
            case 2:
                value.reverse()
            case 3:
                value = value * self._choose((2, 50, 1000 if len(value) < 9 else 3))
            case 4:
                value = [value]
            case 5:
                value.append(copy.deepcopy(self._choose(self.parts)))
            case _:
                value[at] = self.value(value[at])
        return value

    def _dict(self, value: dict[str, Any]) -> dict[str, Any]:
        value = copy.deepcopy(value)
        if not value:
            return {self._choose(self.words): 1}
        key, other = self._choose(list(value)), self._choose(list(value))
        match self.rng.integers(6):
            case 0:
                del value[key]
            case 1:
                value[self._choose(self.words)] = value.pop(key)
            case 2:
                value[self._choose(self.words)] = copy.deepcopy(value[key])
            case 3:
                value[key], value[other] = value[other], value[key]
            case 4:
                value[key] = copy.deepcopy(value)
            case _:
                value[key] = self.value(value[key])
        return value


def give_the_tensors_it_needs(file: ModelFile, rng: Rng) -> None:
    """The names and the tensors of the layers as they are now, if they can be told at all."""
    try:
        architecture = file.described["architecture"]
        shape = tuple(check_int("input_shape", n, 1) for n in architecture["input_shape"])
        stack = LayerStack([layer_from_dict(layer) for layer in architecture["layers"]])
        shapes = {
            f"{name}/{short}": wanted
            for name, needed in zip(stack.names, stack.parameter_shapes(shape), strict=True)
            for short, wanted in needed.items()
        }
        outputs = stack.output_size(shape)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return
    if sum(map(math.prod, shapes.values())) > MOST_VALUES or outputs > 1000:
        return
    architecture["layer_names"] = stack.names
    classes = file.described.get("classes")
    if isinstance(classes, list) and len(classes) != outputs:
        file.described["classes"] = [f"class {k}" for k in range(outputs)]
    kept, parts, end = {}, [], 0
    for name, wanted in sorted(shapes.items()):
        tensor = rng.normal(0, 0.3, wanted).astype(np.float32).tobytes()
        kept[name] = {
            "dtype": "F32",
            "shape": list(wanted),
            "data_offsets": [end, end + len(tensor)],
        }
        parts.append(tensor)
        end += len(tensor)
    # Of the others (history, calibration) those that nobody changed.
    for name, entry in file.entries.items():
        if "/" not in name and isinstance(entry, dict) and entry.keys() >= {"data_offsets"}:
            match entry["data_offsets"]:
                case [int(first), int(last)] if 0 <= first <= last <= len(file.data):
                    kept[name] = entry | {"data_offsets": [end, end + last - first]}
                    parts.append(file.data[first:last])
                    end += last - first
    file.entries, file.data = kept, b"".join(parts)


def _nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each place within: what it is in and its key there."""
    pending = [value]
    while pending:
        inside = pending.pop()
        keys = list(inside) if isinstance(inside, dict) else range(len(inside))
        for key in keys:
            yield inside, key
            if isinstance(inside[key], dict | list):
                pending.append(inside[key])


def _lists(value: Any) -> Iterator[list[Any]]:
    return (node[key] for node, key in _nodes(value) if isinstance(node[key], list))


def _is_layer(value: Any) -> bool:
    return isinstance(value, dict) and "type" in value and "name" in value
