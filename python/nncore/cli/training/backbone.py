"""Whether a training begins with a network that knows photos already, where nobody said so."""

from __future__ import annotations

import dataclasses

from nncore.cli.flags.network import check_transfer
from nncore.cli.models import AUTO_BACKBONE, DEFAULT_HEAD, Network
from nncore.cli.output import Output
from nncore.cli.photos import look
from nncore.cli.training.plan import TrainSettings


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
    seen = look(settings.source, settings.reading.layout, settings.classes)
    if network.backbone == AUTO_BACKBONE:
        network = dataclasses.replace(network, backbone=None)
        if seen.backbone is not None:
            network = Network(DEFAULT_HEAD, backbone=seen.backbone)
        check_transfer(network, settings.training)
        if seen.advice is not None:
            out.warn(seen.advice)
    if network.on_backbone and reading.fit is None:
        reading = dataclasses.replace(reading, fit=seen.fit)
    return dataclasses.replace(settings, network=network, reading=reading)
