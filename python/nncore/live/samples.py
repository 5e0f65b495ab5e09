"""Some pictures and what the model says of them, as the page shows them."""

from __future__ import annotations

from typing import Any

from nncore.report.thumbnails import thumbnail
from nncore.report.words import shown
from nncore.training.images.samples import Predicting, Samples


def pictures(samples: Samples) -> list[dict[str, Any]]:
    """Each picture with the name of its class."""
    found = []
    for image, label in zip(samples.as_bytes(), samples.labels.tolist(), strict=True):
        one = thumbnail(image)
        size = {"width": one.width, "height": one.height, "few_pixels": one.few_pixels}
        found.append({"src": one.uri, "label": shown(samples.names[label]), **size})
    return found


def answers(samples: Samples, model: Predicting) -> list[dict[str, Any]]:
    """What the model says of each just now."""
    return [
        {
            "top": [[shown(name), round(probability, 4)] for name, probability in guess.top],
            "right": guess.is_right,
            "true": round(guess.true_probability, 4),
        }
        for guess in samples.guesses(model)
    ]
