"""`nncore explain`: pictures of where a model looked."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import nncore as nn


@pytest.fixture(scope="module")
def convolutional(pictures, tmp_path_factory):
    """A model file that knows the bars by a convolution."""
    model = nn.Sequential(
        [
            nn.Conv2D(8, 3, padding="same", activation="relu"),
            nn.GlobalAveragePool2D(),
            nn.Dense(3),
        ]
    )
    data = nn.ImageDataset.from_folder(pictures, size=(8, 8))
    model.fit(data, epochs=30, optimizer=nn.Adam(0.02), verbose=0)
    file = tmp_path_factory.mktemp("models") / "bars.safetensors"
    model.save(file)
    return file


def test_a_picture_for_each_picture(call, convolutional, new_pictures, tmp_path):
    called = call("explain", convolutional, new_pictures, "--output", tmp_path / "heat")
    assert called.code == 0, called.err
    assert called.err == ""
    lines = [line.split("\t") for line in called.out.splitlines()]
    predicted = call("predict", convolutional, new_pictures).out.splitlines()
    assert ["\t".join(line[:3]) for line in lines] == predicted
    written = {line[3] for line in lines}
    assert len(written) == len(lines) == 36
    assert written == {str(file) for file in (tmp_path / "heat").glob("*.png")}
    model = nn.load(convolutional)
    for path, _, _, overlay in lines[:5]:
        shown = np.asarray(Image.open(overlay)).astype(int)
        assert shown.shape == (224, 224, 3)
        heat = model.explain(path)
        # Gray where it is coldest, in colour where it is hottest.
        colour = []
        for at in (heat.argmin(), heat.argmax()):
            y, x = np.unravel_index(at, heat.shape)
            colour.append(np.ptp(shown[28 * y + 14, 28 * x + 14]))
        assert colour[1] > colour[0] + 40


def test_json_says_what_is_explained(call, convolutional, new_pictures, tmp_path):
    picture = new_pictures / "lying" / "0.png"
    words = ["explain", convolutional, picture, "--output", tmp_path, "--json"]
    called = call(*words, "--label", "standing", "--method", "occlusion")
    assert called.code == 0, called.err
    found = json.loads(called.out)
    (one,) = found.pop("explanations")
    assert found == {"method": "occlusion", "layer": None, "skipped": []}
    assert one["path"] == str(picture)
    assert one["label"] == "standing"
    assert one["probability"] < 0.5
    assert one["overlay"] == str(tmp_path / "0.png")
    empty = not nn.load(convolutional).explain(picture, "standing", "occlusion").any()
    assert one["empty"] is empty
    answer = json.loads(call(*words, "--layer", "conv2d").out)
    assert answer["layer"] == "conv2d"
    assert answer["explanations"][0]["label"] == "lying"


def test_an_empty_map_is_told(call, convolutional, new_pictures, tmp_path):
    model = nn.load(convolutional)
    kernel = model.layers[-1].kernel
    kernel[:, 1] = -np.abs(kernel[:, 1])
    model.layers[-1].kernel = kernel
    model.save(tmp_path / "none.safetensors")
    label = model.classes.name(1)
    words = ["explain", tmp_path / "none.safetensors", new_pictures, "--label", label]
    called = call(*words, "--output", tmp_path / "heat")
    assert called.code == 0
    assert f"nothing speaks for {label} on " in called.err
    assert "and likewise on 35 more pictures" in called.err


def test_broken_files_are_named_and_the_others_explained(
    call, fails, convolutional, new_pictures, tmp_path
):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    shutil.copy(new_pictures / "lying" / "1.png", tmp_path / "good.png")
    words = ["explain", convolutional, tmp_path / "broken.png", tmp_path / "gone.png"]
    called = call(*words, tmp_path / "good.png", "--output", tmp_path / "heat")
    assert called.code == 3
    assert len(called.out.splitlines()) == 1
    assert "skipped " + str(tmp_path / "broken.png") in called.err
    assert "2 of 3 pictures could not be explained; the others are" in called.err
    fails(3, *words, "--output", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_no_picture_is_written_over_another(call, convolutional, new_pictures, tmp_path):
    """Nor over one that was read, nor over that of a picture of the same name."""
    for place, name in (("lying", "bar.png"), ("standing", "BAR.bmp"), ("nothing", "b/bar.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.open(new_pictures / place / "2.png").save(tmp_path / name)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.*")}
    called = call("explain", convolutional, tmp_path, "--output", tmp_path)
    assert called.code == 0, called.err
    assert {file: file.read_bytes() for file in before} == before
    written = sorted(line.split("\t")[3] for line in called.out.splitlines())
    assert [name.removeprefix(str(tmp_path)) for name in written] == [
        "/BAR-2.png",
        "/bar-3.png",
        "/bar-4.png",
    ]
    # What was written is known: the same call finds the same pictures.
    again = call("explain", convolutional, tmp_path, "--output", tmp_path)
    assert again.out == called.out


def test_files_of_others_stay(call, convolutional, new_pictures, tmp_path):
    picture, foreign = new_pictures / "lying" / "1.png", tmp_path / "1.png"
    shutil.copy(new_pictures / "lying" / "2.png", foreign)
    before = foreign.read_bytes()
    for _ in range(2):  # what it drew itself is drawn again
        called = call("explain", convolutional, picture, "--output", tmp_path)
        assert called.out.rstrip("\n").endswith(str(tmp_path / "1-2.png"))
    assert foreign.read_bytes() == before
    assert sorted(file.name for file in tmp_path.glob("*.png")) == ["1-2.png", "1.png"]


def test_what_is_wrong_is_said_before_any_file_is_read(
    fails, run, convolutional, new_pictures, tmp_path
):
    words = ["explain", convolutional, new_pictures, "--output", tmp_path / "heat"]
    assert "unknown class name 'cat'" in fails(2, *words, "--label", "cat")
    assert 'no layer "relu"' in fails(2, *words, "--layer", "relu")
    message = fails(2, *words, "--layer", "conv2d", "--method", "occlusion")
    assert "--layer is for --method gradcam" in message
    assert "--output" in fails(2, *words[:3])
    message = fails(2, "explain", run, *words[2:], "--method", "gradcam")
    assert "no convolution" in message
    assert "use --method occlusion" in message
    (tmp_path / "file").write_text("")
    fails(1, *words[:3], "--output", tmp_path / "file")
    assert not (tmp_path / "heat").exists()


def test_networks_without_convolutions_by_occlusion(call, run, new_pictures, tmp_path):
    words = ["explain", run, new_pictures / "standing" / "3.png", "--output", tmp_path, "--json"]
    called = call(*words)
    assert called.code == 0, called.err
    assert "has no convolution: parts of the pictures are covered (occlusion)" in called.err
    assert json.loads(called.out)["method"] == "occlusion"
    chosen = (tmp_path / "3.png").read_bytes()
    asked = call(*words, "--method", "occlusion")
    assert "no convolution" not in asked.err
    assert (tmp_path / "3.png").read_bytes() == chosen
