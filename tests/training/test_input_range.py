"""Values that contradict what a model knows are said once; those in order are met with silence."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable

import numpy as np
import pytest

import nncore as nn
from nncore.data.normalization import with_normalization

Y = np.arange(60) % 3
BYTES = np.clip(
    70 * Y[:, None, None, None] + 50 + np.random.default_rng(0).integers(-40, 41, (60, 6, 6, 1)),
    0,
    255,
).astype(np.uint8)
FLOATS = BYTES.astype(np.float32)
UNIT = FLOATS / np.float32(255)
STANDARD = (FLOATS - FLOATS.mean()) / FLOATS.std()
SIGNED = UNIT * 2 - 1


def said(call: Callable[[], object]) -> list[str]:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        call()
    return [str(one.message) for one in seen]


def network(*first: nn.layers.Layer) -> nn.Sequential:
    return nn.Sequential([*first, nn.Flatten(), nn.Dense(3)])


def fit(data: object, *first: nn.layers.Layer, y: object = Y, **more: object) -> nn.Sequential:
    model = network(*first)
    optimizer = nn.SGD(1e-7)  # as small as 0 to 65535 needs
    model.fit(data, y, epochs=1, verbose=0, optimizer=optimizer, **more)
    return model


def uses(model: nn.Sequential, x: np.ndarray) -> list[Callable[[], object]]:
    return [
        lambda: model.evaluate(x, Y),
        lambda: model.predict(x),
        lambda: model.predict_proba(x),
        lambda: model.predict_proba(list(x)),
        lambda: model.fit(x, Y, epochs=1, verbose=0, optimizer=nn.SGD(1e-9)),
        lambda: model.fit(
            TRAINED[id(model)],
            Y,
            validation_data=(x, Y),
            epochs=1,
            verbose=0,
            optimizer=nn.SGD(1e-9),
        ),
    ]


TRAINED: dict[int, np.ndarray] = {}


def trained(data: np.ndarray) -> nn.Sequential:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = fit(data)
    TRAINED[id(model)] = data
    return model


@pytest.mark.parametrize(
    ("known", "given", "words"),
    [
        (BYTES, FLOATS, "floats from 1[0-9] to 23[0-9], but .* bytes .*divide by 255"),
        (BYTES, FLOATS.astype(np.float64), "divide by 255"),
        (BYTES, FLOATS * 257, "trained on bytes"),
        (BYTES, FLOATS - 128, "range of floats is 0 to 1"),
        (UNIT, FLOATS, "trained on floats from 0.0"),
        (STANDARD, FLOATS, "trained on floats from -1"),
        (STANDARD, BYTES, "uint8, which the network scales to the range 0 to 1"),
        (SIGNED, BYTES, "uint8, which the network scales to the range 0 to 1"),
        (FLOATS, UNIT, "bring them to the same range"),
        (FLOATS, BYTES, "uint8, which the network scales"),
    ],
)
def test_a_contradiction_is_said_once_per_call(known, given, words):
    for call in uses(trained(known), given):
        (only,) = said(call)
        assert re.search(words, only), only


@pytest.mark.parametrize(
    ("known", "given"),
    [
        (BYTES, BYTES),
        (BYTES, UNIT),
        (BYTES, BYTES * 0),
        (BYTES, UNIT * 0),
        (UNIT, UNIT),
        (UNIT, BYTES),
        (UNIT, UNIT * 1.2),
        (STANDARD, STANDARD),
        (STANDARD, STANDARD * 1.5),
        (STANDARD, STANDARD.astype(np.float16)),
        (SIGNED, SIGNED),
        (FLOATS, FLOATS),
        (FLOATS, FLOATS * 0),
        (FLOATS, np.minimum(FLOATS, 1)),  # whole numbers: dark, and not scaled
    ],
)
def test_what_is_in_order_is_met_with_silence(known, given):
    for call in uses(trained(known), given):
        assert said(call) == []


@pytest.mark.parametrize(
    ("data", "first", "words"),
    [
        (FLOATS, [], "range such as 0 to 1: give uint8"),
        (FLOATS * 257, [], "scale them"),
        (FLOATS - 128, [], "scale them"),
        (FLOATS.reshape(60, -1), [], "divide by 255"),
        (BYTES, [nn.Rescaling(1 / 255)], "Rescaling scales that once more"),
        (BYTES, [nn.Rescaling(1 / 127.5, -1)], "Rescaling scales that once more"),
        ((BYTES > 128).astype(np.uint8), [], "nothing but 0 and 1"),
    ],
)
def test_what_can_hardly_be_trained_on_is_said(data, first, words):
    (only,) = said(lambda: fit(data, *first))
    assert words in only


@pytest.mark.parametrize(
    ("data", "first"),
    [
        (FLOATS, [nn.Rescaling(1 / 255)]),
        (FLOATS, [nn.BatchNormalization()]),
        (FLOATS.reshape(60, -1), [nn.LayerNormalization()]),
        (BYTES, []),
        (BYTES, [nn.Rescaling(2.0, -1.0)]),
        (FLOATS / 16, []),
        (STANDARD * 5, []),
        (BYTES * 0, []),
    ],
)
def test_what_can_be_trained_on_is_met_with_silence(data, first):
    assert said(lambda: fit(data, *first)) == []


def test_bytes_are_standardised_by_the_network_and_floats_are_not():
    data = with_normalization(nn.ImageDataset.from_arrays(BYTES, Y))
    model = network()
    model.fit(data, epochs=1, verbose=0)
    assert said(lambda: model.predict_proba(BYTES)) == []
    assert said(lambda: model.predict_proba(STANDARD)) == []
    for x in (UNIT, FLOATS):
        (only,) = said(lambda x=x: model.predict_proba(x))
        assert "range" in only


@pytest.mark.parametrize(("known", "given"), [(BYTES, FLOATS), (STANDARD, BYTES), (UNIT, FLOATS)])
def test_a_file_keeps_what_a_model_was_trained_on(tmp_path, known, given):
    trained(known).save(tmp_path / "a.safetensors")
    model = nn.load(tmp_path / "a.safetensors")
    assert said(lambda: model.predict_proba(known)) == []
    assert len(said(lambda: model.predict_proba(given))) == 1


def test_a_model_that_is_built_anew_knows_nothing():
    model = trained(STANDARD)
    model.build((6, 6, 1))
    assert said(lambda: model.predict_proba(BYTES)) == []


def test_integers_say_what_to_convert_them_to():
    with pytest.raises(TypeError, match=r"astype\('uint8'\)"):
        network().fit(BYTES.astype(np.int64), Y, verbose=0)
    with pytest.raises(TypeError, match="scaled to the range 0 to 1"):
        network().fit(BYTES.astype(np.int64) * 257, Y, verbose=0)


@pytest.mark.parametrize("trained", ["bytes", "floats"])
def test_a_range_around_zero_is_another_one(trained):
    """-1 to 1, as many recipes scale, for a network that was trained on 0 to 1."""
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (40, 6, 6), dtype=np.uint8)
    x = pixels if trained == "bytes" else (pixels / np.float32(255)).astype(np.float32)
    model = nn.Sequential([nn.Flatten(), nn.Dense(2)])
    model.fit(x, np.arange(40) % 2, epochs=1, verbose=0)
    unit = (pixels / 255).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict_proba(unit)
        model.predict_proba(unit - np.float32(0.1))  # a filter's overshoot
    for around_zero in (2 * unit - 1, unit - np.float32(0.5)):
        for look in (model.predict_proba, lambda x: model.evaluate(x, np.arange(40) % 2)):
            with pytest.warns(UserWarning, match="x holds floats from -"):
                look(around_zero)


def test_floats_that_are_not_finite_are_an_error_and_no_range():
    model = nn.Sequential([nn.Flatten(), nn.Dense(2)])
    x = np.random.default_rng(2).random((20, 4, 4)).astype(np.float32)
    model.fit(x, np.arange(20) % 2, epochs=1, verbose=0)
    for bad in (np.nan, np.inf, -np.inf):
        x[3, 1, 1] = bad
        with pytest.raises(ValueError, match=r"finite|NaN|inf"):
            model.predict_proba(x)


@pytest.mark.parametrize("shape", [(30, 3, 12, 12), (30, 1, 9, 16)])
def test_channels_that_come_first_are_told(shape):
    x, y = np.random.default_rng(0).random(shape).astype(np.float32), np.arange(30) % 2

    def model(*first):
        return nn.Sequential([*first, nn.Flatten(), nn.Dense(2)])

    with pytest.warns(UserWarning, match=r"move it last by x\.transpose\(0, 2, 3, 1\)"):
        model(nn.Conv2D(2, 1)).fit(x, y, epochs=1, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model().fit(x, y, epochs=1, verbose=0)
        model(nn.Conv2D(2, 1)).fit(x.transpose(0, 2, 3, 1), y, epochs=1, verbose=0)
        model(nn.Conv2D(2, 1)).fit(x[:, :, :4, :], y, epochs=1, verbose=0)
