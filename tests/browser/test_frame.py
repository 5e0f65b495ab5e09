"""The frame of all pages, and that the checks see what they look for."""

from __future__ import annotations

from nncore.report import page


def test_the_frame(looks_right, tmp_path):
    file = tmp_path / "frame.html"
    file.write_text(page.render("base.html", {}, title="</title><script>alert(1)</script>"))
    looks_right(file, "frame")


def test_what_breaks_the_policy_is_seen(browser, tmp_path):
    text = page.render("base.html", {}, title="t")
    bad = "<script>document.title = 'ran'</script><img src='https://example.org/x.png' alt=''>"
    (tmp_path / "bad.html").write_text(text.replace("</main>", bad + "</main>"))
    browser.open(tmp_path / "bad.html")
    told = browser.console()
    assert sum("Content Security Policy" in line for line in told) == 2, told
    assert browser.driver.title == "t"


def test_what_cannot_be_read_is_seen(browser, tmp_path):
    bad = '<!doctype html><html lang="en"><title>t</title><main>'
    bad += '<h1 style="color:#ddd">pale words</h1><button></button>'
    (tmp_path / "bad.html").write_text(bad + '<p style="width:2000px">wide</p></main>')
    browser.open(tmp_path / "bad.html")
    found = " ".join(browser.axe())
    assert "color-contrast" in found
    assert "button-name" in found
    assert browser.overflow() > 0
