"""The folders of pictures and the zero-flag recipe on them, with small stand-ins for the data."""

from __future__ import annotations

import json
from pathlib import Path

import folders
import numpy as np
import pytest
import recipes
from folders import NotInstalled, written
from recipe_outcome import Outcome

import nncore as nn


def names(place: Path) -> list[str]:
    return sorted(str(path.relative_to(place)) for path in place.rglob("*.png"))


def test_digits_become_folders_once(tmp_path: Path):
    pytest.importorskip("sklearn")
    place = written("digits", tmp_path, seed=1)
    assert place == tmp_path / "digits-1"
    train, test = (nn.ImageDataset.from_folder(place / part) for part in ("train", "test"))
    assert (len(train), len(test)) == (1437, 360)
    assert list(train.classes) == [str(digit) for digit in range(10)]
    assert train.images.max() == 255
    # A second time nothing is written; another seed draws other images.
    before = (place / ".complete").stat().st_mtime_ns
    assert written("digits", tmp_path, seed=1) == place
    assert (place / ".complete").stat().st_mtime_ns == before
    assert names(written("digits", tmp_path, seed=2) / "test") != names(place / "test")


@pytest.fixture
def photos(monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Photos of 8 x 6 cells, each cell of a colour of its own."""
    found = {}
    for place, name in enumerate(("china", "flower", "coffee", "rocket")):
        cells = np.arange(48, dtype=np.uint8).reshape(6, 8)
        photo = np.repeat(np.repeat(cells, folders.SIDE, axis=0), folders.SIDE, axis=1)
        # What is left at the edges is no whole cell.
        photo = np.pad(photo, ((0, 9), (0, 20)))
        found[name] = np.stack([photo, photo, np.full_like(photo, place)], axis=-1)
    monkeypatch.setattr(folders, "photos", lambda fewest=2: found)
    return found


def test_patches_do_not_overlap(photos, tmp_path: Path):
    cells = folders.grid(photos["china"])
    assert [cell[0, 0, 0] for cell in cells] == list(range(48))
    assert all(np.ptp(cell[..., 0]) == 0 for cell in cells)
    data = nn.ImageDataset.from_folder(written("patches", tmp_path))
    assert (data.given_split.count("train"), data.given_split.count("test")) == (4 * 36, 4 * 12)
    shown = {tuple(image[0, 0]) for image in data.images}
    assert len(shown) == len(data)  # each cell once, in one part


def test_sixty_pictures(photos, tmp_path: Path):
    data = nn.ImageDataset.from_folder(written("sixty", tmp_path))
    assert list(data.classes) == ["china", "coffee", "flower"]
    assert set(data.counts.values()) == {40}
    assert data.given_split.count("train") == 60


def test_what_is_missing_is_named():
    with pytest.raises(NotInstalled, match="no_such_module is missing: pip install no-such"):
        folders._require("no_such_module", "no-such")


def test_the_race_on_a_few_pictures(photos, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["--data", "sixty", "--seeds", "1", "--threads", "1", "--root", str(tmp_path)]
    words += ["--flags", "--epochs 2 --size 8", "--json", str(tmp_path / "out.json")]
    assert recipes.main(words) == 0
    report = json.loads((tmp_path / "out.json").read_text())
    (outcome,) = report["outcomes"]
    assert outcome["contender"] == "nncore train --epochs 2 --size 8"
    assert (outcome["data"], outcome["seed"], outcome["epochs"]) == ("sixty-0", 0, 2)
    assert 0 <= outcome["accuracy"] <= 1
    assert outcome["seconds"] > 0
    assert "sixty" in capsys.readouterr().out


def test_what_cannot_be_measured_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def missing(name: str, root: Path, seed: int) -> Path:
        raise NotInstalled("pictures are missing: pip install pictures")

    monkeypatch.setattr(recipes, "written", missing)
    assert recipes.main(["--data", "sixty", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("NOT MEASURED: sixty: pictures are missing") == 1


def test_a_training_that_fails_says_why(tmp_path: Path):
    with pytest.raises(RuntimeError, match=r"(?s)failed: .*train.*no such file or folder"):
        recipes.train(tmp_path / "none", 0, 1, [])


def test_the_summary_has_medians_over_seeds():
    outcomes = [
        Outcome("a", f"mnist-{seed}", seed, accuracy, seconds)
        for seed, (accuracy, seconds) in enumerate([(0.5, 3.0), (0.9, 1.0), (0.8, 2.0)])
    ]
    outcomes.append(Outcome("b", "fashion-mnist", 0, 0.25, 9.0))
    first, second = recipes._summary(outcomes).splitlines()[2:]
    cells = [cell.strip() for cell in first.strip("|").split("|")]
    assert cells == ["mnist", "a", "0.8000", "0.5000 0.9000 0.8000", "2.0"]
    assert second.startswith("| fashion ")
