"""The pages of runs: with hostile names, with thousands of classes, of several runs."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn
from nncore.report.comparison import write_comparison
from nncore.report.run_page import write_page
from nncore.training.run_directory import RunDirectory
from pages import HOSTILE_CLASSES, call, write_pictures


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A trained run with pictures, heat maps, calibration and files that were left out."""
    place = tmp_path_factory.mktemp("report")
    write_pictures(place / "data", HOSTILE_CLASSES, 150)
    words = ("--epochs", "4", "--test", "0.3", "--quiet")
    call("train", place / "data", "--output", place, "--name", "<i>run", *words)
    return place / "<i>run"


def test_a_run(looks_right, run):
    looks_right(run / "report.html", "run")


def test_several_runs(looks_right, run, tmp_path):
    write_comparison([run] * 8, tmp_path / "c.html")
    looks_right(tmp_path / "c.html", "comparison")


def test_thousands_of_classes(looks_right, tmp_path):
    k = 3000
    truth = np.arange(k).repeat(2)
    rng = np.random.default_rng(0)
    answer = np.where(rng.random(2 * k) < 0.3, rng.integers(0, k, 2 * k), truth)
    scores = np.full((2 * k, k), 0.1 / k, np.float32)
    scores[np.arange(2 * k), answer] = 0.9
    names = [f"class {number} " + "x" * (number % 90) for number in range(k)]
    report = nn.Report.from_predictions(scores, truth, names, 1.0, "cross_entropy")
    folder = RunDirectory.create(tmp_path, "many")
    folder.write_report(report)
    looks_right(write_page(folder.path), "many")


def test_the_keyboard_reaches_everything(browser, run):
    browser.open(run / "report.html")
    from selenium.webdriver.common.keys import Keys

    body = browser.driver.find_element("tag name", "body")
    body.send_keys(Keys.TAB)
    active = "return document.activeElement"
    assert browser.run(f"{active}.textContent") == "Skip to content"
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.run(f"{active}.id") == "content"
    wanted = "[...document.querySelectorAll('main summary, main pre, main .scrolled')]"
    reached = set()
    browser.run("window.seen = new Set()")
    for _ in range(browser.run(f"return {wanted}.length") + 40):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        reached.add(
            browser.run(
                "const one = document.activeElement; window.seen.add(one); return one.tagName"
            )
        )
    hidden = "one.closest('details:not([open]) > :not(summary)')"
    missed = f"{wanted}.filter(one => !window.seen.has(one) && !{hidden})"
    assert browser.run(f"return {missed}.map(one => one.outerHTML.slice(0, 80))") == []
    assert "SUMMARY" in reached
    assert browser.run("return document.querySelector('details').open") is False
    summary = browser.driver.find_element("css selector", "details summary")
    summary.send_keys(Keys.ENTER)
    assert browser.run("return document.querySelector('details').open") is True
    assert browser.console() == []
