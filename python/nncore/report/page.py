"""From a template to a page: one HTML file with all that it needs, which asks nobody for anything.

Every value that a template shows goes through `words.shown`, and then through Jinja2's escaping: a
class or a file may be named anything. Should markup get through all the same, the content security
policy of the page runs no script and loads nothing that the page does not hold itself.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nncore.report.words import shortened, shown

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).with_name("templates")
GENERATOR = b'<meta name="generator" content="nncore">'
"""Near the beginning of every page, by which it is known as nncore's."""
_STYLES = ("base.css",)
_NONE = "\N{EN DASH}"  # in the place of a number


def render(
    template: str,
    values: Mapping[str, Any],
    *,
    title: str,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    connects: bool = False,
) -> str:
    """A whole page as text that can be encoded as UTF-8.

    Parameters
    ----------
    template
        File in `templates/` that extends ``base.html``. In it a text is escaped wherever it
        stands; ``{{ text|name }}`` is for names, which may be long and written in any direction.
    values
        What the template shows, by name.
    title
        Of the page.
    styles, scripts
        Files in `templates/`, beside the styles of all pages; they are put into the page.
    connects
        Whether scripts may talk to the server that the page came from, and show pages of it.
    """
    css, code = _assets(styles, scripts)
    return (
        _environment()
        .get_template(template)
        .render(
            **values,
            page_title=title,
            page_styles=[_markup(text) for text in css],
            page_scripts=[_markup(text) for text in code],
            page_policy=security_policy(css, code, connects),
        )
    )


def policy_of(
    styles: Sequence[str] = (), scripts: Sequence[str] = (), connects: bool = False
) -> str:
    """The content security policy of a page that `render` makes of these files, for a header."""
    return security_policy(*_assets(styles, scripts), connects)


def _assets(styles: Sequence[str], scripts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Styles, those of all pages first, and scripts."""
    return [asset(name) for name in (*_STYLES, *styles)], [asset(name) for name in scripts]


def security_policy(styles: Sequence[str], scripts: Sequence[str], connects: bool = False) -> str:
    """A content security policy that lets these styles and scripts in, by their digests, pictures
    that are within the page, and nothing else."""
    rules = {
        "default-src": "'none'",
        "img-src": "data: blob: 'self'" if connects else "data:",
        "style-src": _digests(styles),
        "script-src": _digests(scripts),
        **({"connect-src": "'self'", "frame-src": "'self'"} if connects else {}),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


@functools.cache
def asset(name: str) -> str:
    """The text of a file in `templates/`."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _digests(texts: Sequence[str]) -> str:
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    found = " ".join(f"'sha256-{base64.b64encode(one).decode()}'" for one in digests)
    return found or "'none'"


def _markup(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "name": _name,
        "count": lambda number: f"{number:,}",
        "percent": _percent,
        "number": lambda value, digits=4: _NONE if value is None else f"{value:.{digits}g}",
        "seconds": _seconds,
    }
    return environment


def _visible(value: Any) -> Any:
    """What a template shows of a value; markup is the template's own."""
    return shown(value) if type(value) is str else value


def _name(text: str, most: int = 0) -> Any:
    """A name of the user's, in a direction of its own; longer than `most` letters: its ends, with
    the whole of it to point at."""
    from markupsafe import Markup

    whole = shown(text)
    short = shortened(whole, most) if most else whole
    if short == whole:
        return Markup('<bdi class="name">{}</bdi>').format(whole)
    return Markup('<bdi class="name" title="{}">{}</bdi>').format(whole, short)


def _percent(share: float | None, digits: int = 1) -> str:
    if share is None:
        return _NONE
    return f"{100 * share:.{digits}f}%"


def _seconds(value: float) -> str:
    """A duration, in the unit that suits it."""
    if value < 1:
        return f"{1000 * value:.0f} ms"
    if value < 10:
        return f"{value:.1f} s"
    if value < 100:
        return f"{value:.0f} s"
    if value < 6000:
        return f"{value / 60:.1f} min"
    return f"{value / 3600:.1f} h"
