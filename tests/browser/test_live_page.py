"""The page of `nncore train --live`: a training followed to its end, the button, a lost connection,
hostile names; by phone and at a desk, by day and by night."""

from __future__ import annotations

import contextlib
import itertools
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image

NAMES = ("<img src=x onerror=alert(1)>", "\u202ecat 'n\" dog", "a" * 200)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Bars that lie, stand, or are not there, in classes with odd names."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for label, name in enumerate(NAMES):
        (folder / name).mkdir()
        for number in range(60):
            image = rng.integers(0, 120, (8, 8))
            image[label * 2 + 1] += 120
            Image.fromarray(image.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


@contextlib.contextmanager
def training(folder, runs, *words):
    """A command that serves a page: the process and the address."""
    command = ["train", str(folder), "--model", "mlp", "--live"]
    command += ["--batch-size", "4", "--output", str(runs), *words]
    process = subprocess.Popen(
        [sys.executable, "-m", "nncore", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            address = re.fullmatch(r"nncore: live page: (\S+)\n", process.stderr.readline())[1]
            reader = threading.Thread(target=process.stderr.read, daemon=True)
            reader.start()
            yield process, address
        finally:
            process.kill()


def until(browser, script, seconds=60):
    """Wait for a JavaScript expression to be true."""
    end = time.monotonic() + seconds
    while not browser.run(f"return {script}"):
        assert time.monotonic() < end, (script, browser.run("return document.body.innerText"))
        time.sleep(0.1)


def text(browser, name):
    return browser.run("return document.getElementById(arguments[0]).textContent", name)


def test_a_training_followed_to_its_end(browser, pictures, tmp_path):
    with training(pictures, tmp_path, "--epochs", "300") as (process, address):
        browser.open(address)
        until(browser, "document.querySelectorAll('#loss-chart > svg .line').length >= 2")
        until(browser, "document.querySelectorAll('#samples .good, #samples .bad').length === 12")
        browser.screenshot("live-training")
        until(browser, "document.getElementById('report').src !== ''")
        assert process.wait(60) == 0
    # The process is gone; the page has all that it was told, and the report.
    until(browser, "document.getElementById('report').clientHeight > 1500")
    assert text(browser, "epoch") == "300 of 300"
    assert text(browser, "left") == "over"
    assert text(browser, "phase").startswith("Accuracy ")
    assert text(browser, "lost") == ""
    assert browser.run("return document.getElementById('stop-box').hidden")
    title = "return document.getElementById('report').contentDocument.querySelector('h1').innerText"
    assert browser.run(title)
    assert browser.axe() == []
    assert browser.overflow() <= 0
    browser.screenshot("live-end")
    assert browser.console() == []
    assert all(url.startswith(address) for url in browser.requests())


def test_it_looks_right_while_it_trains(browser, looks_right, pictures, tmp_path):
    with training(pictures, tmp_path, "--epochs", "1000000") as (_, address):
        looks_right(address, "live")
        until(browser, "document.querySelectorAll('#samples .good, #samples .bad').length === 12")
        # Names are text, and what turns the direction of others is made visible.
        shown = browser.run("return document.getElementById('samples').textContent")
        assert "<img src=x onerror=alert(1)>" in shown
        assert "\\u202e" in shown
        assert "\u202e" not in shown
        assert browser.run("return document.querySelectorAll('#samples img[onerror]').length") == 0
        browser.run("document.getElementById('numbers').open = true")
        until(browser, "document.querySelectorAll('#numbers-body tr').length > 1")
        assert browser.axe() == []
        assert browser.overflow() <= 0
        browser.screenshot("live-numbers")
        assert browser.console() == []


def test_the_button_by_keyboard(browser, pictures, tmp_path):
    from selenium.webdriver.common.keys import Keys

    with training(pictures, tmp_path, "--epochs", "1000000", "--name", "x") as (process, address):
        browser.open(address)
        until(browser, "/^[0-9]/.test(document.getElementById('epoch').textContent)")

        def press(*keys):
            for key in keys:
                browser.driver.switch_to.active_element.send_keys(key)

        while browser.run("return document.activeElement.id") != "stop":
            press(Keys.TAB)
        press(Keys.ENTER)
        assert browser.run("return document.activeElement.id") == "go-on"
        browser.screenshot("live-sure")
        press(Keys.ENTER)  # no
        assert browser.run("return document.activeElement.id") == "stop"
        assert process.poll() is None
        press(Keys.ENTER)
        browser.run("document.getElementById('really').focus()")
        press(Keys.ENTER)
        until(browser, "document.getElementById('phase').textContent.startsWith('Stopped. ')")
        assert process.wait(60) == 130
    assert (tmp_path / "x" / "last.safetensors").exists()
    assert browser.console() == []


class Tunnel:
    """As `ssh -L`: another port, that leads to the same place until it is cut."""

    def __init__(self, port):
        self.port, self.sockets = port, []
        self.listen()

    def listen(self, at=0):
        self.server = socket.create_server(("127.0.0.1", at))
        self.at = self.server.getsockname()[1]
        threading.Thread(target=self.accept, args=[self.server], daemon=True).start()

    def accept(self, server):
        with contextlib.suppress(OSError):
            while True:
                self.sockets.append(near := server.accept()[0])
                self.sockets.append(far := socket.create_connection(("127.0.0.1", self.port)))
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self.copy, args=[one, other], daemon=True).start()

    def copy(self, one, other):
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        self.end(one, other)

    def end(self, *sockets):
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def cut(self):
        self.end(self.server, *self.sockets)
        self.server.close()

    def close(self):
        self.cut()
        for one in self.sockets:
            one.close()


def test_a_lost_connection_is_shown_and_taken_up_again(browser, pictures, tmp_path):
    words = (pictures, tmp_path, "--epochs", "1000000")
    with training(*words) as (process, address), contextlib.ExitStack() as stack:
        port = int(re.search(r":(\d+)/", address)[1])
        tunnel = stack.enter_context(contextlib.closing(Tunnel(port)))
        browser.open(address.replace(f":{port}/", f":{tunnel.at}/"))
        until(browser, "/^[0-9]/.test(document.getElementById('epoch').textContent)")
        tunnel.cut()
        until(browser, "!document.getElementById('lost').hidden")
        assert "was lost at" in text(browser, "lost")
        assert browser.run("return document.getElementById('stop-box').hidden")
        browser.screenshot("live-lost")
        seen = int(text(browser, "epoch").split()[0].replace(",", ""))
        time.sleep(1)
        tunnel.listen(tunnel.at)
        until(browser, "document.getElementById('lost').hidden")
        now = "+document.getElementById('epoch').textContent.split(' ')[0].replace(',', '')"
        until(browser, f"{now} > {seen}")
        # The epochs that went by meanwhile are there, too: none is missing in the table.
        browser.run("document.getElementById('numbers').open = true")
        until(browser, "document.querySelectorAll('#numbers-body tr').length > 1")
        rows = "[...document.querySelectorAll('#numbers-body th')].map(e => +e.textContent)"
        epochs = browser.run(f"return {rows}")
        assert all(one == other + 1 for one, other in itertools.pairwise(epochs))
        # A process that is killed says nothing: that is a lost connection, too.
        process.send_signal(signal.SIGKILL)
        until(browser, "!document.getElementById('lost').hidden")
    others = [line for line in browser.console() if "net::ERR_" not in line]
    assert others == []
