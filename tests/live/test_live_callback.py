"""`nn.Live`: what the page is told of a training, and that the training does not notice."""

from __future__ import annotations

import pickle
import threading
import time

import numpy as np
import pytest

import nncore as nn
from live_pages import ask
from nncore.live import Live
from nncore.training.callbacks import Callback
from small_fits import blobs, fit, small_model, weights


@pytest.fixture
def live():
    made = Live(blobs(30, 1))
    yield made
    made.close()


class Slow(Callback):
    """Gives the others time to look."""

    def on_epoch_end(self, epoch, logs):
        time.sleep(0.03)


def in_background(model, **settings):
    thread = threading.Thread(target=fit, args=[model], kwargs=settings)
    thread.start()
    return thread


def test_a_training_followed_to_its_end(live, followers, monkeypatch):
    monkeypatch.setattr("nncore.live.events._BETWEEN", 0.01)
    live.start()
    follower, model = followers(live.address), small_model()
    assert follower.until(lambda s: "phase" in s)["phase"]["name"] == "preparing"
    settings = {"epochs": 30, "validation_data": blobs(30, 1), "callbacks": [live, Slow()]}
    thread = in_background(model, **settings)
    state = follower.until(lambda s: s["phase"]["name"] == "trained" and "answers" in s)
    thread.join()
    assert [row["epoch"] for row in state["rows"]] == list(range(1, 31))
    for name, values in model.history.history.items():
        assert [row[name] for row in state["rows"]] == values
    progress = state["progress"]
    assert (progress["epoch"], progress["epochs"], progress["share"]) == (30, 30, 1.0)
    assert progress["left"] == 0
    assert progress["best"] == model.history.best_epoch()
    assert progress["per_second"] > 0
    assert len(state["pictures"]) == 12
    assert all(one["src"].startswith("data:image/png;base64,") for one in state["pictures"])
    assert sorted({one["label"] for one in state["pictures"]}) == ["0", "1", "2"]
    found = state["answers"]["answers"]
    for one, picture in zip(found, state["pictures"], strict=True):
        assert one["right"] == (one["top"][0][0] == picture["label"])
        assert dict(one["top"])[picture["label"]] == one["true"]


def test_the_answers_are_those_of_the_model(live, followers):
    live.start()
    follower, model = followers(live.address), small_model()
    follower.until(lambda s: "phase" in s)
    thread = in_background(model, callbacks=[live, Slow()], epochs=5)
    state = follower.until(lambda s: s["phase"]["name"] == "trained" and "answers" in s)
    thread.join()
    x, y = blobs(30, 1)
    # Four of each class, from the first to the last of them.
    chosen = [np.flatnonzero(y == label)[[0, 3, 6, 9]] for label in range(3)]
    expected = model.predict_proba(x[np.concatenate(chosen)]).max(axis=1)
    told = [one["top"][0][1] for one in state["answers"]["answers"]]
    assert told == pytest.approx(expected.tolist(), abs=1e-4)


@pytest.mark.parametrize("looked_at", [False, True])
def test_the_weights_do_not_depend_on_it(live, followers, looked_at):
    plain, shown = small_model(), small_model()
    settings = {"epochs": 20, "validation_data": blobs(30, 1)}
    history = fit(plain, **settings)
    live.start()
    if looked_at:
        followers(live.address).until(lambda s: "phase" in s)
    ours = fit(shown, callbacks=[live], **settings)
    assert weights(shown) == weights(plain)
    assert ours.history == history.history
    assert live.failure is None


def test_the_button_ends_it_as_ctrl_c_does(live, monkeypatch):
    monkeypatch.setattr("nncore.training.loop._BLOCK_SECONDS", 0.0)
    whole, model = small_model(), small_model()
    fit(whole, epochs=4, batch_size=8)

    class Press(Callback):
        def __init__(self):
            self.steps = 0

        def on_steps_end(self, epoch, steps, loss):
            self.steps += 1
            if self.steps == 17:
                answer = ask(live.address, "stop", "POST")
                assert answer.body == '{"stopping": true}'

    history = fit(model, epochs=4, batch_size=8, callbacks=[live, Press()])
    assert model.interrupted
    assert live.stop_asked
    assert history.epoch == [1]
    assert live._board.get("phase")["name"] == "stopped"
    # Pressed once more when all is over, it has no meaning.
    assert ask(live.address, "stop", "POST").body == '{"stopping": false}'
    fit(model, epochs=3, batch_size=8, history=history)
    assert not model.interrupted
    assert weights(model) == weights(whole)


def test_a_button_that_is_pressed_before_the_first_step(live):
    live.start()
    ask(live.address, "stop", "POST")
    model = small_model()
    history = fit(model, callbacks=[live])
    assert model.interrupted
    assert len(history) == 0


def test_a_second_fit_goes_on_in_the_same_page(live):
    model = small_model()
    history = fit(model, epochs=2, callbacks=[live])
    address = live.address
    fit(model, epochs=3, history=history, callbacks=[live])
    assert live.address == address
    assert [row["epoch"] for row in live._board._rows] == [1, 2, 3, 4, 5]
    progress = live._board.get("progress")
    assert (progress["epoch"], progress["epochs"], progress["share"]) == (5, 5, 1.0)


def test_a_port_that_is_taken_gives_way_to_a_free_one(live, capsys):
    live.start()
    port = int(live.address.split(":")[2].split("/")[0])
    other = Live(port=port)
    fit(small_model(), callbacks=[other])
    assert other.address is not None
    assert f":{port}/" not in other.address
    assert f"port {port} cannot be used" in capsys.readouterr().err
    other.close()


def test_no_page_at_all_is_told_and_the_training_goes_on(monkeypatch, capsys):
    def refuse(*_):
        raise OSError(99, "Cannot assign requested address")

    monkeypatch.setattr("nncore.live.server.LiveServer.server_bind", refuse)
    live = Live()
    assert len(fit(small_model(), callbacks=[live])) == 3
    assert live.address is None
    told = capsys.readouterr().err
    assert told.count("the live page shows no more") == 1
    assert "Cannot assign requested address" in told


def test_what_breaks_within_it_is_told_once(live, monkeypatch, capsys):
    monkeypatch.setattr("nncore.live.board.Board.add_row", lambda *_: 1 / 0)
    model, plain = small_model(), small_model()
    fit(model, callbacks=[live])
    fit(plain)
    assert weights(model) == weights(plain)
    assert capsys.readouterr().err.count("division by zero") == 1


def test_validation_data_that_do_not_suit_the_model_end_the_page_alone(followers, capsys):
    live = Live((np.zeros((4, 4, 4), np.uint8), ["what", "is", "this", "?"]))
    live.start()
    followers(live.address).until(lambda s: "phase" in s)
    assert len(fit(small_model(), callbacks=[live])) == 3
    assert "class names that the model does not know" in capsys.readouterr().err
    live.close()


def test_an_error_is_shown(live):
    with pytest.raises(nn.TrainingError):
        fit(small_model(), loss="mse", optimizer=nn.SGD(1e30), callbacks=[live])
    assert live._board.get("phase")["name"] == "failed"


def test_the_address_is_told_with_the_way_from_another_machine(live, capsys, monkeypatch):
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.2 50000 10.0.0.7 22")
    live.start()
    live.start()
    told = capsys.readouterr().err
    assert told.count(live.address) == 1
    port = live.address.split(":")[2].split("/")[0]
    assert f"ssh -L {port}:127.0.0.1:{port} " in told
    assert "@10.0.0.7" in told


def test_names_are_made_visible(live, followers):
    live.start()
    live.describe("pets\n\u202e<b>", "\udcff")
    state = followers(live.address).until(lambda s: "about" in s)
    assert state["about"] == {"title": "pets\\n\\u202e<b>", "words": "\\xff"}


def test_a_copy_has_no_page(live):
    live.start()
    assert pickle.loads(pickle.dumps(live)).address is None
