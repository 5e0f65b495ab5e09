"""Works: shapes, operations per step, data, weights."""

from __future__ import annotations

import numpy as np
import pytest
from works import WORKS, Conv, Dense, Flatten, Pool, Work, make_data, make_weights


def test_flops_of_a_step_by_hand():
    # 9x9x2, 9x9x4, pooled to 4x4x4 (the odd row is dropped), 3x3x5, 45, 10.
    work = Work(
        "by hand",
        (9, 9, 2),
        (Conv(4, 3, "same"), Pool(), Conv(5, 2), Flatten(), Dense(10, relu=False)),
        batch=3,
        images=6,
        check_epochs=1,
        learning_rate=0.1,
    )
    shapes = [facts.output_shape for facts in work.facts()]
    assert shapes == [(9, 9, 4), (4, 4, 4), (3, 3, 5), (45,), (10,)]
    first = 9 * 9 * (3 * 3 * 2) * 4
    second = 3 * 3 * (2 * 2 * 4) * 5
    last = 45 * 10
    # No input gradient in the first layer.
    assert work.step_flops() == 3 * (4 * first + 6 * (second + last))
    assert work.limit_seconds(1e-9 * work.step_flops()) == 1


@pytest.mark.parametrize(
    ("name", "microseconds"),
    # Their operations at 246 GFLOP/s.
    [
        ("digits", 1.3),
        ("mlp128", 53),
        ("mlp512", 833),
        ("lenet", 290),
        ("cnn28", 7400),
        ("cifar", 3300),
        ("photo64", 90600),
    ],
)
def test_limits_are_those_of_the_design(name: str, microseconds: float):
    assert WORKS[name].limit_seconds(246) * 1e6 == pytest.approx(microseconds, rel=0.02)


@pytest.mark.parametrize("work", WORKS.values(), ids=WORKS)
def test_every_step_has_a_whole_batch_and_the_last_layer_one_output_per_class(work: Work):
    assert work.images == work.steps * work.batch
    assert list(work.facts())[-1].output_shape == (10,)
    assert work.is_mlp == all(isinstance(layer, Dense) for layer in work.layers)


def test_data_are_bytes_over_255_and_can_be_learned():
    work = WORKS["digits"]
    images, labels = make_data(work)
    assert images.dtype == np.float32
    assert images.shape == (1792, 64)
    assert np.array_equal(np.rint(images * 255).astype(np.float32) / np.float32(255), images)
    assert sorted(set(labels.tolist())) == list(range(10))
    means = np.stack([images[labels == c].mean(axis=0) for c in range(10)])
    nearest = ((images[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == labels).mean() > 0.9
    assert np.array_equal(make_data(work)[0], images)
    assert not np.array_equal(make_data(work, seed=1)[0], images)


def test_weights_fit_the_layers_and_have_the_spread_of_he():
    weights = make_weights(WORKS["lenet"])
    assert [w.shape for w in weights] == [
        *[(5, 5, 1, 6), (6,), (5, 5, 6, 16), (16,)],
        *[(400, 120), (120,), (120, 84), (84,), (84, 10), (10,)],
    ]
    kernel, bias = weights[4], weights[5]
    assert kernel.std() == pytest.approx((2 / 400) ** 0.5, rel=0.02)
    assert not bias.any()
