"""A model trained and asked by a team that holds the images together is that of one process."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn
from nncore.data import ImageDataset, Preprocessing
from nncore.data.digests import pixel_digest
from nncore.data.spread import Holdings, SpreadImages, first_alone
from nncore.training.images import batches
from teams import in_team

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (70, 8, 8, 1), np.uint8)
LABELS = (np.arange(70) % 3).astype(np.int32)


def spread(member) -> SpreadImages:
    """`IMAGES`, of which each member holds every third or so, the last one none."""
    owner = (np.arange(len(IMAGES)) * 7 % max(1, member.size - 1)).astype(np.int32)
    place = np.zeros(len(IMAGES), np.int64)
    for rank in range(member.size):
        mine = owner == rank
        place[mine] = np.arange(mine.sum())
    digests = [pixel_digest(image) for image in IMAGES]
    holdings = Holdings(member, IMAGES[owner == member.rank], owner, place, digests)
    return SpreadImages(holdings, np.arange(len(IMAGES), dtype=np.int32))


def data_of(images) -> ImageDataset:
    return ImageDataset(
        images, LABELS, nn.ClassMap(("a", "b", "c")), Preprocessing(8, 8, "gray"), [""] * 70
    )


def trained(data: ImageDataset, fixed: bool = False):
    layers = [nn.Conv2D(4, 3, activation="relu"), nn.Flatten(), nn.Dense(8), nn.Dense(3)]
    if fixed:
        layers[0] = nn.Conv2D(4, 3, activation="relu", trainable=False)
    model = nn.Sequential(layers)
    train, rest = data.subset(np.arange(70) < 55), data.subset(np.arange(70) >= 55)
    augmentation = None if fixed else nn.Augmentation(shift=0.1)
    model.fit(
        train,
        validation_data=rest,
        epochs=2,
        batch_size=16,
        verbose=0,
        augmentation=augmentation,
    )
    report = model.evaluate(rest)
    return (
        [weights.tobytes() for weights in model.get_weights()],
        model.history.history["loss"],
        model.history.history["val_loss"],
        report.to_dict(),
        [one.to_dict() for one in model.predict(rest)],
        model.predict_proba(rest).tobytes(),
    )


@pytest.mark.parametrize("fixed", [False, True])
def test_training_and_answers_are_those_of_one_process(fixed, monkeypatch):
    monkeypatch.setattr(batches, "_AHEAD_BYTES", 2 * 16 * 64)  # two steps at a time
    alone = trained(data_of(IMAGES), fixed)
    assert in_team(3, lambda member: trained(data_of(spread(member)), fixed)) == [alone] * 3


def test_pixels_are_read_as_from_an_array():
    def read(member):
        images = spread(member)
        assert images.shape == IMAGES.shape
        chosen = images.take(np.array([5, 3, 69]))
        return [
            images[:].tolist(),
            images[7].tolist(),
            images[2:9, 1].tolist(),
            images[[8, 1]].tolist(),
            np.asarray(chosen).tolist(),
            chosen[1].tolist(),
            images[..., 0].tolist(),
        ]

    expected = [
        IMAGES.tolist(),
        IMAGES[7].tolist(),
        IMAGES[2:9, 1].tolist(),
        IMAGES[[8, 1]].tolist(),
        IMAGES[[5, 3, 69]].tolist(),
        IMAGES[3].tolist(),
        IMAGES[..., 0].tolist(),
    ]
    assert in_team(3, read) == [expected] * 3


def test_the_first_one_alone_may_read_what_others_hold():
    def work(member):
        images = spread(member)
        done = []

        def drawn():
            done.append(member.rank)
            return images[[1, 2]].sum() + int(images[40].sum())

        return first_alone(images, drawn), done

    total = IMAGES[[1, 2]].sum() + int(IMAGES[40].sum())
    assert in_team(3, work) == [(total, [0]), (total, []), (total, [])]


def test_what_fails_in_the_first_one_is_raised_in_all():
    def work(member):
        images = spread(member)

        def broken():
            raise ValueError(f"the sum is {images[3].sum()}")

        with pytest.raises(ValueError, match="the sum is"):
            first_alone(images, broken)
        return images[:].tobytes() == IMAGES.tobytes()

    assert in_team(3, work) == [True] * 3
