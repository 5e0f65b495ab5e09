"""How fast a training goes and how long it will take, from the clock and what is done."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

# The speed that is told is that of so many seconds past.
_WINDOW = 3.0


class Speed:
    """Of one call of `fit`.

    Parameters
    ----------
    total
        What there is to do: images or steps, of all its epochs.
    done
        What of it was done before.
    clock
        Seconds from some moment on.
    """

    def __init__(
        self, total: int, done: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.total, self._clock = total, clock
        self._begun = self._last = clock()
        self._before = self._done = done
        self._steps: deque[tuple[float, int]] = deque()  # seconds, and what was done in them
        self._seconds, self._window_done = 0.0, 0

    def begin_epoch(self) -> None:
        """What went before (a validation, a file that was written) is no part of the steps."""
        self._last = self._clock()

    def update(self, done: int) -> None:
        """So much is done of `total`."""
        now = self._clock()
        self._add(now - self._last, done - self._done)
        self._last, self._done = now, done

    def _add(self, seconds: float, done: int) -> None:
        self._steps.append((seconds, done))
        self._seconds += seconds
        self._window_done += done
        while len(self._steps) > 1 and self._seconds - self._steps[0][0] >= _WINDOW:
            old_seconds, old_done = self._steps.popleft()
            self._seconds -= old_seconds
            self._window_done -= old_done

    @property
    def per_second(self) -> float:
        """In the steps of the last seconds, validation left out; 0.0 before the first ones."""
        return self._window_done / self._seconds if self._seconds > 0 else 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._begun

    @property
    def left(self) -> float | None:
        """Seconds, if it goes on as it went on the whole, validation included; None at first."""
        done = self._done - self._before
        return self.elapsed * (self.total - self._done) / done if done else None
