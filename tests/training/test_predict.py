"""`predict` and `predict_proba`: files, folders, pictures, arrays; probabilities and labels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from nncore.data import ImageDataset
from nncore.errors import DataError
from nncore.layers import Conv2D, Dense, Flatten
from nncore.optimizers import SGD
from nncore.training.model import Sequential

NAMES = ("cat", "dog", "owl")


def pictures(n=30):
    """uint8 (n, 6, 5, 3): the class is the bright colour."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 3
    images = rng.integers(0, 100, (n, 6, 5, 3))
    images[np.arange(n), :, :, labels] += 120
    return images.astype(np.uint8), labels


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    for number, (image, label) in enumerate(zip(*pictures(), strict=True)):
        place = root / NAMES[label]
        place.mkdir(exist_ok=True)
        Image.fromarray(image).save(place / f"{number:02}.png")
    return root


@pytest.fixture(scope="module")
def model(folder):
    model = Sequential([Flatten(), Dense(3)])
    data = ImageDataset.from_folder(folder)
    model.fit(data, epochs=30, batch_size=8, optimizer=SGD(0.05), verbose=0)
    return model


def test_one_file(model, folder):
    (prediction,) = model.predict(folder / "dog" / "01.png", top_k=3)
    assert prediction.path == str(folder / "dog" / "01.png")
    assert prediction.label == "dog"
    assert prediction.index == 1
    assert prediction.probability > 0.9
    assert prediction.top[0] == ("dog", prediction.probability)
    assert {name for name, _ in prediction.top} == set(NAMES)
    assert sum(p for _, p in prediction.top) == pytest.approx(1, abs=1e-6)
    ranks = [p for _, p in prediction.top]
    assert ranks == sorted(ranks, reverse=True)


def test_every_way_to_give_images_agrees(model, folder):
    images, labels = pictures()
    files = [folder / NAMES[label] / f"{n:02}.png" for n, label in enumerate(labels)]
    expected = model.predict_proba(images)
    assert expected.dtype == np.float32
    assert expected.shape == (30, 3)
    assert expected.sum(axis=1) == pytest.approx(1)
    for given in (
        files,
        [str(file) for file in files],
        [Image.open(file) for file in files],
        ImageDataset.from_csv(write_table(folder, files, labels)),
        list(images),
    ):
        assert (model.predict_proba(given) == expected).all()
    assert [p.label for p in model.predict(files)] == [NAMES[label] for label in labels]
    assert (model.predict_proba(images[3]) == expected[3:4]).all()
    assert (model.predict_proba(Image.open(files[3])) == expected[3:4]).all()
    mixed = [files[0], Image.open(files[1]), folder / "owl", files[3]]
    owls = expected[labels == 2]
    assert (model.predict_proba(mixed) == np.vstack([expected[:2], owls, expected[3:4]])).all()
    paths = [p.path for p in model.predict(mixed)]
    assert paths[:2] == [str(files[0]), None]
    assert paths[-1] == str(files[3])


def write_table(folder, files, labels):
    table = folder.parent / "table.csv"
    rows = [f"{file},{NAMES[label]}" for file, label in zip(files, labels, strict=True)]
    table.write_text("\n".join(["path,label", *rows]))
    return table


def test_evaluate_agrees_with_predict(model, folder):
    data = ImageDataset.from_folder(folder)
    right = [p.index == label for p, label in zip(model.predict(data), data.labels, strict=True)]
    assert model.evaluate(data).accuracy == np.mean(right)


def test_larger_files_are_resized_as_in_training(model, tmp_path):
    Image.new("RGB", (50, 60), (20, 20, 220)).save(tmp_path / "big.png")
    assert model.predict(tmp_path / "big.png")[0].label == "owl"


def test_folder_skips_what_is_no_image_and_says_so(model, tmp_path):
    Image.new("RGB", (5, 6), (220, 20, 20)).save(tmp_path / "a.png")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / ".hidden.png").write_text("hello")
    predictions = model.predict(tmp_path)
    assert [p.label for p in predictions] == ["cat"]
    assert {file.path: file.reason for file in predictions.skipped} == {
        str(tmp_path / ".hidden.png"): "is hidden",
        str(tmp_path / "notes.txt"): "not an image",
    }


def test_named_file_that_is_no_image_is_an_error(model, folder, tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    for given in (text, [folder / "cat" / "00.png", text]):
        with pytest.raises(DataError, match=r"notes\.txt: not an image"):
            model.predict(given)


def test_nothing_to_predict(model, tmp_path):
    with pytest.raises(DataError, match=r"missing\.png"):
        model.predict(tmp_path / "missing.png")
    with pytest.raises(DataError, match=str(tmp_path)):
        model.predict(tmp_path)
    with pytest.raises(DataError, match="list is empty"):
        model.predict([])
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"no image to predict: .*notes\.txt: not an image"):
        model.predict(tmp_path)


@pytest.mark.parametrize(
    ("x", "kind", "message"),
    [
        (np.zeros((2, 7, 5, 3), np.uint8), ValueError, r"\(N, 6, 5, 3\).*not \(2, 7, 5, 3\)"),
        (np.zeros((6, 5), np.uint8), ValueError, r"\(N, 6, 5, 3\)"),
        (np.zeros((6, 5, 3), np.int64), TypeError, "must be uint8"),
        (np.full((6, 5, 3), np.nan, np.float32), ValueError, "NaN"),
        (None, TypeError, "x is None, which is not understood"),
        (["a.png", 3], TypeError, "holds files, folders or PIL images, not int"),
    ],
)
def test_bad_images(model, x, kind, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (5, 6)).save("a.png")
    with pytest.raises(kind, match=message):
        model.predict(x)


@pytest.mark.parametrize("top_k", [0, 4, -1])
def test_top_k_out_of_range(model, folder, top_k):
    with pytest.raises(ValueError, match=f"top_k must be from 1 to 3, not {top_k}"):
        model.predict(folder / "cat", top_k=top_k)


def test_model_of_float_arrays_cannot_read_files(folder):
    images, labels = pictures()
    model = Sequential([Flatten(), Dense(3)])
    model.fit(images / 255, labels, verbose=0, epochs=1)
    with pytest.raises(ValueError, match="does not know how to prepare a file"):
        model.predict(folder)
    assert len(model.predict(images / 255)) == 30


def test_model_of_uint8_arrays_reads_files(model, folder):
    images, labels = pictures()
    of_arrays = Sequential([Flatten(), Dense(3)])
    of_arrays.fit(images, labels, epochs=30, batch_size=8, optimizer=SGD(0.05), verbose=0)
    predictions = of_arrays.predict(folder / "owl")
    assert {p.label for p in predictions} == {"2"}


def test_gray_array_without_channel_axis():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (9, 4, 5)).astype(np.uint8)
    model = Sequential([Flatten(), Dense(3)])
    model.fit(x, np.arange(9) % 3, verbose=0, epochs=1)
    whole = model.predict_proba(x)
    assert whole.shape == (9, 3)
    for single in (x[4], x[4][..., np.newaxis]):
        assert (model.predict_proba(single) == whole[4:5]).all()


@pytest.mark.parametrize(("loss", "last"), [("mse", "linear"), ("sse", "sigmoid")])
def test_probabilities_after_squares_add_up(loss, last):
    images, labels = pictures()
    model = Sequential([Flatten(), Dense(3, last)])
    model.fit(images, labels, loss=loss, optimizer=SGD(0.005), epochs=60, verbose=0)
    probabilities = model.predict_proba(images)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert probabilities.min() >= 0
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.8


def test_softmax_is_applied_once():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 4)).astype(np.float32)
    inside = Sequential([Dense(6, "relu"), Dense(3, "softmax")])
    outside = Sequential([Dense(6, "relu"), Dense(3)])
    softmax_first = Sequential([Dense(6, "softmax"), Dense(3)])
    inside.build((4,))
    outside.build((4,))
    outside.set_weights(inside.get_weights())
    softmax_first.build((4,))
    expected = inside._built_network().forward(x)
    assert inside.predict_proba(x) == pytest.approx(expected)
    assert outside.predict_proba(x) == pytest.approx(expected, abs=1e-6)
    assert softmax_first.predict_proba(x).sum(axis=1) == pytest.approx(1)


def test_prediction_in_blocks_gives_the_same(model):
    images, _ = pictures()
    many = np.concatenate([images] * 140)
    assert len(many) > 4096
    assert (model.predict_proba(many)[-30:] == model.predict_proba(images)).all()


@pytest.mark.parametrize("last", [None, "softmax"])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_arrays_that_suit_the_engine_take_a_shorter_way_to_the_same_bits(last, dtype):
    model = Sequential([Conv2D(3, 3, activation="relu"), Flatten(), Dense(4, last)])
    model.build((6, 5))
    x = np.random.default_rng(0).integers(0, 256, (70, 6, 5, 1)).astype(dtype)
    # A view that is not contiguous, and one image at a time.
    long_way = model.predict_proba(np.repeat(x, 2, axis=0)[::2])
    assert np.array_equal(model.predict_proba(x), long_way)
    assert np.array_equal(model.predict_proba(x[..., 0]), long_way)
    assert np.array_equal(np.concatenate([model.predict_proba(one[None]) for one in x]), long_way)
    assert np.allclose(long_way.sum(axis=1), 1, atol=1e-6)


def test_the_shorter_way_refuses_what_the_longer_one_refuses():
    model = Sequential([Dense(3)])
    model.build((4,))
    with pytest.raises(DataError, match=r"x\[1\]"):
        model.predict_proba(np.array([[1, 2, 3, 4], [0, np.inf, 0, 0]], np.float32))
    with pytest.raises(ValueError, match=r"\(N, 4\)"):
        model.predict_proba(np.zeros((2, 5), np.float32))
    with pytest.raises(DataError, match="no image"):
        model.predict_proba(np.zeros((0, 4), np.float32))
    model.set_weights([np.full((4, 3), 3e38, np.float32), np.zeros(3, np.float32)])
    with pytest.raises(ValueError, match="not finite"):
        model.predict_proba(np.ones((1, 4), np.float32))
