"""What is answered: one method per path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import anyio
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from nncore._core import __version__
from nncore.data.pictures.decode import NotAnImageError, TooManyPixelsError, UnusableImageError
from nncore.data.skipped import SkippedFile
from nncore.serve.admission import Admission
from nncore.serve.gate import json_response
from nncore.serve.heat import heat_picture
from nncore.serve.limits import Limits
from nncore.serve.metrics import CONTENT_TYPE, Metrics
from nncore.serve.models import Models, ServedModel
from nncore.serve.openapi import document
from nncore.serve.queries import ask_of, label_of
from nncore.serve.refusals import Refusal, TooBusy
from nncore.serve.uploads import Upload, uploaded
from nncore.serve.workers import Batch, Job, Workers
from nncore.training.answers.predictions import Predictions


class Endpoints:
    """The answers, and all that they need."""

    def __init__(self, models: Models, limits: Limits, threads: int) -> None:
        self.models, self.limits = models, limits
        self.admission = Admission(limits)
        self.metrics = Metrics()
        self.workers = Workers(threads, limits.pixels, self._count_batch)
        self._one_explains = anyio.CapacityLimiter(1)

    async def predict(self, request: Request) -> Response:
        """`POST /predict`: what `nncore predict --json` prints."""
        served = self.models.current
        ask = ask_of(request, served)
        with self.admission.holding() as holding:
            uploads = await uploaded(request, self.limits, self.admission, holding)
            with self.admission.turn():
                try:
                    with anyio.fail_after(self.limits.seconds):
                        job = await self.workers.answer(ask, uploads)
                except TimeoutError:
                    raise self._too_slow() from None
        if job.failure is not None:
            if ask.coverage is not None and isinstance(job.failure, ValueError):
                raise Refusal(400, str(job.failure))
            raise job.failure
        found = _predictions(job)
        self.metrics.decode.add(job.decode_seconds)
        self.metrics.pictures.add(len(found), outcome="predicted")
        if found.skipped:
            self.metrics.pictures.add(len(found.skipped), outcome="unusable")
        if not found:
            raise _unusable(job.errors, found)
        milliseconds = f"decode;dur={job.decode_seconds * 1e3:.3f}, "
        milliseconds += f"compute;dur={job.compute_seconds * 1e3:.3f}"
        return json_response(found.to_dict(), headers={"Server-Timing": milliseconds})

    async def explain(self, request: Request) -> Response:
        """`POST /explain`: where the model looked, as a PNG."""
        served = self.models.current
        label = label_of(request, served.names)
        with self.admission.holding() as holding:
            uploads = await uploaded(request, self.limits, self.admission, holding)
            if len(uploads) != 1:
                raise Refusal(400, f"one picture is explained at a time, not {len(uploads)}")
            with self.admission.turn():
                content = await self._heat(served, uploads[0], label)
        return Response(content, headers={"Cache-Control": "no-store"}, media_type="image/png")

    async def _heat(self, served: ServedModel, upload: Upload, label: str | None) -> bytes:
        work = partial(heat_picture, served, upload, label, self.limits.pixels)
        try:
            with anyio.fail_after(self.limits.seconds):
                # Waiting for its turn can be given up; what has begun keeps the turn to its end.
                return await to_thread.run_sync(work, limiter=self._one_explains)
        except TimeoutError:
            raise self._too_slow() from None
        except UnusableImageError as error:
            raise Refusal(_status([error]), error.reason) from None
        except ValueError as error:
            raise Refusal(422, str(error)) from None

    def _too_slow(self) -> TooBusy:
        return TooBusy(f"not computed after {self.limits.seconds:g} s; try again")

    async def health(self, request: Request) -> Response:
        """`GET /health`: 200 as long as pictures are answered."""
        alive = self.workers.alive
        return json_response({"status": "ok" if alive else "failed"}, 200 if alive else 503)

    async def model(self, request: Request) -> Response:
        """`GET /model`: what answers, and what may be asked of it."""
        limits = self.limits
        told = {"body": limits.body, "pixels": limits.pixels, "parts": limits.parts}
        return json_response(
            {**self.models.current.description, "limits": told, "version": __version__}
        )

    async def metrics_text(self, request: Request) -> Response:
        """`GET /metrics`: for Prometheus."""
        admission, models = self.admission, self.models
        now = {
            "nncore_requests_in_turn": ("Requests that are being computed.", admission.requests),
            "nncore_held_bytes": ("Bytes of bodies in memory.", admission.held_bytes),
            "nncore_pictures_waiting": ("Pictures not begun.", self.workers.waiting),
            "nncore_model_opened_timestamp_seconds": (
                "When the model in use was opened.",
                models.current.opened,
            ),
        }
        text = self.metrics.text(now, models.reloads)
        return Response(text, headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})

    async def openapi(self, request: Request) -> Response:
        """`GET /openapi.json`: all of this for programs."""
        return json_response(document(self.limits))

    def _count_batch(self, batch: Batch) -> None:
        self.metrics.batches.observe(batch.pictures)
        self.metrics.compute.add(batch.seconds)


def _predictions(job: Job) -> Predictions:
    """As `Sequential.predict` gives them for files, by the names that clients call them."""
    found, skipped = [], []
    for upload, one, error in zip(job.uploads, job.found, job.errors, strict=True):
        if one is not None:
            found.append(replace(one, path=upload.name))
        elif error is not None:
            skipped.append(SkippedFile(upload.name or "", error.reason))
    return Predictions(found, skipped)


def _unusable(errors: Sequence[UnusableImageError | None], found: Predictions) -> Refusal:
    """No picture was one."""
    first = found.skipped[0]
    message = f"{first.path}: {first.reason}".removeprefix(": ")
    return Refusal(_status(errors), message, more=found.to_dict())


def _status(errors: Sequence[UnusableImageError | None]) -> int:
    """It tells in which way all pictures are none."""
    for kind, status in ((TooManyPixelsError, 413), (NotAnImageError, 415)):
        if all(isinstance(error, kind) for error in errors):
            return status
    return 422
