"""`nncore.training.speed`: images per second and the time left, by a clock that the test moves."""

from __future__ import annotations

import pytest

from nncore.training.speed import Speed

pytestmark = pytest.mark.every_isa


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_speed_and_time_left():
    clock = Clock()
    speed = Speed(1000, clock=clock)
    assert (speed.per_second, speed.left) == (0.0, None)
    clock.now += 2.0
    speed.update(100)
    assert speed.per_second == pytest.approx(50)
    assert speed.left == pytest.approx(2.0 * 900 / 100)


def test_validation_is_no_part_of_the_speed_but_of_the_time_left():
    clock = Clock()
    speed = Speed(400, clock=clock)
    clock.now += 1.0
    speed.update(100)
    clock.now += 3.0
    speed.begin_epoch()
    clock.now += 1.0
    speed.update(200)
    assert speed.per_second == pytest.approx(100)
    assert speed.elapsed == pytest.approx(5.0)
    assert speed.left == pytest.approx(5.0)


def test_the_speed_is_that_of_the_last_seconds():
    clock = Clock()
    speed = Speed(10**6, clock=clock)
    done = 0
    for rate in [10] * 20 + [1000] * 20:
        clock.now += 0.5
        done += rate // 2
        speed.update(done)
    assert speed.per_second == pytest.approx(1000)


def test_what_was_done_before_took_no_time_of_this_one():
    clock = Clock()
    speed = Speed(1000, 600, clock=clock)
    clock.now += 1.0
    speed.update(700)
    assert speed.per_second == pytest.approx(100)
    assert speed.left == pytest.approx(3.0)
