"""Columns, arrays and generators are taken for what they hold, or refused with what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nncore as nn

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
    with pytest.raises(TypeError, match="class map") as error:
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


def test_paths_where_pixels_belong_say_how_files_are_read(files):
    model = network()
    model.fit(X, Y, epochs=1, verbose=0)
    for call in (
        lambda: model.fit(files, [0, 1, 2, 0], verbose=0),
        lambda: model.evaluate(Column(files), [0, 1, 2, 0]),
        lambda: nn.ImageDataset.from_arrays(files, [0, 1, 2, 0]),
    ):
        with pytest.raises(TypeError, match=r"0\.png.*from_csv") as error:
            call()
        assert "astype" not in str(error.value)
    with pytest.raises(TypeError, match="column of the paths"):
        model.predict(np.array([files, files]))
