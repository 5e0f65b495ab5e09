"""Files that are there stay; places that cannot be written are named with their flag."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from PIL import Image

import nncore as nn
from textbook import TRAIN


def test_a_table_of_others_is_replaced_only_by_overwrite(call, fails, run, new_pictures, tmp_path):
    table = tmp_path / "found.csv"
    words = ("predict", run, new_pictures, "--csv", table)
    assert call(*words).code == 0
    before = table.read_bytes()
    assert call(*words, "--top-k", 2).code == 0  # nncore's own goes
    assert table.read_bytes() != before
    table.write_text("my own")
    told = fails(1, *words)
    assert told == (
        f"{table}: is there already; choose another --csv, or replace it by --overwrite"
    )
    assert table.read_text() == "my own"
    assert call(*words, "--overwrite").code == 0
    assert table.read_bytes() == before
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    told = fails(1, *words[:-1], pipe, "--overwrite")
    assert told == f"{pipe}: is no regular file; choose another place by --csv"
    assert pipe.is_fifo()


def test_a_page_of_others_is_replaced_only_by_overwrite(call, fails, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("report", run).code == 0
    assert call("report", run, "--output", run / "report.html").code == 0
    for words, page in (
        (("report", run, "--output", "own.html"), tmp_path / "own.html"),
        (("report", run, run), tmp_path / "comparison.html"),
    ):
        for _ in range(2):  # nncore's own goes
            assert call(*words).code == 0
        page.write_text("mine")
        assert f"{page.name}: is there already; choose another --output" in fails(1, *words)
        assert page.read_text() == "mine"
        assert call(*words, "--overwrite").code == 0
        assert page.read_text() != "mine"


@pytest.mark.parametrize(
    ("verb", "flag"), [("check", "--sheet"), (("lr-find", "--model", "mlp"), "--plot")]
)
def test_a_picture_takes_the_place_of_a_chart_alone(call, fails, pictures, tmp_path, verb, flag):
    verb = (verb,) if isinstance(verb, str) else verb
    place = tmp_path / "p.png"
    words = (verb[0], pictures, *verb[1:], flag, place)
    assert call(*words).code == 0
    assert call(*words).code == 0
    own = b"no chart of nncore's"
    place.write_bytes(own)
    told = fails(1, *words)
    assert told == (
        f"{place}: is there already, and was not drawn by nncore; choose another {flag}"
    )
    assert place.read_bytes() == own


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "RUN", "DATA", "--csv"),
        ("check", "DATA", "--sheet"),
        ("lr-find", "DATA", "--plot"),
        ("report", "RUN", "--output"),
        ("audit", "DATA", "--output"),
        ("explain", "RUN", "DATA", "--output"),
        ("evaluate", "RUN", "DATA", "--output"),
    ],
)
def test_the_flag_is_named(fails, run, pictures, tmp_path, words):
    (tmp_path / "file").touch()
    place = tmp_path / "file" / ("p.png" if words[0] in ("check", "lr-find") else "p.html")
    places = {"RUN": run, "DATA": pictures}
    told = fails(1, *[places.get(word, word) for word in words], place)
    assert f"; choose another place by {words[-1]}" in told


def test_what_to_give_instead(call, fails, run, tmp_path):
    told = fails(3, "report", run / "best.safetensors")
    assert told == f"{run / 'best.safetensors'}: is a file of the run {run}; give that folder"
    network = tmp_path / "net.onnx"
    network.write_bytes(b"\x08\x07")
    for words in (("predict", network, tmp_path), ("info", network), ("evaluate", network, ".")):
        assert f"nncore train FOLDER --backbone {network}" in fails(4, *words)
    assert fails(3, "check", "").startswith("the name of the images is empty; give a folder")
    assert "did you mean --min-accuracy?" in fails(2, "train", tmp_path, "--accuracy", "0.9")


def test_what_a_run_did_not_have_is_said_in_words(call, fails, pictures, tmp_path):
    words = ("--output", tmp_path, "--name", "a")
    assert call(*TRAIN, pictures, *words).code == 0
    told = fails(2, "train", "--resume", tmp_path / "a", "--max-minutes", "5")
    assert "--max-minutes 5.0 where the run has none: " in told


def test_tables_with_semicolons(call, fails, pictures, tmp_path):
    """As spreadsheets write them where a comma is for decimals."""
    rows = [(path, path.parent.name) for path in sorted(pictures.rglob("*.png"))]
    table = tmp_path / "t.csv"
    table.write_text("Path;Label\n" + "".join(f"{path};{label}\n" for path, label in rows))
    assert json.loads(call("check", table, "--json").out)["counts"] == dict.fromkeys(
        ("lying", "nothing", "standing"), 40
    )
    quoted = "".join(f'"{path}";"{label}"\r\n' for path, label in rows)
    table.write_text('\ufeff"path";"label"\r\n' + quoted)
    assert len(nn.ImageDataset.from_csv(table)) == 120
    # A comma is still what separates cells where it gives the columns.
    odd = tmp_path / "a;b.png"
    os.link(rows[0][0], odd)
    table.write_text(f"path,label\n{odd},x\n{rows[1][0]},y;z\n")
    assert nn.ImageDataset.from_csv(table).classes.names == ("x", "y;z")
    table.write_text("file;class\na;b\n")
    assert "line 1: the header needs one column 'path'" in fails(3, "check", table)


def test_explain_tells_of_unknown_pictures(call, tmp_path):
    rng = np.random.default_rng(3)
    labels = np.arange(200) % 2
    images = rng.integers(0, 60, (200, 8, 8, 1)) + 60 * labels[:, None, None, None]
    data = nn.ImageDataset.from_arrays(images.astype(np.uint8), labels, ["dark", "light"])
    train, val, _ = data.split(val=0.5, seed=0)
    model = nn.Sequential(
        [nn.Conv2D(6, 3, activation="relu"), nn.GlobalAveragePool2D(), nn.Dense(2)]
    )
    model.fit(train, epochs=4, verbose=0)
    model.calibrate(val)
    model.save(tmp_path / "m.safetensors")
    stripes = np.zeros((8, 8), np.uint8)
    stripes[::2] = 255
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    Image.fromarray(val.images[0, :, :, 0]).save(tmp_path / "known.png")
    words = (tmp_path / "stripes.png", tmp_path / "known.png", "--output", tmp_path / "maps")
    called = call("explain", tmp_path / "m.safetensors", *words, "--json")
    strange, known = json.loads(called.out)["explanations"]
    assert (strange["unknown"], known["unknown"]) == (True, False)
    assert strange["unknown_score"] > 1 > known["unknown_score"]
    assert "1 of 2 pictures: unlike those that the model knows" in called.err
    assert f"{tmp_path / 'stripes.png'}; a map tells little about such a picture" in called.err
