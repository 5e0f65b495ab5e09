"""The page of `nncore serve`: pictures come in by every way, and what goes wrong is said."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from PIL import Image

import nncore as nn
from model_files import make_model
from nncore.serve.limits import Limits
from serving import picture, running


@pytest.fixture(scope="module")
def served():
    with running(make_model(), Limits(body=1 << 20, pixels=1 << 22)) as found:
        yield found


@pytest.fixture
def page(browser, served):
    """The page, opened and ready."""
    browser.open(f"http://127.0.0.1:{served.port}/")
    until(browser, "return document.getElementById('model').textContent.includes('3 classes')")
    yield browser
    assert [line for line in browser.console() if "status of 4" not in line] == []


def until(browser, script: str):
    end = time.monotonic() + 10
    while not (found := browser.run(script)):
        assert time.monotonic() < end, browser.run("return document.body.innerText")
        time.sleep(0.02)
    return found


def results(browser, count: int) -> list[str]:
    """The words of so many results, the newest first."""
    return until(
        browser,
        "const all = [...document.querySelectorAll('.result')];"
        f"return all.length === {count} && all.every(one => one.querySelector('.waits').hidden) &&"
        " all.map(one => one.innerText)",
    )


# Files as a page gets them from a drop or a paste: {name, bytes} become a DataTransfer.
_TRANSFER = """
const transfer = new DataTransfer();
for (const [name, type, bytes] of arguments[0])
  transfer.items.add(new File([new Uint8Array(bytes)], name, {type}));
"""


def give(browser, event: str, *files: tuple[str, str, bytes]) -> None:
    kind = {"drop": "DragEvent", "paste": "ClipboardEvent"}[event]
    field = {"drop": "dataTransfer", "paste": "clipboardData"}[event]
    browser.run(
        _TRANSFER + f"document.body.dispatchEvent(new {kind}('{event}', "
        f"{{bubbles: true, cancelable: true, {field}: transfer}}))",
        [(name, kind, list(content)) for name, kind, content in files],
    )


def photo() -> bytes:
    """A picture with something on it."""
    x, y = np.meshgrid(np.arange(320), np.arange(200))
    levels = np.stack([x * 255 // 319, y * 255 // 199, (x + y) % 256], axis=-1)
    file = io.BytesIO()
    Image.fromarray(levels.astype(np.uint8)).save(file, "JPEG")
    return file.getvalue()


def test_dropped_pictures(page):
    give(page, "drop", ("one.png", "image/png", picture(1)), ("two.jpg", "image/jpeg", photo()))
    second, first = results(page, 2)
    assert first.startswith("one.png")
    assert second.startswith("two.jpg")
    for told in (first, second):
        assert sum(name in told for name in ("Katze", "Hund", "Übrige")) == 3
        assert "ms in all, of which the server decoded" in told
    shares = page.run(
        "return [...document.querySelectorAll('.result:first-child .top tbody tr')].map(row => "
        "[row.cells[1].textContent, row.querySelector('.bar-value').width.baseVal.value])"
    )
    shares = [(float(text.removesuffix("%")), width) for text, width in shares]
    assert sum(share for share, _ in shares) == pytest.approx(100, abs=0.2)
    assert all(share == pytest.approx(width, abs=0.06) for share, width in shares)


def test_a_pasted_picture(page):
    give(page, "paste", ("image.png", "image/png", picture(2)))
    assert results(page, 1)[0].startswith("image.png")
    give(page, "paste")
    assert "no picture in the clipboard" in page.run("return document.body.innerText")


def test_what_is_no_picture_among_others(page):
    give(page, "drop", ("notes.txt", "text/plain", b"no picture"), ("a", "", picture(3)))
    good, bad = results(page, 2)
    assert "Not an image." in bad
    assert "Katze" in good


def test_a_huge_file_is_not_even_sent(page, served):
    name = 'nncore_requests_total{path="/predict",status="413"}'
    give(page, "drop", ("huge.png", "image/png", b"\0" * (1 << 20) + b"\0"))
    assert "are more than the server takes (1 MB)" in results(page, 1)[0]
    assert name not in served.ask("/metrics").body.decode()


def test_too_many_pixels(page):
    file = io.BytesIO()
    Image.new("L", (3000, 3000)).save(file, "PNG")
    give(page, "drop", ("wide.png", "image/png", file.getvalue()))
    assert "3000 x 3000 pixels are more than the limit" in results(page, 1)[0]


def test_names_are_words_and_no_markup(page):
    hostile = "<img src=x onerror=alert(1)>.png"
    give(page, "drop", (hostile, "image/png", picture()))
    assert results(page, 1)[0].startswith(hostile)
    assert page.run("return document.querySelectorAll('img[src=x]').length") == 0


def test_by_keyboard_alone(page, tmp_path):
    from selenium.webdriver import ActionChains, Keys

    reached = []
    for _ in range(3):
        ActionChains(page.driver).send_keys(Keys.TAB).perform()
        reached.append(page.run("return document.activeElement.id || document.activeElement.href"))
    assert reached[0].endswith("#content")
    assert reached[1:] == ["files", "camera"]
    page.run("document.getElementById('files').focus()")
    outline = "return getComputedStyle(document.activeElement.closest('label')).outlineStyle"
    assert page.run(outline) == "solid"
    (tmp_path / "chosen.png").write_bytes(picture(5))
    page.driver.find_element("id", "files").send_keys(str(tmp_path / "chosen.png"))
    assert results(page, 1)[0].startswith("chosen.png")
    page.run("document.getElementById('clear').focus()")
    ActionChains(page.driver).send_keys(Keys.ENTER).perform()
    until(page, "return !document.querySelector('.result')")
    assert page.run("return document.activeElement.id") == "files"


def test_a_photo_may_be_taken(page):
    camera = page.driver.find_element("id", "camera")
    assert camera.get_dom_attribute("capture") == "environment"


def test_where_the_model_looked(page):
    give(page, "drop", ("a.png", "image/png", picture(4)))
    results(page, 1)
    page.driver.find_element("class name", "look").click()
    # Enlarged by the server, by a whole number.
    width = until(page, "return document.querySelector('.heat img').naturalWidth")
    assert width > 5
    assert width % 5 == 0
    assert "What spoke for" in page.run("return document.querySelector('.heat').innerText")
    page.screenshot("serve-heat")
    page.driver.find_element("id", "clear").click()


def test_what_it_may_be_and_whether_it_is_none_of_them(browser):
    rng = np.random.default_rng(0)
    labels = np.arange(240) % 3
    names = ["<b>cat</b>", "dog, small", "other"]
    levels = rng.integers(0, 60, (240, 8, 8, 3)) + 40 * np.eye(3, dtype=int)[labels][:, None, None]
    train, val, _ = nn.ImageDataset.from_arrays(levels.astype(np.uint8), labels, names).split(0.5)
    model = nn.Sequential(
        [nn.Conv2D(6, 3, activation="relu"), nn.GlobalAveragePool2D(), nn.Dense(3)]
    )
    model.fit(train, epochs=3, verbose=0)
    model.calibrate(val)
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[::2] = 255
    pictures = [("strange.png", stripes), ("known.png", val.images[0])]
    with running(model, Limits()) as found:
        browser.open(f"http://127.0.0.1:{found.port}/")
        until(browser, "return document.getElementById('model').textContent.includes('3 classes')")
        for name, pixels in pictures:
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "PNG")
            give(browser, "drop", (name, "image/png", file.getvalue()))
            results(browser, 1 + (name == "known.png"))
        known, strange = results(browser, 2)
        browser.screenshot("serve-doubts")
    assert "Unlike the pictures that the model knows (score " in strange
    assert "perhaps none of its classes" in strange
    assert "In 95 of" not in strange
    assert "Unlike" not in known
    held = model.predict(val.images[0], coverage=0.95)[0].set
    assert f"In 95 of 100 cases one of: {', '.join(held)}" in known


def test_the_token_is_asked_for(browser):
    with running(make_model(), Limits(), token="0123456789abcdef") as found:
        browser.open(f"http://127.0.0.1:{found.port}/")
        until(browser, "return !document.getElementById('token-form').hidden")
        browser.driver.find_element("id", "token").send_keys("wrong\n")
        until(browser, "return document.body.innerText.includes('That is not the token')")
        browser.screenshot("serve-token")
        browser.driver.find_element("id", "token").clear()
        browser.driver.find_element("id", "token").send_keys("0123456789abcdef\n")
        until(browser, "return document.getElementById('token-form').hidden")
        give(browser, "drop", ("a.png", "image/png", picture()))
        assert "Katze" in results(browser, 1)[0]
        browser.run("sessionStorage.clear()")


def test_it_looks_right_with_results(browser, served, looks_right):
    looks_right(f"http://127.0.0.1:{served.port}/", "serve-empty")
    for size, where in (((390, 844), "phone"), ((1280, 900), "desk")):
        for dark in (False, True):
            browser.open(f"http://127.0.0.1:{served.port}/", size, dark)
            long = ("a" * 90 + ".png", "image/png", picture(6))
            give(browser, "drop", ("photo.jpg", "image/jpeg", photo()), long)
            give(browser, "drop", ("notes.txt", "text/plain", b"no picture"))
            results(browser, 3)
            until(browser, "return document.querySelectorAll('.shown:not([hidden])').length === 2")
            browser.screenshot(f"serve-{where}-{'dark' if dark else 'light'}")
            assert browser.overflow() <= 0
            assert browser.axe() == []
