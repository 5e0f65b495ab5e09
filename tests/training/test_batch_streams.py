"""Batches that come one by one, from generators, lists and what other libraries load by."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import pytest

import nncore as nn
from nncore import _core
from small_fits import blobs, weights

X, Y = blobs(60)
BATCH = 8
STEPS = 8  # of 60 images, the last with 4


def network(*more: nn.layers.Layer) -> nn.Sequential:
    return nn.Sequential([nn.Flatten(), *more, nn.Dense(8, "relu"), nn.Dense(3)])


def shuffled(epochs: int, seed: int = 0, *more: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """The batches of the very order that `fit` has of arrays."""
    for epoch in range(epochs):
        order = _core.shuffled_indices(seed, epoch, len(X))
        for start in range(0, len(X), BATCH):
            rows = order[start : start + BATCH]
            yield (X[rows], Y[rows], *(array[rows] for array in more))


def in_order(times: int = 1) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(X[i : i + BATCH], Y[i : i + BATCH]) for i in range(0, len(X), BATCH)] * times


class Loader:
    """As PyTorch's DataLoader: goes through the same batches each time it is asked, as lists."""

    def __init__(self, batches: list[tuple[np.ndarray, np.ndarray]]) -> None:
        self.batches, self.times = batches, 0

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        self.times += 1
        return map(list, self.batches)


SETTINGS = [
    {},
    {"loss": "mse"},
    {"loss": "sse", "optimizer": nn.SGD(1e-3)},
    {"optimizer": nn.Adam(nn.OneCycle(0.01))},
    {"optimizer": nn.SGD(0.05, momentum=0.9, use_ema=True), "label_smoothing": 0.1},
    {"class_weight": {0: 3.0}},
    {"seed": 5},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_same_order_gives_the_same_bits_as_arrays(settings):
    arrays, stream = network(), network()
    shared = {"epochs": 3, "verbose": 0, "validation_data": (X, Y)} | settings
    one = arrays.fit(X, Y, batch_size=BATCH, **shared)
    batches = shuffled(3, settings.get("seed", 0))
    other = stream.fit(batches, steps_per_epoch=STEPS, **shared)
    assert weights(stream) == weights(arrays)
    assert other.history == one.history
    assert other.iteration_loss == one.iteration_loss
    assert other.iterations_per_epoch == STEPS
    assert (stream.facts.batch_size, stream.facts.epochs) == (BATCH, 3)
    # What the optimizer remembers goes on, from one to the other.
    arrays.fit(X, Y, epochs=1, batch_size=BATCH, verbose=0, optimizer=arrays.optimizer)
    stream.fit(X, Y, epochs=1, batch_size=BATCH, verbose=0, optimizer=stream.optimizer)
    assert weights(stream) == weights(arrays)


def test_weights_of_images_are_the_third_part():
    own = np.arange(60) % 4 + 1.0
    arrays, stream = network(), network()
    arrays.fit(X, Y, batch_size=BATCH, epochs=2, verbose=0, sample_weight=own)
    history = stream.fit(shuffled(2, 0, own), steps_per_epoch=STEPS, epochs=2, verbose=0)
    assert weights(stream) == weights(arrays)
    assert history.weighted


@pytest.mark.parametrize("kind", [list, tuple, Loader])
def test_what_has_a_length_is_gone_through_in_each_epoch(kind):
    source = kind(in_order())
    model, same = network(), network()
    history = model.fit(source, epochs=3, verbose=0)
    same.fit(iter(in_order(3)), epochs=3, steps_per_epoch=STEPS, verbose=0)
    assert weights(model) == weights(same)
    assert len(history) == 3
    if isinstance(source, Loader):
        assert source.times == 3
    part = network().fit(source, epochs=5, steps_per_epoch=3, verbose=0)  # 15 of 8: begun anew
    assert part.iterations_per_epoch == 3


def test_no_two_batches_have_the_same_dropout():
    def losses(dropped: bool) -> list[float]:
        model = network(nn.Dropout(0.5)) if dropped else network()
        batch = [(X[:BATCH], Y[:BATCH])] * 6
        frozen = nn.SGD(1e-30)
        return model.fit(batch, epochs=2, verbose=0, optimizer=frozen).iteration_loss

    assert len(set(losses(False))) == 1
    assert len(set(losses(True))) == 12
    assert losses(True) == losses(True)


def test_images_are_augmented_and_read_as_elsewhere(tmp_path):
    from PIL import Image

    files = [str(tmp_path / f"{number}.png") for number in range(16)]
    for file, image in zip(files, X, strict=False):
        Image.fromarray(image).save(file)
    paths, pixels = network(), network()
    paths.fit(
        ((files[i : i + 8], Y[i : i + 8]) for i in (0, 8)), steps_per_epoch=2, epochs=1, verbose=0
    )
    pixels.fit([(X[:8], Y[:8]), (X[8:16], Y[8:16])], epochs=1, verbose=0)
    assert weights(paths) == weights(pixels)
    changed = network()
    shift = nn.Augmentation(shift=0.3)
    changed.fit([(X[:8], Y[:8]), (X[8:16], Y[8:16])], epochs=1, verbose=0, augmentation=shift)
    assert weights(changed) != weights(pixels)


def test_validation_and_evaluation_by_batches():
    model, same = network(), network()
    batches = [(X[:7], Y[:7]), (X[7:60], Y[7:60])]
    one = model.fit(X, Y, epochs=2, verbose=0, validation_data=batches)
    other = same.fit(X, Y, epochs=2, verbose=0, validation_data=(X, Y))
    assert one.history == other.history
    endless = ((X[:30], Y[:30]) for _ in iter(int, 1))
    three = model.fit(X, Y, epochs=1, verbose=0, validation_data=endless, validation_steps=2)
    assert three.history["val_loss"] == [model.evaluate(X[:30], Y[:30]).loss]
    whole = model.evaluate(X, Y)
    for parts in (batches, Loader(batches)):
        report = model.evaluate(parts)
        assert (report.loss, report.accuracy) == (whole.loss, whole.accuracy)
    report = model.evaluate(iter(batches), steps=1)
    assert report.loss == model.evaluate(X[:7], Y[:7]).loss


def test_prediction_by_batches():
    model = network()
    model.fit(X, Y, epochs=1, verbose=0)
    expected = model.predict_proba(X)
    for batches in (
        (x for x, _ in in_order()),
        [x for x, _ in in_order()],
        [x[..., None] for x, _ in in_order()],
        in_order(),
        Loader(in_order()),
    ):
        assert (model.predict_proba(batches) == expected).all()


def test_frozen_layers_and_callbacks_work_as_ever():
    model = network()
    model.build((4, 4))
    model.train_from("dense_1")
    before = model.layers[1].kernel
    seen = []
    stop = nn.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["loss"]))
    early = nn.EarlyStopping("loss", min_delta=10.0)
    history = model.fit(Loader(in_order()), epochs=9, verbose=0, callbacks=[stop, early])
    assert (model.layers[1].kernel == before).all()
    assert seen == history.history["loss"]
    assert len(history) == 2


def test_an_epoch_of_a_stream_is_not_taken_up():
    """Nobody can give its batches again: the next `fit` begins an epoch of its own."""

    def stopping() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield from in_order()[:3]
        raise KeyboardInterrupt

    model = network()
    model.fit(stopping(), steps_per_epoch=STEPS, epochs=2, verbose=0)
    assert model.interrupted
    twin = copy.deepcopy(model)
    history = model.fit(in_order(), epochs=1, verbose=0)
    assert len(history.iteration_loss) == STEPS
    # Nor by arrays that look like its first batch.
    assert len(twin.fit(X[:BATCH], Y[:BATCH], batch_size=BATCH, epochs=1, verbose=0)) == 1
    assert len(twin.history.iteration_loss) == 1


@pytest.mark.parametrize("loss", ["cross_entropy", "sse"])
def test_batches_of_any_size_count_by_their_images(loss):
    sizes = [7, 20, 1, 30, 2, 5]
    batches = [(X[:size], Y[:size]) for size in sizes]
    frozen = nn.SGD(1e-30)
    model = network()
    history = model.fit(
        iter(batches), steps_per_epoch=3, epochs=2, verbose=0, optimizer=frozen, loss=loss
    )
    for epoch, part in enumerate((slice(0, 3), slice(3, 6))):
        images = np.concatenate([batch[0] for batch in batches[part]])
        labels = np.concatenate([batch[1] for batch in batches[part]])
        report = model.evaluate(images, labels)
        assert history.history["loss"][epoch] == pytest.approx(report.loss, rel=1e-6)
        assert history.history["accuracy"][epoch] == pytest.approx(report.accuracy)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"x": iter(in_order())}, ValueError, "say with steps_per_epoch how many"),
        ({"x": iter(in_order()), "steps_per_epoch": 0}, ValueError, "steps_per_epoch must be"),
        ({"x": iter(in_order()), "steps_per_epoch": 9}, nn.DataError, "ended after 8 batches"),
        ({"x": Loader([])}, nn.DataError, "x has no batch"),
        ({"x": iter([X]), "steps_per_epoch": 1}, TypeError, "batch 1 of x is a ndarray, not"),
        ({"x": iter([(X,)]), "steps_per_epoch": 1}, TypeError, "tuple of length 1, not"),
        ({"x": X, "y": Y, "steps_per_epoch": 3}, ValueError, "steps_per_epoch is for iterators"),
        ({"x": X, "y": Y, "validation_steps": 3}, ValueError, "leave it out"),
        ({"x": in_order(), "sample_weight": np.ones(60)}, ValueError, "third part"),
        ({"x": in_order(), "class_weight": "balanced"}, ValueError, "as a mapping"),
        ({"x": X, "y": Y, "validation_data": iter(in_order())}, ValueError, "validation_steps"),
        ({"x": [*in_order(), (X[:, :3], Y)]}, ValueError, r"\(N, 4, 4, 1\)"),
        ({"x": [*in_order(), (X, Y[:3])]}, ValueError, "60 images but 3 labels"),
        ({"x": X}, TypeError, "labels y are missing"),
    ],
)
def test_what_cannot_be_is_named(arguments, kind, message):
    if "validation_steps" in arguments:
        arguments = {**arguments, "validation_data": (X, Y)}
    with pytest.raises(kind, match=message):
        network().fit(**arguments, verbose=0)


def test_where_all_images_are_needed_batches_are_refused():
    with pytest.raises(TypeError, match="batches will not do here"):
        nn.lr_find(network(), in_order())
