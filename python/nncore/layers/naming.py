"""The names of the layers of one model, or of one block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nncore.layers.base import Layer


def unique_names(layers: Sequence[Layer]) -> list[str]:
    """A name per layer: its own, or its kind's with a number: "dense", "dense_1", "dense_2".

    Raises
    ------
    ValueError
        Two layers were given the same name.
    """
    given = [layer.name for layer in layers if layer.name is not None]
    taken = set(given)
    if len(taken) < len(given):
        twice = sorted(name for name, times in Counter(given).items() if times > 1)
        raise ValueError(f"two layers have the same name: {', '.join(twice)}")
    names = []
    numbers: Counter[str] = Counter()  # the first of each kind that is not known to be taken
    for layer in layers:
        name, kind = layer.name, layer.default_name
        while name is None or (layer.name is None and name in taken):
            name = kind + (f"_{numbers[kind]}" if numbers[kind] else "")
            numbers[kind] += 1
        taken.add(name)
        names.append(name)
    return names
