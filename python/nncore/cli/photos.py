"""Whether pictures ask for a network that knows photos already, seen from their headers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nncore.cli.inputs import check_exists
from nncore.cli.models import DEFAULT_BACKBONE
from nncore.extras import pip_command
from nncore.process.team import by_first

if TYPE_CHECKING:
    from nncore.data import ClassMap


@dataclass(frozen=True)
class Seen:
    """What labelled pictures ask for.

    `backbone` is the network's name, None where they had better be learned from scratch; `advice`
    says what to install where there should be one and is none; `fit` is how they are best shown to
    one, None where there is no picture.
    """

    backbone: str | None = None
    advice: str | None = None
    fit: str | None = None

    @property
    def suits(self) -> bool:
        """Whether the pictures ask for one."""
        return self.backbone is not None or self.advice is not None


def look(source: str, layout: str, classes: ClassMap | str | None = None) -> Seen:
    """At the headers of a folder, whose layout is one of `LAYOUTS`, or of a table; of a team the
    first process does it.

    Raises
    ------
    DataError
        There are no labelled images.
    """
    return by_first(lambda: _look(source, layout, classes))


def _look(source: str, layout: str, classes: ClassMap | str | None) -> Seen:
    from nncore.data.sources.headers import look_at_headers
    from nncore.data.sources.listing import list_source
    from nncore.interop.pretrained import is_installed
    from nncore.training.recipes.transfer import best_fit, suits_a_backbone

    check_exists(source)
    paths = list_source(source, classes, True, layout).paths
    headers = look_at_headers(paths)
    if headers is None:
        return Seen()
    fit = best_fit(headers.transparent)
    if not suits_a_backbone(len(paths), headers.side):
        return Seen(fit=fit)
    if not is_installed(DEFAULT_BACKBONE):
        return Seen(advice=_advice(), fit=fit)
    return Seen(DEFAULT_BACKBONE, fit=fit)


def _advice() -> str:
    return (
        "these pictures are large enough to be photos: on some hundred photos a network that knows "
        f"photos already is usually right far more often; {pip_command('pretrained')} (17 MB) and "
        "train with it, or say --backbone none"
    )
