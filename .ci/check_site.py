"""Every link of the built site leads somewhere, to an anchor that is there; those to other servers
are well-formed (nothing is fetched).

python .ci/check_site.py build/site
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The anchors of a page, and what it links to or shows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            elif name in ("href", "src") and value is not None:
                self.links.append(value)


def broken_links(site: Path) -> list[str]:
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    broken = []
    for path, page in sorted(pages.items()):
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https"):
                good = bool(parts.hostname) and "." in str(parts.hostname) and " " not in link
            elif parts.scheme:
                good = parts.scheme in ("mailto", "data")
            else:
                place = unquote(parts.path)
                start = site if place.startswith("/") else path.parent
                target = (start / place.lstrip("/")).resolve() if place else path
                if target.is_dir():
                    target /= "index.html"
                good = target.is_file()
                if good and parts.fragment and target in pages:
                    good = unquote(parts.fragment) in pages[target].anchors | {"__top"}
            if not good:
                broken.append(f"{path.relative_to(site)}: {link}")
    if not pages:
        broken.append(f"{site}: no page")
    return broken


def main() -> None:
    broken = broken_links(Path(sys.argv[1]).resolve())
    for one in broken:
        print("broken link in", one, file=sys.stderr)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
