"""`.ci/check_site.py` sees links into nowhere; `.ci/site_pages.py` leaves no public name out."""

from __future__ import annotations

from pathlib import Path

import nncore
from ci_scripts import script


def test_links_into_nowhere_are_found(tmp_path: Path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "index.html").write_text('<h2 id="here"><a href="../a.html">back</a>')
    (tmp_path / "a.html").write_text(
        '<a href="b/index.html#here"><a href="b/"><a href="/b/"><a href="#"><a href="https://x.org/y">'
        '<a href="b/index.html#gone"><a href="gone.html"><img src="gone.png"><a href="https://">'
        '<a href="#gone"><a href="javascript:x">'
    )
    expected = ["b/index.html#gone", "gone.html", "gone.png", "https://", "#gone", "javascript:x"]
    assert script("check_site").broken_links(tmp_path) == [f"a.html: {link}" for link in expected]
    assert script("check_site").broken_links(tmp_path / "b" / "none") != []


def test_every_public_name_has_its_place_in_the_api(tmp_path: Path):
    script("site_pages").write_api(tmp_path / "api")
    pages = "".join(page.read_text() for page in (tmp_path / "api").glob("*.md"))
    missing = [name for name in nncore.__all__ if f"::: nncore.{name}\n" not in pages]
    assert missing == ["__version__"]
