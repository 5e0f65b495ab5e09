"""Columns, arrays and generators are taken for what they hold, or refused with what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nncore as nn
from nncore.array_protocols import native

Y = np.arange(30) % 3
X = (60 * Y[:, None, None, None] + np.random.default_rng(0).integers(0, 60, (30, 5, 5, 1))).astype(
    np.uint8
)
NAMES = np.array(["cat", "dog", "owl"])[Y]


class Column:
    """What pandas, polars and others have in common."""

    def __init__(self, values: object) -> None:
        self.values = np.array(values, dtype=object)

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return self.values if dtype is None else self.values.astype(dtype)

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self):
        return iter(self.values)


def pandas_column(values: object) -> object:
    return pytest.importorskip("pandas").Series(values)


def pandas_category(values: object) -> object:
    return pytest.importorskip("pandas").Categorical(values)


WAYS = [list, tuple, np.array, Column, pandas_column, lambda v: np.array(v, object)]
every_way = pytest.mark.parametrize("way", WAYS)


def network() -> nn.Sequential:
    return nn.Sequential([nn.Flatten(), nn.Dense(3)])


@pytest.mark.parametrize(
    "way",
    [
        *WAYS,
        pandas_category,
        lambda v: np.array(v)[:, None],
        lambda v: [[one] for one in v],
        lambda v: (one for one in v),
    ],
)
def test_names_of_a_data_set(way):
    data = nn.ImageDataset.from_arrays(X, way(list(NAMES)))
    assert data.classes.names == ("cat", "dog", "owl")
    assert (data.labels == Y).all()


@pytest.mark.parametrize("way", [*WAYS, lambda v: np.array(v)[:, None]])
def test_numbers_of_a_data_set_and_of_fit(way):
    labels = way([int(y) for y in Y])
    assert (nn.ImageDataset.from_arrays(X, labels).labels == Y).all()
    model, same = network(), network()
    model.fit(X, labels, epochs=1, verbose=0)
    same.fit(X, Y, epochs=1, verbose=0)
    assert all((p == q).all() for p, q in zip(model.get_weights(), same.get_weights(), strict=True))


@every_way
def test_names_in_fit_say_how_they_are_given(way):
    with pytest.raises(TypeError, match=r"class names such as 'cat'.*from_arrays") as error:
        network().fit(X, way(list(NAMES)), verbose=0)
    assert "astype" not in str(error.value)


@every_way
def test_names_are_understood_where_the_model_knows_them(way):
    model = network()
    model.fit(nn.ImageDataset.from_arrays(X, NAMES), epochs=2, verbose=0)
    names = way(list(NAMES))
    assert model.evaluate(X, names).loss == model.evaluate(X, Y).loss
    model.fit(X, names, validation_data=(X, names), epochs=1, verbose=0)
    with pytest.raises(nn.NncoreError, match=r"does not know: .*'cow'"):
        model.evaluate(X, way(["cow"] * 30))
    with pytest.raises(ValueError, match="30 images but 2 labels"):
        model.evaluate(X, way(["cat", "dog"]))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([*NAMES[:-1], None], r"labels\[29\] is None, others are class names"),
        (np.array([*NAMES[:-1], np.nan], object), r"labels\[29\] is nan, others are class names"),
        ([*map(float, Y[:-1]), np.nan], r"labels\[29\] is missing"),
        (Y.astype(float), r"\.astype\(int\)"),
    ],
)
def test_wrong_labels_say_what_is_wrong(labels, message):
    with pytest.raises(TypeError, match=message):
        nn.ImageDataset.from_arrays(X, labels)


def test_one_hot_of_names():
    with pytest.raises(TypeError, match=r"nn\.ClassMap\.from_names") as error:
        nn.one_hot(["cat", "dog"])
    assert "astype" not in str(error.value)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    paths = [str(tmp_path / f"{number}.png") for number in range(4)]
    for path, image in zip(paths, X, strict=False):
        Image.fromarray(image[..., 0]).save(path)
    return paths


@pytest.mark.parametrize(
    "way",
    [
        *WAYS,
        lambda v: np.array(v)[:, None],
        lambda v: [Path(one) for one in v],
        lambda v: Column([Path(one) for one in v]),
        lambda v: (one for one in v),
        lambda v: map(Path, v),
        lambda v: dict.fromkeys(v).keys(),
        lambda v: (Image.open(one) for one in v),
    ],
)
def test_paths_to_predict(files, way):
    model = network()
    model.fit(X, Y, epochs=1, verbose=0)
    expected = model.predict(files)
    found = model.predict(way(files))
    assert [one.probability for one in found] == [one.probability for one in expected]
    assert (model.predict_proba(way(files)) == model.predict_proba(files)).all()


def test_arrays_to_predict_may_come_from_a_generator():
    model = network()
    model.fit(X, Y, epochs=1, verbose=0)
    assert (model.predict_proba(image for image in X) == model.predict_proba(X)).all()


@pytest.mark.parametrize(
    "way",
    [
        *WAYS,
        lambda v: (one for one in v),
        lambda v: [Image.open(one) for one in v],
        lambda v: [Image.open(v[0]), *map(Path, v[1:])],
    ],
)
def test_paths_and_pictures_to_fit_and_evaluate(files, way):
    labels = Y[:4].tolist()
    model, same = network(), network()
    model.fit(way(files), labels, validation_data=(way(files), labels), epochs=2, verbose=0)
    same.fit(X[:4], labels, validation_data=(X[:4], labels), epochs=2, verbose=0)
    assert model.to_bytes() == same.to_bytes()
    assert model.preprocessing.input_shape == (5, 5, 1)
    assert model.evaluate(way(files), labels).loss == same.evaluate(X[:4], labels).loss


def test_reports_name_the_files(files):
    model = network()
    model.fit(X, Y, epochs=1, verbose=0)
    worst = model.evaluate(files, [1, 2, 0, 0]).worst
    assert {one.path for one in worst} <= set(files)


def test_pictures_of_any_size_and_colour(tmp_path):
    rng = np.random.default_rng(0)
    pictures = [
        Image.fromarray(rng.integers(0, 256, (9, 7), np.uint8)),
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)),
        Image.fromarray(rng.integers(0, 256, (70, 70, 3), np.uint8)),
    ]
    for number, picture in enumerate(pictures):
        (tmp_path / "abc"[number]).mkdir()
        picture.save(tmp_path / "abc"[number] / "1.png")
    folder = nn.ImageDataset.from_folder(tmp_path)
    model, same = network(), network()
    model.fit(pictures, [0, 1, 2], epochs=1, verbose=0)
    same.fit(folder, epochs=1, verbose=0)
    for one, other in zip(model.get_weights(), same.get_weights(), strict=True):
        assert (one == other).all()
    assert model.preprocessing == same.preprocessing
    assert model.input_shape == (64, 64, 3)
    built = network()
    built.build((6, 5, 3))
    built.fit(pictures, [0, 1, 2], epochs=1, verbose=0)
    assert built.preprocessing.input_shape == (6, 5, 3)


def test_pictures_that_cannot_be_read_are_named(files, tmp_path):
    (tmp_path / "none.png").write_text("no picture")
    bad = [*files[:3], str(tmp_path / "none.png")]
    with pytest.raises(nn.DataError, match=r"none\.png: not an image"):
        network().fit(bad, NAMES[:4], verbose=0)
    with pytest.raises(TypeError, match=r"x\[1\] is of type int"):
        network().fit([files[0], 3], [0, 1], verbose=0)
    floats = network()
    floats.fit(X / 255, Y, epochs=1, verbose=0)
    with pytest.raises(ValueError, match="does not know how to prepare a file"):
        floats.fit(files, [0, 1, 2, 0], verbose=0)
    with pytest.raises(TypeError, match=r"0\.png.*from_csv"):
        nn.ImageDataset.from_arrays(files, [0, 1, 2, 0])
    with pytest.raises(TypeError, match="column of the paths"):
        floats.predict(np.array([files, files]))


class Shared:
    """What PyTorch, JAX and others have in common: memory that others may look at."""

    def __init__(self, array: np.ndarray, requires_grad: bool = False) -> None:
        self.array, self.requires_grad = array, requires_grad

    def __dlpack__(self, **more: object) -> object:
        assert not self.requires_grad
        return self.array.__dlpack__(**more)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()

    def detach(self) -> Shared:
        return Shared(self.array)


class OnGpu(Shared):
    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)

    def __dlpack__(self, **more: object) -> object:
        raise BufferError("cannot move from device cuda:0")


@pytest.mark.parametrize(
    "shared",
    [Shared, lambda a: Shared(a, True), lambda a: [Shared(one) for one in a] if a.ndim > 1 else a],
)
@pytest.mark.parametrize("x", [X, (X / 255).astype(np.float32), X / 255])
def test_memory_of_other_libraries(shared, x):
    model, same = network(), network()
    weights = np.arange(30) % 4 + 1.0
    y = Y.astype(np.int64)
    model.fit(
        shared(x),
        Shared(y),
        validation_data=(shared(x), Shared(y)),
        sample_weight=Shared(weights),
        epochs=2,
        verbose=0,
    )
    same.fit(x, y, validation_data=(x, y), sample_weight=weights, epochs=2, verbose=0)
    assert model.to_bytes() == same.to_bytes()
    assert model.evaluate(shared(x), Shared(y)).loss == same.evaluate(x, y).loss
    assert (model.predict_proba(shared(x)) == same.predict_proba(x)).all()
    assert model.compute_gradients(shared(x), Shared(y)) == same.compute_gradients(x, y)
    if x.dtype == np.uint8:
        data = nn.ImageDataset.from_arrays(shared(x), Shared(y))
        assert (data.images == x).all()


def test_memory_is_shared_and_not_copied():
    x = np.ascontiguousarray(X)
    assert np.shares_memory(nn.ImageDataset.from_arrays(Shared(x), Y).images, x)
    assert np.shares_memory(native(Shared(x), "x"), x)


def test_memory_that_cannot_be_read_says_where_to_bring_it():
    for call in (
        lambda: network().fit(OnGpu(X), Y),
        lambda: network().fit(X, OnGpu(Y)),
        lambda: nn.ImageDataset.from_arrays(OnGpu(X), Y),
    ):
        with pytest.raises(TypeError, match=r"OnGpu.*cuda:0\): bring it to the CPU"):
            call()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (None, "x is None, which is not understood"),
        ({"a": X}, "x is dict, which is not understood"),
        (object(), "x is object, which is not understood"),
        ([object()] * 30, "x holds object, which is not understood"),
        (X.astype(int), r"convert it with \.astype\('uint8'\)"),
    ],
)
def test_what_is_not_understood_is_one_error(x, message):
    trained = network()
    trained.fit(X, Y, epochs=1, verbose=0)
    for call in (
        lambda: network().fit(x, Y, verbose=0),
        lambda: trained.evaluate(x, Y),
        lambda: trained.predict(x),
    ):
        with pytest.raises(TypeError, match=message):
            call()


def test_images_of_several_shapes_are_named():
    with pytest.raises(ValueError, match=r"\(5, 5, 1\) and \(4, 4, 1\): all images"):
        network().fit([X[0], X[1, :4, :4]], [0, 1], verbose=0)
