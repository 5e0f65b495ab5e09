"""`nncore export`: files, refusals; and the examples of docs/export.md."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nncore as nn

DOCUMENT = Path(__file__).parents[2] / "docs" / "export.md"


def test_onnx_of_a_run(call, run, new_pictures, tmp_path):
    import onnxruntime

    called = call("export", run, "--format", "onnx", "--output", tmp_path / "bars.bin", "--json")
    assert called.code == 0, called.err
    assert json.loads(called.out) == {"files": [str(tmp_path / "bars.bin")], "format": "onnx"}
    model = nn.load(run / "best.safetensors")
    data = nn.ImageDataset.from_folder(new_pictures, preprocessing=model.preprocessing)
    session = onnxruntime.InferenceSession(tmp_path / "bars.bin")
    (found,) = session.run(None, {"images": np.asarray(data.images)})
    assert np.abs(found - model.predict_proba(data.images)).max() < 1e-5
    assert (found.argmax(axis=1) == data.labels).mean() > 0.9
    known = session.get_modelmeta().custom_metadata_map
    assert json.loads(known["classes"]) == list(data.classes.names)


def test_c_of_a_model_file(call, run, tmp_path):
    called = call("export", run / "best.safetensors", "--output", tmp_path / "bars.c")
    assert called.code == 0, called.err
    source, header, sizes = called.out.splitlines()
    assert (source, header) == (str(tmp_path / "bars.c"), str(tmp_path / "bars.h"))
    numbers = re.findall(r"BYTES (\d+)|ADDS (\d+)", Path(header).read_text())
    assert re.findall(r"\d[\d,]*(?= )", sizes) == [f"{int(a or b):,}" for a, b in numbers]
    known = call("export", run, "--output", tmp_path / "again.c", "--json")
    assert json.loads(known.out)["buffer_bytes"] == int(numbers[1][0])


def test_files_that_are_there_stay(call, fails, run, tmp_path):
    (tmp_path / "net.h").write_text("mine")
    told = fails(1, "export", run, "--output", tmp_path / "net.c")
    assert told.startswith(f"{tmp_path / 'net.h'}: is there already")
    assert "--overwrite" in told
    assert not (tmp_path / "net.c").exists()
    assert (tmp_path / "net.h").read_text() == "mine"
    assert call("export", run, "--output", tmp_path / "net.c", "--overwrite").code == 0
    assert "NET_H" in (tmp_path / "net.h").read_text()


def test_wrong_commands(fails, run, tmp_path):
    for words, told in (
        (["--output", "net.xyz"], "its ending says no format"),
        (["--output", "a b!.c"], "ASCII letters"),
        (["--output", "net.h", "--format", "c"], "must be called NAME.c"),
        (["--output", "net.c", "--framework", "torch"], "is for npz and safetensors"),
        (["--output", "net.npz", "--input", "float32"], "is for whole networks"),
        ([], "--output"),
    ):
        assert told in fails(2, "export", run, *words)
    assert str(tmp_path / "x") in fails(1, "export", run, "--output", tmp_path / "x" / "net.c")
    (tmp_path / "bad").write_text("no model")
    fails(4, "export", tmp_path / "bad", "--output", tmp_path / "net.c")
    fails(4, "export", tmp_path / "none", "--output", tmp_path / "net.c")


def blocks(language: str) -> list[str]:
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def desk(run, new_pictures, tmp_path_factory) -> Path:
    """A folder with what the document's examples begin with."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "runs").mkdir()
    shutil.copytree(run, folder / "runs" / "run-1")
    shutil.copy(new_pictures / "lying" / "0.png", folder / "new.png")
    return folder


@pytest.mark.parametrize("color", ["gray", "rgb"])
def test_transparent_pictures_by_the_documented_example(color, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(7)
    for name in "ab":
        Path("photos", name).mkdir(parents=True)
        for number in range(4):
            pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(f"photos/{name}/{number}.png")
    reading = nn.Preprocessing(8, 8, color, alpha_background=(200, 200, 200))
    data = nn.ImageDataset.from_folder("photos", preprocessing=reading)
    model = nn.Sequential([nn.Flatten(), nn.Dense(2)])
    model.fit(data, epochs=2, verbose=0)
    model.export("net.onnx")
    hidden = rng.integers(0, 256, (20, 13, 4), dtype=np.uint8)  # colours behind any transparency
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(hidden).save("new.png", exif=exif)
    names: dict[str, np.ndarray] = {}
    (example,) = (block for block in blocks("python") if "onnxruntime" in block)
    exec(compile(example, "export.md", "exec"), names)
    ours = model.predict_proba(["new.png"])
    assert np.abs(names["probabilities"] - ours).max() < 1e-5


def test_documented_examples(desk, call, monkeypatch, capsys):
    monkeypatch.chdir(desk)
    exports, compiles = blocks("sh")
    for line in exports.splitlines():
        words = line.partition("#")[0].split()
        assert words.pop(0) == "nncore"
        assert call(*words).code == 0
    for block in blocks("python"):
        exec(compile(block, "export.md", "exec"), {})
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "lying"
    assert "'dense/kernel'" in shown[1]
    if shutil.which("cc") is None:
        pytest.skip("no C compiler on this machine")
    (main,) = blocks("c")
    (desk / "main.c").write_text(main)
    subprocess.run(compiles.split(), check=True)
    picture = np.asarray(Image.open("new.png")).tobytes()
    said = subprocess.run(["./net"], input=picture, capture_output=True, check=True).stdout.split()
    assert said[0] == b"lying"
    model = nn.load("runs/run-1/best.safetensors")
    assert float(said[1]) == pytest.approx(model.predict("new.png")[0].probability, abs=1e-4)
