"""Standard error in every bad state: training goes on to the same weights."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest

import nncore as nn

pytestmark = pytest.mark.every_isa

IMAGES = np.random.default_rng(0).integers(0, 256, (24, 4, 4), dtype=np.uint8)
LABELS = np.arange(24) % 3


class Mute:
    """Has nothing of a stream."""


class Full(io.StringIO):
    def write(self, text):
        raise OSError(28, "No space left on device")


class Odd(io.StringIO):
    """Says that it is a terminal, and breaks."""

    def isatty(self):
        return True

    def write(self, text):
        raise RuntimeError("gone")

    def flush(self):
        raise BrokenPipeError(32, "Broken pipe")


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


def narrow():
    return io.TextIOWrapper(io.BytesIO(), encoding="ascii")


@pytest.mark.parametrize("make", [lambda: None, closed, Mute, Full, Odd, narrow])
@pytest.mark.parametrize("verbose", [1, 2])
def test_training_goes_on(monkeypatch, make, verbose):
    def trained(verbose):
        model = nn.Sequential([nn.Flatten(), nn.Dense(3)])
        history = model.fit(IMAGES, LABELS, epochs=2, verbose=verbose)
        assert len(history) == 2
        return [array.tobytes() for array in model.get_weights()]

    expected = trained(0)
    monkeypatch.setattr(sys, "stderr", make())
    ours = trained(verbose)
    monkeypatch.undo()
    assert ours == expected
