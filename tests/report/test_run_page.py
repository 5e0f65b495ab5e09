"""The page of a run: all that is known is on it, and nothing that is named in it acts."""

from __future__ import annotations

import json
import re
import shutil

import pytest

import nncore as nn
from nncore.errors import DataError
from nncore.report.kept import read_kept
from nncore.report.run_page import write_page
from nncore.report.words import shown
from pages import HOSTILE_CLASSES, call, read, write_pictures


def test_hostile_names_are_on_the_page_as_words(hostile_run):
    found = read(hostile_run / "report.html")
    for name in HOSTILE_CLASSES:
        assert shown(name) in found.words
    assert "\\xff\\n.png" in found.words
    assert "broken <i>.png" in found.words
    assert "49" not in re.findall(r"and (\d+)", found.words)
    raw = (hostile_run / "report.html").read_text(encoding="utf-8")
    assert "\u202e" not in raw


def test_all_that_is_known_is_told(hostile_run):
    kept = read_kept(hostile_run)
    words = " ".join(read(hostile_run / "report.html").words.split())
    report, made = kept.report, kept.provenance
    assert f"{report.accuracy:.2%}" in words
    assert kept.outline is not None
    assert kept.outline.weights_digest is not None
    for told in (
        kept.outline.weights_digest,
        shown(made.command),
        "flatten (Flatten)",
        "1 broken",
        made.split,
        f"of {len(kept.history or [])}",
        "training ",
        "95% interval",
        "No image was put into a wrong class." if report.accuracy == 1 else "Most often mistaken",
        *(["training", "validation", "test"]),
    ):
        assert told in words, told
    assert made.notes
    assert shown(made.notes[0]) in words


def test_the_numbers_are_those_of_the_report(hostile_run):
    report = read_kept(hostile_run).report
    page = read(hostile_run / "report.html")
    shown_pictures = len(report.worst) + len(report.uncertain) + len(report.typical)
    assert (
        len([one for one in page.all("img") if one["alt"].startswith("picture")]) == shown_pictures
    )
    classes = [attributes.get("class") for attributes in page.all("td")]
    k = len(report.classes)
    assert len([c for c in classes if c and c.startswith("shade-")]) == k * k


def test_the_verb_makes_the_same_page(hostile_run, tmp_path):
    before = (hostile_run / "report.html").read_bytes()
    told = json.loads(call("report", hostile_run, "--output", tmp_path / "r.html", "--json"))
    assert (tmp_path / "r.html").read_bytes() == before
    assert told["report"] == str(tmp_path / "r.html")
    assert told["runs"][0]["accuracy"] == read_kept(hostile_run).report.accuracy
    assert (hostile_run / "report.html").read_bytes() == before


def test_pictures_that_have_gone_are_told(hostile_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(hostile_run, run)
    for name in ("report.json", "provenance.json"):
        text = (run / name).read_text().replace("hostile", "elsewhere")
        (run / name).write_text(text)
    write_page(run)
    page = read(run / "report.html")
    report = read_kept(run).report
    named = [*report.worst, *report.uncertain, *report.typical]
    missing = len({one.index for one in named})
    assert f"{missing} of the pictures cannot be shown" in page.words
    assert page.words.count("not found") == len(named)
    assert page.all("img") == []


def test_a_run_of_an_older_version_has_a_page(hostile_run, tmp_path):
    run = tmp_path / "old"
    run.mkdir()
    data = json.loads((hostile_run / "report.json").read_text())
    for key in ("uncertain", "typical", "reliability", "reliability_before"):
        del data[key]
    (run / "report.json").write_text(json.dumps(data))
    write_page(run)
    words = read(run / "report.html").words
    assert "older version" in words
    assert "best.safetensors" in words
    assert "Calibration error" not in words


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("report.json", "[", "report.json"),
        ("report.json", '{"classes": ["a"]}', "report.json"),
        ("provenance.json", "[]", "provenance.json"),
        ("provenance.json", '{"seconds": 5}', "seconds"),
        ("provenance.json", '{"seconds": {"a": 1' + 400 * "0" + "}}", "seconds"),
        ("provenance.json", '{"notes": [5]}', "notes"),
        ("provenance.json", '{"calibration": {"temperature": 1}}', "calibration"),
        ("provenance.json", '{"skipped_first": [["a"]]}', "skipped_first"),
        ("provenance.json", '{"preprocessing": {"height": "x"}}', "preprocessing"),
        ("history.csv", "epoch\n", "history"),
    ],
)
def test_damaged_files_are_named(hostile_run, tmp_path, name, text, told):
    run = tmp_path / "run"
    shutil.copytree(hostile_run, run)
    (run / name).write_text(text)
    with pytest.raises(DataError, match=told):
        write_page(run)


def test_what_is_no_run_is_said(tmp_path):
    with pytest.raises(DataError, match=r"holds no report\.json"):
        write_page(tmp_path)
    with pytest.raises(DataError, match="is no folder"):
        write_page(tmp_path / "nothing")
    (tmp_path / "net.onnx").touch()
    with pytest.raises(DataError, match=r"net\.onnx: is no folder"):
        write_page(tmp_path / "net.onnx")


def test_a_file_of_a_run_is_sent_to_its_run(hostile_run):
    with pytest.raises(DataError, match=r"is a file of the run .*; give that folder"):
        write_page(hostile_run / "history.csv")


def test_a_damaged_model_is_told_on_the_page(hostile_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(hostile_run, run)
    (run / "best.safetensors").write_bytes(b"no model")
    write_page(run)
    assert "best.safetensors" in read(run / "report.html").words


def test_an_evaluation_has_a_page(hostile_run, hostile_pictures, tmp_path):
    out = tmp_path / "evaluation"
    call("evaluate", hostile_run, hostile_pictures, "--output", out)
    page = read(out / "report.html")
    words = " ".join(page.words.split())
    assert "An evaluation on" in words
    assert "nncore evaluate" in words
    assert str(hostile_run / "best.safetensors") in words
    assert page.all("img")
    before = (out / "report.html").read_bytes()
    write_page(out)
    assert (out / "report.html").read_bytes() == before


def test_a_model_trained_on_arrays_has_a_page(tmp_path):
    import numpy as np

    from nncore.training.run_directory import RunDirectory

    rng = np.random.default_rng(0)
    x, y = rng.random((30, 4)).astype(np.float32), np.arange(30) % 3
    model = nn.Sequential([nn.Dense(3)])
    model.fit(x, y, epochs=1, verbose=0)
    run = RunDirectory.create(tmp_path, "arrays")
    model.save(run.file("best.safetensors"))
    run.write_report(model.evaluate(x, y))
    write_page(run.path)
    words = read(run.path / "report.html").words
    assert "cannot be shown" in words


def test_of_many_files_that_were_left_out_some_are_named(hostile_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(hostile_run, run)
    made = json.loads((run / "provenance.json").read_text())
    made["skipped_kinds"] = {"broken": 100, "foreign": 20}
    made["skipped_first"] = [[f"no picture {at}.txt", "foreign", "<b>not"] for at in range(60)]
    made["notes"] = [f"note {at}" for at in range(30)]
    (run / "provenance.json").write_text(json.dumps(made))
    write_page(run)
    words = " ".join(read(run / "report.html").words.split())
    assert "100 broken, 20 foreign" in words
    assert "50 of 120 files; skipped.csv has all" in words
    assert "no picture 49.txt" in words
    assert "no picture 50.txt" not in words
    assert "and 10 more" in words


def test_sets_and_pictures_of_no_class_are_measured(tmp_path):
    write_pictures(tmp_path / "data", ("a", "b", "c", "of three"), 150)
    shutil.rmtree(tmp_path / "data" / "of three")
    words = ("--model", "mlp", "--epochs", "3", "--test", "0.3", "--quiet")
    call("train", tmp_path / "data", "--output", tmp_path, "--name", "run", *words)
    report = read_kept(tmp_path / "run").report
    told = read(tmp_path / "run" / "report.html").words.replace(" ", "")
    assert report.unknown is not None
    assert f"Calledunknownhere{report.unknown.images}of{report.images}" in told
    assert [one.coverage for one in report.sets] == [0.9, 0.95]
    for one in report.sets:
        row = f"{one.coverage:g}{one.measured:.1%}{one.mean_size:.2f}{one.single:.1%}"
        assert row in told
    assert "bycoveringpartsofthepicture" in told


def test_a_reliability_of_few_images_is_not_drawn(hostile_run, tmp_path):
    report = read_kept(hostile_run).report
    words = read(hostile_run / "report.html").words
    many = sum(report.reliability.images) >= 50
    assert ("Calibration error" in words) == many
    assert ("too few to say how often" in words) != many
    run = tmp_path / "other"
    shutil.copytree(hostile_run, run)
    data = json.loads((run / "report.json").read_text())
    for key in ("reliability", "reliability_before"):
        images = data[key]["images"]
        data[key]["images"] = [0 if many else 50 * n for n in images[:-1]] + [49 if many else 50]
    (run / "report.json").write_text(json.dumps(data))
    write_page(run)
    words = read(run / "report.html").words
    assert ("Calibration error" in words) != many
    assert ("too few to say how often" in words) == many
