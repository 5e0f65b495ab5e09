"""`nncore train --live` and `--tensorboard`: the page to its end, the button, what goes wrong."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import threading
import time

import nncore as nn
from live_pages import Follower, ask
from nncore.cli.training.onlookers import _wait_for_ctrl_c
from nncore.live import Live
from textbook import TRAIN


class Page:
    """A page that is opened as soon as there is one, and read by a thread of its own."""

    def __init__(self, monkeypatch, act=lambda state: None):
        self.address, self.state, self.names, self.answer = None, {}, [], None
        self.act, self.start = act, Live.start
        monkeypatch.setattr(Live, "start", lambda live: self._start(live))
        monkeypatch.setattr("nncore.live.events._BETWEEN", 0.05)

    def _start(self, live):
        self.start(live)
        if self.address is None:
            self.address, ready = live.address, threading.Event()
            self.thread = threading.Thread(target=self._read, args=[ready])
            self.thread.start()
            ready.wait(10)

    def _read(self, ready):
        with contextlib.closing(Follower(self.address)) as follower:
            self.state = follower.state
            for name in follower.events():
                self.names.append(name)
                ready.set()
                self.act(follower.state)


def test_a_training_followed_to_its_end(call, run, pictures, tmp_path, monkeypatch):
    page = Page(monkeypatch)
    words = (*TRAIN, pictures, "--output", tmp_path, "--name", "x", "--quiet")
    called = call(*words, "--live")
    page.thread.join(10)
    state = page.state
    assert called.code == 0
    assert called.err.splitlines()[0] == f"nncore: live page: {page.address}"
    assert "ssh -L" in called.err.splitlines()[1]
    # The last event says that nothing comes any more.
    assert page.names[-1] == "end"
    assert state["phase"]["name"] == "done"
    assert re.fullmatch(r"Accuracy [\d.]+% on \d+ validation images", state["phase"]["words"])
    assert state["about"]["title"] == os.path.basename(pictures)
    history = nn.History.from_csv(tmp_path / "x" / "history.csv")
    assert [row["val_loss"] for row in state["rows"]] == history.history["val_loss"]
    assert len(state["pictures"]) == len(state["answers"]["answers"]) == 12
    for name in ("best.safetensors", "report.json"):  # the same as without a page
        assert (tmp_path / "x" / name).read_bytes() == (run / name).read_bytes()


def test_the_button_saves_as_ctrl_c_does(call, pictures, tmp_path, monkeypatch):
    def press(state):
        if len(state["rows"]) >= 3 and page.answer is None:
            page.answer = ask(page.address, "stop", "POST").body

    page = Page(monkeypatch, press)
    words = (*TRAIN, pictures, "--epochs", 10**6, "--output", tmp_path, "--name", "x", "--json")
    called = call(*words, "--live")
    page.thread.join(10)
    assert called.code == 130
    assert page.answer == '{"stopping": true}'
    assert called.err.splitlines()[-1].startswith("nncore: error: interrupted after ")
    told = json.loads(called.out)
    assert told["interrupted"]
    assert told["epochs"] >= 3
    assert page.state["phase"]["words"].startswith("Stopped. Accuracy ")
    assert set(os.listdir(tmp_path / "x")) >= {"best.safetensors", "report.json", "loss.png"}
    history = nn.load_checkpoint(tmp_path / "x" / "last.safetensors").history
    assert len(history) == told["epochs"]


def test_an_error_is_the_last_that_the_page_is_told(call, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    page = Page(monkeypatch)
    called = call("train", tmp_path / "empty", "--live")
    page.thread.join(10)
    assert called.code == 3
    assert page.state["phase"]["name"] == "failed"
    assert called.err.splitlines()[-1] == f"nncore: error: {page.state['phase']['words']}"


def test_a_port_of_ones_own(fails, pictures):
    assert "--live-port is for --live" in fails(2, "train", pictures, "--live-port", 8000)
    assert "from 1 to 65535" in fails(2, "train", pictures, "--live", "--live-port", 0)


def test_at_a_terminal_a_page_that_was_looked_at_stays(call, pictures, tmp_path, monkeypatch):
    waited = []

    def wait(line):
        assert ask(page.address).status == 200
        waited.append(line)

    monkeypatch.setattr("nncore.cli.training.onlookers._at_a_terminal", lambda: True)
    monkeypatch.setattr("nncore.cli.training.onlookers._wait_for_ctrl_c", wait)
    page = Page(monkeypatch)
    words = (*TRAIN, pictures, "--output", tmp_path, "--name", "x", "--quiet", "--epochs", 2)
    assert call(*words, "--live").code == 0
    page.thread.join(10)
    assert waited == [f"nncore: the page stays until Ctrl-C: {page.address}"]
    assert page.names[-1] == "end"


def test_nobody_waits_for_a_page_that_was_never_opened(call, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr("nncore.cli.training.onlookers._at_a_terminal", lambda: True)
    words = (*TRAIN, pictures, "--output", tmp_path, "--name", "x", "--quiet", "--epochs", 1)
    assert call(*words, "--live").code == 0


def test_waiting_ends_well(capsys):
    timer = threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    started = time.monotonic()
    _wait_for_ctrl_c("words")
    assert time.monotonic() - started < 10
    assert capsys.readouterr().err == "words\n"


def test_event_files(call, fails, pictures, tmp_path):
    words = (*TRAIN, pictures, "--epochs", 1, "--output", tmp_path, "--name", "x", "--quiet")
    assert call(*words, "--tensorboard", tmp_path / "logs").code == 0
    (file,) = (tmp_path / "logs").iterdir()
    assert b"loss/validation" in file.read_bytes()
    assert b"samples" in file.read_bytes()
    told = fails(1, *words, "--tensorboard", file / "below")
    assert str(file) in told
