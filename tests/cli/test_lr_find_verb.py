"""`nncore lr-find` gives what `nn.lr_find` gives, and its plot."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import nncore as nn
from nncore.data.normalization import with_normalization
from textbook import MLP


def test_it_is_lr_find(call, pictures, tmp_path):
    plot = tmp_path / "lr.png"
    called = call(
        *("lr-find", pictures, "--model", "linear", "--batch-size", 20, "--steps", 60, "--seed", 5),
        *("--start", 1e-4, "--end", 5, "--momentum", 0.5, "--plot", plot, "--json"),
    )
    assert called.code == 0, called.err
    told = json.loads(called.out)
    data = with_normalization(nn.ImageDataset.from_folder(pictures))
    model = nn.Sequential([nn.Flatten(), nn.Dense(3)])
    optimizer = nn.SGD(0.1, momentum=0.5)
    expected = nn.lr_find(
        model, data, optimizer=optimizer, batch_size=20, steps=60, start=1e-4, end=5, seed=5
    )
    np.testing.assert_array_equal(told["rates"], expected.rates)
    np.testing.assert_array_equal(told["losses"], expected.losses)
    np.testing.assert_array_equal(told["smoothed"], expected.smoothed)
    assert told["suggestion"] == expected.suggestion
    assert (told["images"], told["batch_size"], told["plot"]) == (120, 20, str(plot))
    Image.open(plot).verify()


def test_for_people(call, pictures):
    called = call("lr-find", pictures, *MLP, "--optimizer", "adam", "--steps", 40)
    assert called.err == ""
    first, _, _, next_, command = called.out.splitlines()
    rate = first.split()[2]
    assert first == f"learning rate {rate} for adam, model mlp, batches of 32"
    assert next_ == "try next:"
    assert command.endswith(f"--optimizer adam --batch-size 32 --learning-rate {rate}")
    assert call(*command.split()[1:], "--help").code == 0
    assert "try next" not in call("lr-find", pictures, *MLP, "--steps", 40, "--quiet").out


@pytest.mark.parametrize(
    ("code", "flags", "match"),
    [
        (2, ["--start", 1, "--end", 1], "--start 1 must be below --end 1"),
        (2, ["--steps", 9], "must be at least 10, not 9"),
        (2, ["--model", "cnn", "--hidden", 8], "--hidden is for --model mlp"),
        (2, ["--optimizer", "adam", "--momentum", 0.9], "--momentum is for --optimizer sgd"),
        (2, ["--plot", "a.txt"], "cannot write a plot to 'a.txt'"),
        (1, ["--start", 1e15, "--end", 1e20], "try a lower start"),
    ],
)
def test_what_is_wrong(fails, pictures, code, flags, match):
    assert match in fails(code, "lr-find", pictures, *flags)


def test_no_images(fails, tmp_path):
    # The plot's name is looked at before any image.
    assert "a.txt" in fails(2, "lr-find", tmp_path / "none", "--plot", "a.txt")
    assert "no such file or folder" in fails(3, "lr-find", tmp_path / "none")
