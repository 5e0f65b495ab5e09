from __future__ import annotations

import json
import math
import os

import pytest

from nncore.errors import DataError
from nncore.training.history import History

HEADER = "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds\n"


def trained() -> History:
    history = History("cross_entropy", iterations_per_epoch=2)
    for row, losses, seconds, rate in (
        ((0.9, 0.5, 0.8, 0.55), [1.0, 0.8], 0.1, 0.1),
        ((0.1 + 0.2, 0.75, 0.4, 0.7), [0.4, 0.2], 0.2, 0.1),
        ((0.2, 0.875, 0.6, 0.65), [0.3, 0.1], 0.3, 0.1 + 0.2),
    ):
        history.append_epoch(*row, seconds=seconds, iteration_loss=losses, learning_rate=rate)
    return history


def test_epochs_are_kept_under_the_names_of_keras() -> None:
    history = trained()
    assert history.history == {
        "loss": [0.9, 0.1 + 0.2, 0.2],
        "accuracy": [0.5, 0.75, 0.875],
        "val_loss": [0.8, 0.4, 0.6],
        "val_accuracy": [0.55, 0.7, 0.65],
    }
    assert history.epoch == [1, 2, 3]
    assert history.seconds == [0.1, 0.2, 0.3]
    assert history.learning_rate == [0.1, 0.1, 0.1 + 0.2]
    assert history.iteration_loss == [1.0, 0.8, 0.4, 0.2, 0.3, 0.1]
    assert len(history) == 3


def test_without_validation_there_are_no_validation_keys() -> None:
    history = History("mse")
    history.append_epoch(0.5, 0.5)
    assert list(history.history) == ["loss", "accuracy"]


def test_validation_that_comes_and_goes_leaves_nan() -> None:
    history = History("mse")
    history.append_epoch(0.5, 0.5)
    history.append_epoch(0.4, 0.6, 0.45, 0.55)
    history.append_epoch(0.3, 0.7)
    values = history.history["val_loss"]
    assert math.isnan(values[0])
    assert values[1] == 0.45
    assert math.isnan(values[2])
    assert history.best_epoch() == 2


def test_two_histories_share_nothing() -> None:
    first, second = History(), History()
    first.append_epoch(1.0, 0.5, iteration_loss=[1.0])
    assert second.history == {"loss": [], "accuracy": []}
    assert second.iteration_loss == []


def test_an_empty_history_is_true_in_a_condition() -> None:
    assert History()


def test_repr_names_the_last_values() -> None:
    assert "3 epochs" in repr(trained())
    assert "val_loss 0.6" in repr(trained())
    assert "no epoch" in repr(History())


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((0.5, 1.5), "accuracy must be a fraction.*1.5"),
        ((0.5, -0.1), "accuracy must be a fraction"),
        ((0.5, 0.5, 0.5), "val_loss and val_accuracy together"),
        ((0.5, 0.5, None, 0.5), "val_loss and val_accuracy together"),
        ((0.5, 0.5, 0.5, 70.0), "val_accuracy must be a fraction.*70"),
    ],
)
def test_a_wrong_epoch_is_refused_and_leaves_no_trace(
    arguments: tuple[float, ...], named: str
) -> None:
    history = trained()
    with pytest.raises(ValueError, match=named):
        history.append_epoch(*arguments, iteration_loss=[1.0])
    assert history == trained()


def test_a_negative_time_is_refused() -> None:
    with pytest.raises(ValueError, match=r"seconds.*-1"):
        History().append_epoch(0.5, 0.5, seconds=-1)


def test_the_best_epoch_follows_the_validation_loss() -> None:
    history = trained()
    assert history.monitor == "val_loss"
    assert history.best_epoch() == 2
    assert history.best_epoch("loss") == 3
    assert history.best_epoch("accuracy") == 3
    assert history.best_epoch("val_accuracy") == 2


def test_the_best_epoch_without_validation_follows_the_loss() -> None:
    history = History()
    for loss in (0.5, 0.3, 0.4):
        history.append_epoch(loss, 0.5)
    assert history.monitor == "loss"
    assert history.best_epoch() == 2


def test_of_equal_epochs_the_first_is_best_and_nan_never() -> None:
    history = History()
    for loss, accuracy in ((math.nan, 0.1), (0.3, 0.9), (0.3, 0.9), (-math.inf, 0.2)):
        history.append_epoch(loss, accuracy)
    assert history.best_epoch() == 2
    assert history.best_epoch("accuracy") == 2


def test_no_best_epoch_says_why() -> None:
    with pytest.raises(ValueError, match="no epoch yet"):
        History().best_epoch()
    with pytest.raises(ValueError, match="'val_loss' is not in this history; it has: loss"):
        History().best_epoch("val_loss")
    diverged = History()
    diverged.append_epoch(math.nan, 0.1)
    with pytest.raises(ValueError, match="finite loss"):
        diverged.best_epoch()


def test_csv_has_the_documented_columns(tmp_path) -> None:
    history = History()
    history.append_epoch(0.1 + 0.2, 0.5, seconds=1.5)
    path = tmp_path / "history.csv"
    history.to_csv(path)
    assert path.read_bytes().decode() == HEADER + "1,0.30000000000000004,0.5,,,,1.5\n"
    assert os.listdir(tmp_path) == ["history.csv"]


def test_csv_comes_back_exactly(tmp_path) -> None:
    path = tmp_path / "history.csv"
    history = trained()
    history.to_csv(path)
    back = History.from_csv(path, loss_name="cross_entropy")
    assert back.history == history.history
    assert back.learning_rate == history.learning_rate
    assert back.seconds == history.seconds
    assert back.epoch == [1, 2, 3]
    assert back.loss_name == "cross_entropy"
    assert back.iteration_loss == []


def test_csv_keeps_nan_and_infinity(tmp_path) -> None:
    path = tmp_path / "history.csv"
    history = History()
    history.append_epoch(math.inf, 0.5, math.nan, 0.1)
    history.to_csv(path)
    back = History.from_csv(path)
    assert back.history["loss"] == [math.inf]
    assert math.isnan(back.history["val_loss"][0])
    assert back.history["val_accuracy"] == [0.1]


def test_csv_of_no_epoch_comes_back_empty(tmp_path) -> None:
    path = tmp_path / "history.csv"
    History().to_csv(path)
    assert History.from_csv(path) == History()


def test_csv_saved_by_a_spreadsheet_is_read(tmp_path) -> None:
    path = tmp_path / "history.csv"
    text = HEADER.replace("\n", "\r\n") + "1,0.5,0.25,,,,1\r\n\r\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert History.from_csv(path).history == {"loss": [0.5], "accuracy": [0.25]}


@pytest.mark.parametrize(
    ("text", "line", "named"),
    [
        ("", 1, "header"),
        ("epoch,loss\n1,2\n", 1, "header"),
        (HEADER + "1,0.5,0.5,,,,1\n2,oops,0.5,,,,1\n", 3, "loss is not a number: 'oops'"),
        (HEADER + "1,0.5,0.5,,,,1\n3,0.5,0.5,,,,1\n", 3, "expected epoch 2, found '3'"),
        (HEADER + "1,0.5,0.5,,,\n", 2, "expected 7 columns, found 6"),
        (HEADER + "1,0.5,0.5,0.1,,,1\n", 2, "val_loss and val_accuracy together"),
        (HEADER + "1,,0.5,,,,1\n", 2, "loss is not a number: ''"),
        (HEADER + "1,0.5,50,,,,1\n", 2, "accuracy must be a fraction"),
        (HEADER + "1,0.5,0.5,,,,\n", 2, "seconds is not a number"),
    ],
)
def test_a_malformed_csv_names_file_and_line(tmp_path, text: str, line: int, named: str) -> None:
    path = tmp_path / "broken.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        History.from_csv(path)
    assert f"{str(path)!r}, line {line}: " in str(caught.value)
    assert named in str(caught.value)


def test_an_unreadable_csv_names_the_file(tmp_path) -> None:
    with pytest.raises(DataError, match=r"none\.csv.*No such file"):
        History.from_csv(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"binary\.csv.*UTF-8"):
        History.from_csv(tmp_path / "binary.csv")


def test_the_dictionary_survives_strict_json() -> None:
    history = trained()
    history.append_epoch(
        math.inf, 0.1, 0.5, 0.5, iteration_loss=[-math.inf, math.inf], learning_rate=0.5
    )
    text = json.dumps(history.to_dict(), allow_nan=False)
    assert History.from_dict(json.loads(text)) == history


def test_nan_survives_strict_json() -> None:
    history = History()
    history.append_epoch(math.nan, 0.1)
    back = History.from_dict(json.loads(json.dumps(history.to_dict(), allow_nan=False)))
    assert math.isnan(back.history["loss"][0])


def test_the_dictionary_is_a_copy() -> None:
    history = trained()
    copy = History.from_dict(history.to_dict())
    copy.append_epoch(0.1, 0.1, 0.1, 0.1, iteration_loss=[0.1], learning_rate=0.1)
    assert history == trained()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seconds": None}, "seconds"),
        ({"loss_name": 3}, "loss_name"),
        ({"iterations_per_epoch": -1}, "iterations_per_epoch"),
        ({"iterations_per_epoch": True}, "iterations_per_epoch"),
        ({"weighted": 1}, "weighted must be true or false"),
        ({"epoch": [1, 2, 4]}, "epoch"),
        ({"epoch": "123"}, "epoch"),
        ({"history": {"loss": [1.0, 1.0, 1.0]}}, "accuracy"),
        ({"history": {"loss": [1.0], "accuracy": [1.0]}}, "loss has 1 values, epoch 3"),
        ({"history": {"loss": [1, 1, "x"], "accuracy": [1, 1, 1]}}, r"loss\[2\].*'x'"),
        ({"history": {"loss": [1] * 3, "accuracy": [1] * 3, "val_loss": [1] * 3}}, "both"),
        ({"history": {"loss": [1] * 3, "accuracy": [1] * 3, "color": [1] * 3}}, "color"),
        ({"iteration_loss": [True]}, r"iteration_loss\[0\]"),
    ],
)
def test_a_wrong_dictionary_names_the_key(change: dict[str, object], named: str) -> None:
    with pytest.raises(DataError, match=named):
        History.from_dict(trained().to_dict() | change)


def test_histories_from_before_there_was_a_learning_rate(tmp_path) -> None:
    data = trained().to_dict()
    del data["learning_rate"]
    assert all(map(math.isnan, History.from_dict(data).learning_rate))
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss,accuracy,val_loss,val_accuracy,seconds\n1,0.5,0.25,,,1.5\n")
    old = History.from_csv(path)
    assert (old.history["loss"], old.seconds) == ([0.5], [1.5])
    assert math.isnan(old.learning_rate[0])


def test_a_history_of_before_there_were_weights_is_without_them() -> None:
    data = trained().to_dict()
    del data["weighted"]
    assert not History.from_dict(data).weighted


_LATE = ("learning_rate", "weighted")  # Older files lack them.


@pytest.mark.parametrize("key", [key for key in trained().to_dict() if key not in _LATE])
def test_a_missing_key_is_named(key: str) -> None:
    data = trained().to_dict()
    del data[key]
    with pytest.raises(DataError, match=f"lacks {key!r}"):
        History.from_dict(data)


def test_something_else_than_a_dictionary_is_refused() -> None:
    with pytest.raises(DataError, match="mapping"):
        History.from_dict([1, 2])  # type: ignore[arg-type]


def test_plot_writes_loss_and_accuracy_in_one_figure(tmp_path) -> None:
    path = tmp_path / "curves.png"
    figure = trained().plot(path)
    assert [axes.get_title() for axes in figure.axes] == ["Loss per epoch", "Accuracy per epoch"]
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_best_epoch_by_accuracy():
    """Of equal accuracies the lowest loss decides; an epoch without numbers is never best."""
    one = History("cross_entropy", 1, by_accuracy=True)
    for loss, accuracy in ((0.1, 0.5), (0.9, 0.75), (0.4, 0.75), (0.5, 0.75), (math.nan, 1.0)):
        one.append_epoch(1.0, 0.5, loss, accuracy)
    assert (one.monitor, one.best_epoch()) == ("val_accuracy", 3)
    assert one.best_epoch("val_loss") == 1
    again = History.from_dict(one.to_dict())
    assert again.best_epoch() == 3
    assert "by_accuracy" not in History().to_dict()
    with pytest.raises(DataError, match="by_accuracy must be true or false, got 1"):
        History.from_dict(one.to_dict() | {"by_accuracy": 1})
    plain = History("cross_entropy", 1, by_accuracy=True)
    plain.append_epoch(1.0, 0.5)
    plain.append_epoch(0.5, 0.4)
    assert plain.best_epoch() == 2
