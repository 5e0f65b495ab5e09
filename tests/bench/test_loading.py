"""The loading benchmarks, with nncore as the only contender and few pictures."""

from __future__ import annotations

import json
from pathlib import Path

import large
import pytest
from loading import DifferentImages, check_same, evict, main, measure
from pictures import PICTURES, Pictures
from readers import READERS

pytest.importorskip("sklearn")


def test_first_and_second_read_of_a_few_crops(tmp_path: Path, capsys):
    words = ["--pictures", "crops", "--contenders", "nncore", "--limit", "40", "--rounds", "1"]
    words += ["--threads", "1", "--cold", "--data", str(tmp_path), "--json"]
    assert main([*words, str(tmp_path / "out.json")]) == 0
    report = json.loads((tmp_path / "out.json").read_text())
    result = report["results"][0]
    assert result["images"] == 40
    assert result["failures"] == {}
    assert 50 < result["mean_pixel"]["nncore"] < 200
    assert all(result["seconds"]["nncore"][run]["median"] > 0 for run in ("first", "second"))
    assert "nncore, second read" in capsys.readouterr().out
    evict(tmp_path / "crops-40")


def test_contenders_that_read_other_images_are_found():
    check_same({"a": 3, "b": 3}, {"a": 100.0, "b": 101.5})
    with pytest.raises(DifferentImages, match="number of images"):
        check_same({"a": 3, "b": 2}, {"a": 100.0, "b": 100.0})
    for mean in (103.0, float("nan")):
        with pytest.raises(DifferentImages, match="means"):
            check_same({"a": 3, "b": 3}, {"b": mean, "a": 100.0})


def test_a_reader_that_fails_is_reported(tmp_path: Path):
    kind = Pictures("none", 8, "rgb", "no pictures", lambda place, limit: None)
    result = measure(kind, tmp_path / "missing", 1, ["nncore"], 1, cold=False)
    assert "no such folder" in result.failures["nncore"]
    assert "FAILED: nncore" in str(result)


def test_a_reader_that_is_not_installed_is_named():
    assert READERS["nncore"].missing() == []
    assert set(PICTURES) == {"fashion", "crops", "photos"}


def test_training_from_the_map_needs_little_memory(tmp_path: Path):
    """15 MB of pixels: held in memory twice over when in arrays, not at all when mapped."""
    large.write_pictures(tmp_path / "pictures", 5000, 32)
    runs = {}
    for name in large.STEPS:
        runs[name] = large.run(name, tmp_path, 1)
    pixels = runs["read"]["image_bytes"]
    assert pixels == 5000 * 32 * 32 * 3
    assert runs["map"]["loss"] == runs["memory"]["loss"]
    # Twice the pixels, in full; the peak is sampled, and on a busy machine a part of it is missed.
    assert runs["memory"]["peak_bytes"] - runs["map"]["peak_bytes"] > 0.5 * pixels
