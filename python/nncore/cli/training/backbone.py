"""Whether a training begins with a network that knows photos already, where nobody said so."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nncore.cli.flags.network import check_transfer
from nncore.cli.inputs import check_exists
from nncore.cli.models import AUTO_BACKBONE, DEFAULT_BACKBONE, DEFAULT_HEAD, Network
from nncore.cli.output import Output
from nncore.cli.training.plan import TrainSettings

if TYPE_CHECKING:
    from nncore.data.sources.headers import Headers

_ADVICE = (
    "these pictures are large enough to be photos: on some hundred photos a network that knows "
    'photos already is usually right far more often; pip install "nncore[pretrained]" (17 MB) and '
    "train again, or say --backbone none"
)


def settled(settings: TrainSettings, out: Output) -> TrainSettings:
    """`settings` with a network that is decided on, and how it is shown pictures of another aspect
    ratio, from the headers of the pictures.

    Raises
    ------
    DataError
        There are no labelled images.
    UsageError
        Something was asked for that only a training on top of such a network has.
    """
    network, reading = settings.network, settings.reading
    if network.backbone is None:
        return settings
    from nncore.data.sources.headers import look_at_headers
    from nncore.data.sources.listing import list_source
    from nncore.training.recipes.transfer import best_fit

    check_exists(settings.source)
    paths = list_source(settings.source, settings.classes).paths
    headers = look_at_headers(paths)
    if network.backbone == AUTO_BACKBONE:
        network = _chosen(network, len(paths), headers, out)
        check_transfer(network, settings.training)
    if network.on_backbone and reading.fit is None and headers is not None:
        reading = dataclasses.replace(reading, fit=best_fit(headers.transparent))
    return dataclasses.replace(settings, network=network, reading=reading)


def _chosen(network: Network, images: int, headers: Headers | None, out: Output) -> Network:
    from nncore.interop.pretrained import is_installed
    from nncore.training.recipes.transfer import suits_a_backbone

    from_scratch = dataclasses.replace(network, backbone=None)
    if headers is None or not suits_a_backbone(images, headers.side):
        return from_scratch
    if not is_installed(DEFAULT_BACKBONE):
        out.warn(_ADVICE)
        return from_scratch
    return Network(DEFAULT_HEAD, backbone=DEFAULT_BACKBONE)
