"""Pictures that come together are decoded by several threads and computed as one batch.

Nobody waits for company: a worker takes what is there. While a batch is computed, the next pictures
gather, so that batches grow by themselves when there is much to do. The engine gives the same bits
at any batch size, so that nobody can see from an answer who else was asking.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nncore.data.pictures.decode import UnusableImageError, decode
from nncore.data.pictures.request import Request
from nncore.serve.models import ServedModel
from nncore.serve.uploads import Upload
from nncore.training.answers.predictions import Prediction, Predictions

# So many pictures a thread takes at the most before others get their turn. More at once are not
# computed faster, and make those wait who are ready, and all clients ask again at the same moment.
_DECODED_AT_ONCE = 16
_COMPUTED_AT_ONCE = 16


@dataclass(frozen=True)
class Ask:
    """Which model, and what is asked of it besides the label: pictures of which that is the same
    are computed together."""

    served: ServedModel
    top_k: int
    coverage: float | None = None


@dataclass(eq=False)
class Job:
    """The pictures of one request; `finished` gets None when each is in `found` or in `errors`."""

    ask: Ask
    uploads: Sequence[Upload]
    finished: asyncio.Future[None]
    given_up: bool = False
    found: list[Prediction | None] = field(init=False)
    errors: list[UnusableImageError | None] = field(init=False)
    failure: Exception | None = None
    decode_seconds: float = 0.0
    compute_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.found = [None] * len(self.uploads)
        self.errors = [None] * len(self.uploads)
        self.left = len(self.uploads)


@dataclass(eq=False)
class _Picture:
    job: Job
    index: int
    pixels: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Batch:
    """What was computed at once: how many pictures, and how long that took."""

    pictures: int
    seconds: float


class Workers:
    """The threads, from `start` to `stop`. `on_batch` is called in the event loop's thread."""

    def __init__(self, threads: int, max_pixels: int, on_batch: Callable[[Batch], object]) -> None:
        self._count, self._max_pixels, self._on_batch = threads, max_pixels, on_batch
        self._encoded: deque[_Picture] = deque()
        self._decoded: deque[_Picture] = deque()
        self._wake = threading.Condition()
        self._computing = threading.Lock()
        self._stopping = False
        self._threads: list[threading.Thread] = []

    @property
    def waiting(self) -> int:
        """Pictures that nobody has begun to decode."""
        return len(self._encoded)

    @property
    def alive(self) -> bool:
        """Whether all threads are there."""
        return bool(self._threads) and all(thread.is_alive() for thread in self._threads)

    def start(self) -> None:
        """In the event loop that `answer` is called in."""
        self._loop = asyncio.get_running_loop()
        self._threads = [
            threading.Thread(target=self._run, name=f"nncore-serve-{number}", daemon=True)
            for number in range(self._count)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads; what they have begun is finished."""
        with self._wake:
            self._stopping = True
            self._encoded.clear()
            self._wake.notify_all()
        for thread in self._threads:
            thread.join(timeout=5)

    async def answer(self, ask: Ask, uploads: Sequence[Upload]) -> Job:
        """All pictures of a request, decoded and computed.

        Cancelled, it leaves out what has not begun.
        """
        job = Job(ask, uploads, self._loop.create_future())
        with self._wake:
            self._encoded.extend(_Picture(job, index) for index in range(len(uploads)))
            self._wake.notify()
        try:
            await job.finished
        finally:
            job.given_up = True
        return job

    # -- in the threads

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._encoded and not self._stopping:
                    self._wake.wait()
                if not self._encoded:
                    return
                share = self._share()
                if self._encoded:
                    self._wake.notify()
            for picture in share:
                self._decode(picture)
            self._decoded.extend(share)
            self._compute_what_is_there()

    def _share(self) -> list[_Picture]:
        count = -(-len(self._encoded) // self._count)
        return [self._encoded.popleft() for _ in range(min(count, _DECODED_AT_ONCE))]

    def _decode(self, picture: _Picture) -> None:
        job, began = picture.job, time.perf_counter()
        if job.given_up:
            return
        upload = job.uploads[picture.index]
        request = Request.of(job.ask.served.preprocessing, self._max_pixels)
        try:
            picture.pixels = decode(upload.content, request, name=upload.name or "the picture")
        except UnusableImageError as error:
            # Without the traceback, whose frames would keep the picture.
            job.errors[picture.index] = error.with_traceback(None)
        except Exception as error:
            job.failure = error
        job.decode_seconds += time.perf_counter() - began

    def _compute_what_is_there(self) -> None:
        """One thread computes at a time, and goes on while others bring more.

        Who brings something while another computes leaves it there. That one looks again after it
        has let go of the lock, so that nothing is left behind.
        """
        while self._decoded and self._computing.acquire(blocking=False):
            try:
                while batch := self._batch():
                    self._compute(batch)
            finally:
                self._computing.release()

    def _batch(self) -> list[_Picture]:
        """The next pictures of which the same is asked."""
        batch: list[_Picture] = []
        while self._decoded and len(batch) < _COMPUTED_AT_ONCE:
            if batch and self._decoded[0].job.ask != batch[0].job.ask:
                break
            batch.append(self._decoded.popleft())
        return batch

    def _compute(self, batch: list[_Picture]) -> None:
        began = time.perf_counter()
        images = [picture.pixels for picture in batch if picture.pixels is not None]
        failure, answers = None, Predictions()
        if images:
            ask = batch[0].job.ask
            try:
                answers = ask.served.model.predict(
                    np.stack(images), ask.top_k, coverage=ask.coverage
                )
            except Exception as error:
                failure = error
        seconds = time.perf_counter() - began
        finished, following = [], iter(answers)
        for picture in batch:
            job = picture.job
            if picture.pixels is not None:
                job.compute_seconds = seconds
                job.found[picture.index] = next(following, None)
                job.failure = job.failure or failure
            picture.pixels = None
            job.left -= 1
            if not job.left:
                finished.append(job)
        # The loop is closed where the server was told to end without waiting.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._deliver, finished, Batch(len(images), seconds))

    # -- in the event loop

    def _deliver(self, finished: list[Job], batch: Batch) -> None:
        if batch.pictures:
            self._on_batch(batch)
        for job in finished:
            if not job.finished.done():
                job.finished.set_result(None)
