"""Some pictures and what the model says of them, as the page shows them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from nncore.report.thumbnails import thumbnail
from nncore.report.words import shown
from nncore.training.samples import Predicting, Samples

# The part of the training's time that may go into looking at them.
_SHARE = 0.005
# And what may go into it from the beginning, in seconds.
_AT_ONCE = 0.03


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


class Budget:
    """Whether there is time to look again: what it took so far stays a small part of the whole."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._spent = self._longest = 0.0

    @contextlib.contextmanager
    def spend(self, times: int = 1) -> Iterator[None]:
        """What happens within is counted; looking again is expected to take `times` as long."""
        started = time.perf_counter()
        yield
        seconds = time.perf_counter() - started
        self._spent += seconds
        self._longest = max(self._longest, seconds * times)

    @property
    def allows(self) -> bool:
        """Whether looking once more is within the share."""
        elapsed = time.monotonic() - self._begun
        return self._spent + self._longest <= _AT_ONCE + _SHARE * elapsed
