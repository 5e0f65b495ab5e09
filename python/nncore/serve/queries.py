"""What the query of a request asks for; 400 where it is not understood."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request

from nncore.serve.refusals import Refusal

_SHOWN = 40


def top_k_of(request: Request, classes: int) -> int:
    """How many labels are asked for."""
    given = _only(request, "top_k")
    text = "1" if given is None else given
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= classes):
        raise Refusal(400, f"top_k must be from 1 to {classes}, not {text[:_SHOWN]!r}")
    return int(text)


def label_of(request: Request, names: Sequence[str]) -> str | None:
    """Which class is asked for; None: the most probable one."""
    label = _only(request, "label")
    if label is not None and label not in names:
        raise Refusal(400, f"the model has no class {label[:_SHOWN]!r} (GET /model lists them)")
    return label


def _only(request: Request, name: str) -> str | None:
    """The value of the one parameter that there may be."""
    unknown = sorted(set(request.query_params) - {name})
    if unknown:
        raise Refusal(400, f"unknown in the query: {unknown[0][:_SHOWN]!r}; known: {name}")
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise Refusal(400, f"{name} is in the query {len(values)} times")
    return values[0] if values else None
