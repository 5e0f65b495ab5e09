"""The whole audit, on bars that lie, stand or are not there."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest

import nncore as nn
from nncore.process.signals import SignalStop

NAMES = ["lying", "standing", "nothing"]


def bars(n=150, seed=0, wrong=8):
    """Images, labels, and the positions whose label is wrong."""
    rng = np.random.default_rng(seed)
    images, true = rng.integers(0, 60, (n, 8, 8)), np.arange(n) % 3
    place = rng.integers(1, 7, n)
    images[true == 0, place[true == 0]] += 180
    images[true == 1, :, place[true == 1]] += 180
    bad = rng.choice(n, wrong, replace=False)
    labels = true.copy()
    labels[bad] = (true[bad] + rng.integers(1, 3, wrong)) % 3
    return images.astype(np.uint8), labels, true, bad


def data_set(images, labels, **more):
    names = [f"{i}.png" for i in range(len(images))]
    return nn.ImageDataset.from_arrays(images, labels, NAMES, names, **more)


@pytest.fixture(scope="module")
def found():
    images, labels, _, _ = bars()
    images[30] = np.indices((8, 8)).sum(axis=0) % 2 * 250  # a chessboard: like no other
    images[40], labels[40] = images[41], labels[41]
    images[50] = np.clip(images[52].astype(int) + 3, 0, 255)  # of another class
    images[60] = 9
    return nn.audit(data_set(images, labels), seed=1)


def test_planted_errors_come_first_with_their_true_class():
    images, labels, true, bad = bars()
    found = nn.audit(data_set(images, labels))
    first = found.suspects[: len(bad)]
    assert {one.position for one in first} == set(bad.tolist())
    assert [NAMES[true[one.position]] for one in first] == [one.suggested for one in first]
    assert [one.label for one in first] == [NAMES[labels[one.position]] for one in first]
    scores = [one.score for one in found.suspects]
    assert scores == sorted(scores)
    assert abs(found.estimated_errors - len(bad)) <= 2
    assert all(one.reason.startswith(f"probably {one.suggested} (") for one in first)


def test_a_twentieth_is_listed_where_nothing_is_wrong():
    images, labels, _, _ = bars(wrong=0)
    found = nn.audit(data_set(images, labels))
    assert len(found.suspects) == 8  # of 150
    assert found.estimated_errors == 0
    assert found.confusions == []
    assert all(one.reason.startswith(("perhaps ", "not sure: ")) for one in found.suspects)
    assert all(one.suggested != one.label for one in found.suspects)


def test_duplicates_outliers_and_poor_pictures_are_told(found):
    sets = {(same.kind, same.positions): same for same in found.duplicates}
    assert ("exact", (40, 41)) in sets
    assert len(sets["near", (50, 52)].classes) == 2
    assert found.duplicates[0].positions == (50, 52)  # across classes first
    assert 30 in [one.position for one in found.outliers]
    assert (60, "one colour") in [(one.position, one.problem) for one in found.flaws]


def test_json_has_them_under_keys_of_their_own(found):
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert list(told["suspects"][0]) == ["path", "label", "suggested", "score", "reason"]
    assert told["images"] == 150
    assert {"paths": ["40.png", "41.png"], "kind": "exact"}.items() <= next(
        same for same in told["duplicates"] if same["kind"] == "exact"
    ).items()
    assert "30.png" in [one["path"] for one in told["outliers"]]
    assert {"path", "label", "problem", "value", "limit"} == set(told["quality"][0])


def test_parts_of_a_split_are_told():
    images, labels, _, _ = bars(60, wrong=0)
    images[7], labels[7] = images[3], labels[3]
    parts = ["test" if i == 7 else "train" for i in range(60)]
    found = nn.audit(data_set(images, labels, split=parts))
    (same,) = found.duplicates
    assert (same.positions, same.parts) == ((3, 7), ("test", "train"))


def test_the_same_on_any_number_of_threads(restore_threads):
    images, labels, _, _ = bars(45, wrong=3)
    told = []
    for threads in (1, 3):
        nn.set_num_threads(threads)
        told.append(json.dumps(nn.audit(data_set(images, labels), folds=2).to_dict()))
    assert told[0] == told[1]


def test_the_seed_and_progress():
    images, labels, _, _ = bars(45, wrong=3)
    seen = []
    one = nn.audit(data_set(images, labels), folds=2, progress=lambda *at: seen.append(at))
    total = 2 * one.settings["epochs"]
    assert seen == [(i, total) for i in range(1, total + 1)]
    other = nn.audit(data_set(images, labels), folds=2, seed=5)
    assert one.held_out.own.tolist() != other.held_out.own.tolist()


def test_an_image_alone_in_its_class_cannot_be_judged():
    images, labels, _, _ = bars(41, wrong=0)
    keep = (labels != 2) | (np.arange(41) == 2)
    found = nn.audit(data_set(images[keep], labels[keep]))
    alone = int(np.flatnonzero(labels[keep] == 2)[0])
    assert not found.held_out.judged[alone]
    assert alone not in [one.position for one in found.suspects]
    assert found.notes == [
        "1 image(s) cannot be judged, since no others of their class are left to learn from: "
        "'nothing'"
    ]


@pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SignalStop)]
)
def test_ctrl_c_ends_it(number, kind):
    images, labels, _, _ = bars(45, wrong=0)

    def stop(done, total):
        raise KeyboardInterrupt if number == signal.SIGINT else SignalStop(number)

    with pytest.raises(kind) as error:
        nn.audit(data_set(images, labels), folds=2, progress=stop)
    assert getattr(error.value, "number", signal.SIGINT) == number


def test_wrong_arguments():
    images, labels, _, _ = bars(12)
    with pytest.raises(ValueError, match="folds"):
        nn.audit(data_set(images, labels), folds=1)
    with pytest.raises(ValueError, match="names"):
        nn.audit(nn.ImageDataset.from_arrays(images, labels), folds=2).write_csv("audit.csv")


def test_a_folder_is_not_taken_for_a_data_set(tmp_path):
    with pytest.raises(TypeError, match=r"audit takes an ImageDataset, .*not str"):
        nn.audit(str(tmp_path))
