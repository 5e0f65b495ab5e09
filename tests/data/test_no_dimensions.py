"""An array of shape (), which has no length, wherever a sequence belongs."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn
from nncore.data import ClassMap, ImageDataset

PIXELS = np.zeros((4, 3, 3), np.uint8)
LABELS = [0, 1, 0, 1]
WORD, NUMBER = np.array("cat"), np.array(1)


def data() -> ImageDataset:
    return ImageDataset.from_arrays(PIXELS, LABELS)


def made(**changed: object) -> ImageDataset:
    whole = data()
    fields = ("images", "labels", "classes", "preprocessing", "paths")
    return ImageDataset(**({name: getattr(whole, name) for name in fields} | changed))


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: ImageDataset.from_arrays(np.array(1, np.uint8), LABELS), "images"),
        (lambda: ImageDataset.from_arrays(PIXELS, NUMBER), "labels"),
        (lambda: ImageDataset.from_arrays(PIXELS, LABELS, WORD), "classes"),
        (lambda: ImageDataset.from_arrays(PIXELS, LABELS, names=WORD), "names"),
        (lambda: ImageDataset.from_arrays(PIXELS, LABELS, split=WORD), "split"),
        (lambda: ImageDataset.from_arrays(PIXELS, LABELS, groups=WORD), "groups"),
        (lambda: made(images=np.array(1, np.uint8)), "images"),
        (lambda: made(labels=NUMBER), "labels"),
        (lambda: made(paths=WORD), "paths"),
        (lambda: made(groups=WORD), "groups"),
        (lambda: ClassMap.from_names(WORD), "names"),
        (lambda: data().classes.encode(WORD), "names"),
        (lambda: data().classes.decode(NUMBER), "indices"),
        (lambda: nn.one_hot(NUMBER), "labels"),
        (lambda: nn.from_one_hot(NUMBER), "rows"),
        (lambda: nn.Augmentation(shift=0.1).apply(np.array(1, np.uint8)), "images"),
    ],
)
def test_the_argument_and_the_shape_are_named(call, argument):
    with pytest.raises(ValueError, match=rf"{argument}\b.* \(\)"):
        call()


def test_a_numpy_string_is_a_string(tmp_path):
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    path = np.str_(tmp_path / "classes.txt")
    assert ImageDataset.from_arrays(PIXELS, LABELS, path).classes.names == ("cat", "dog")
