"""A real browser for the tests of this folder, which `.ci/browser` runs; else they are not seen."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

if os.environ.get("NNCORE_BROWSER") != "1":
    collect_ignore_glob = ["test_*.py"]

PHONE, DESK = (390, 844), (1280, 900)
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]


class Browser:
    """Chromium without a window."""

    def __init__(self) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        for flag in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "hide-scrollbars"):
            options.add_argument(f"--{flag}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options, Service("/usr/bin/chromedriver"))
        self.driver.set_script_timeout(300)  # axe takes its time on a busy machine

    def open(self, page: Path | str, size: tuple[int, int] = DESK, dark: bool = False) -> None:
        """Show a file or an address at this size, by day or by night."""
        self._command("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1],
                      deviceScaleFactor=1, mobile=size == PHONE)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._command("Emulation.setEmulatedMedia", features=[scheme])
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)  # what former pages said
        self.driver.get(page if isinstance(page, str) else page.as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def console(self) -> list[str]:
        """What the page complained of since it was opened."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Addresses that were asked for since the page was opened, but for those within it."""
        messages = [
            json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")
        ]
        asked = (
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        )
        return [url for url in asked if not url.startswith(("data:", "blob:"))]

    def axe(self) -> list[str]:
        """What axe-core finds serious or critical, each with its first element."""
        found = importlib.util.find_spec("axe_playwright_python")
        assert found is not None
        assert found.origin is not None
        self.run(Path(found.origin).with_name("axe.min.js").read_text(encoding="utf-8"))
        answer = self.driver.execute_async_script(
            "const done = arguments[1];"
            "axe.run(document, {runOnly: arguments[0]}).then(done, e => done({failed: `${e}`}))",
            _RULES,
        )
        assert "failed" not in answer, answer
        return [
            f"{one['id']} ({one['impact']}): {one['nodes'][0]['html']:.200}"
            for one in answer["violations"]
            if one["impact"] in ("serious", "critical")
        ]

    def overflow(self) -> int:
        """Pixels by which the page is wider than its window."""
        return int(
            self.run(
                "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
        )

    def screenshot(self, name: str) -> None:
        """A picture of the whole page, for people, where one is wanted."""
        folder = os.environ.get("NNCORE_SCREENSHOTS")
        if folder is None:
            return
        import base64

        metrics = self._command("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "scale": 1, "width": metrics["width"], "height": metrics["height"]}
        taken = self._command("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{name}.png").write_bytes(base64.b64decode(taken["data"]))

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.driver.quit()

    def _command(self, name: str, **arguments: Any) -> Any:
        return self.driver.execute_cdp_cmd(name, arguments)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = Browser()
    yield found
    found.close()


@pytest.fixture(scope="session")
def looks_right(browser: Browser) -> Callable[[Path | str, str], None]:
    """Check a page at a phone's and a desk's width, by day and by night; `name` is for pictures."""

    def check(page: Path | str, name: str) -> None:
        own = (page if isinstance(page, str) else page.as_uri()).split("?")[0]
        for size, place in ((PHONE, "phone"), (DESK, "desk")):
            for dark in (False, True):
                browser.open(page, size, dark)
                where = f"{name}-{place}-{'dark' if dark else 'light'}"
                browser.screenshot(where)
                assert browser.overflow() <= 0, where
                assert browser.axe() == [], where
                assert browser.console() == [], where
                own = page if isinstance(page, str) else page.as_uri()
                others = [
                    url for url in browser.requests() if not url.startswith(own.split("?")[0])
                ]
                assert others == [], where

    return check
