"""What the query of a request asks for; 400 where it is not understood."""

from __future__ import annotations

import math
from collections.abc import Sequence

from starlette.requests import Request

from nncore.serve.models import ServedModel
from nncore.serve.refusals import Refusal
from nncore.serve.workers import Ask

_SHOWN = 40


def ask_of(request: Request, served: ServedModel) -> Ask:
    """What is asked of the pictures besides the label."""
    given = _known(request, "top_k", "coverage")
    top_k, classes = given.get("top_k", "1"), len(served.names)
    whole = top_k.isascii() and top_k.isdigit() and len(top_k) < 10
    if not whole or not 1 <= int(top_k) <= classes:
        raise Refusal(400, f"top_k must be from 1 to {classes}, not {top_k[:_SHOWN]!r}")
    coverage = given.get("coverage")
    return Ask(served, int(top_k), None if coverage is None else _share(coverage))


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        raise Refusal(400, f"coverage must be above 0 and below 1, not {text[:_SHOWN]!r}")
    return share


def label_of(request: Request, names: Sequence[str]) -> str | None:
    """Which class is asked for; None: the most probable one."""
    label = _known(request, "label").get("label")
    if label is not None and label not in names:
        raise Refusal(400, f"the model has no class {label[:_SHOWN]!r} (GET /model lists them)")
    return label


def _known(request: Request, *names: str) -> dict[str, str]:
    """The values of the parameters that there may be, each once."""
    query = request.query_params
    unknown = sorted(set(query) - set(names))
    if unknown:
        known = ", ".join(names)
        raise Refusal(400, f"unknown in the query: {unknown[0][:_SHOWN]!r}; known: {known}")
    for name in query:
        if len(query.getlist(name)) > 1:
            raise Refusal(400, f"{name} is more than once in the query")
    return dict(query)
