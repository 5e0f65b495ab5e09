"""A model behind HTTP, beside the same one behind ONNX Runtime: ``python bench/serve.py``.

Clients ask the server of `nncore serve` again and again, each as soon as it has its answer, which
is compared. Behind the same server stand nncore, or the model's ONNX file in ONNX Runtime.
`computing` is the share of the time in which a batch was being computed: the engine's part in what
a client waits for; `decoding` that of the pictures, on two threads. `CPU ms` is what the whole
server took of the processors for a request: of all figures it depends least on what else runs.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from contenders.nncore_fit import make_model
from http_load import Outcome, Question, load, post
from machine import load_warning, machine, versions
from output import table, write_json
from PIL import Image
from process import BENCH, environment, usable_cpus
from works import CLASSES, WORKS

import nncore as nn

ENGINES = ("nncore", "onnxruntime", "onnxruntime-single")
PHOTO_NETWORKS = ("lite0", "mobilenetv2", "resnet18")
PICTURES = 64
_ANSWERED = 'nncore_requests_total{path="/predict",status="200"}'


def make_served(name: str, path: Path) -> list[bytes]:
    """Write a model that takes pictures to `path`; the pictures to ask it about, as files."""
    if name in PHOTO_NETWORKS:
        import folders
        import photo_task

        model, classes = photo_task.NETWORKS[name](), photo_task.CLASSES
        found = [np.asarray(photo)[:240, :320] for photo in folders.photos().values()]
        files = [_file(np.roll(found[n % len(found)], n, 1), "JPEG") for n in range(PICTURES)]
        side = (photo_task.SIDE, photo_task.SIDE)
        images = [np.asarray(Image.open(io.BytesIO(file)).resize(side)) for file in files]
    else:
        model, classes = make_model(WORKS[name]), CLASSES
        random = np.random.default_rng(0)
        shape = WORKS[name].input_shape
        images = list(random.integers(0, 256, (PICTURES, *shape), np.uint8))
        files = [_file(image.squeeze(), "PNG") for image in images]
    data = nn.ImageDataset.from_arrays(
        np.stack(images), np.arange(PICTURES) % classes, classes=[f"c{n}" for n in range(classes)]
    )
    # For its classes, its preprocessing, and averages that suit the pictures; it learns nothing.
    model.fit(data, epochs=1, batch_size=8, optimizer=nn.SGD(1e-12), verbose=0)
    model.save(path)
    return files


def _file(pixels: np.ndarray, kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, quality=90)
    return file.getvalue()


@contextmanager
def serving(path: Path, engine: str, threads: int) -> Iterator[int]:
    """The port of a server, which is a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "servers", str(path), engine],
        stdout=subprocess.PIPE,
        text=True,
        cwd=BENCH,
        env=environment(threads),
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


def questions(model: Path, files: Sequence[bytes]) -> list[Question]:
    """Each picture with the label that nncore gives it: all engines must."""
    found = nn.load(model).predict([Image.open(io.BytesIO(file)) for file in files])
    start = '{"predictions":[{"path":null,"label":"%s",'
    return [
        Question(post("/predict", file, "image/png"), (start % one.label).encode())
        for file, one in zip(files, found, strict=True)
    ]


def metrics(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


def measure(
    model: Path, asked: list[Question], engine: str, options: argparse.Namespace
) -> dict[str, Any]:
    """One server under load."""
    with serving(model, engine, options.threads) as port:
        load(port, asked, options.clients, options.seconds / 10, warm_up=0)
        before = metrics(port)
        outcome = load(port, asked, options.clients, options.seconds, warm_up=0)
        after = metrics(port)
        alone = load(port, asked, 1, min(options.seconds, 2), warm_up=0)
    return {"engine": engine, "alone": alone.percentile(50), **_facts(outcome, before, after)}


def _facts(outcome: Outcome, before: dict[str, float], after: dict[str, float]) -> dict[str, Any]:
    gone = {name: after[name] - before.get(name, 0) for name in after}
    return {
        "requests": len(outcome.latencies),
        "rate": outcome.rate,
        "p50": outcome.percentile(50),
        "p99": outcome.percentile(99),
        "errors": outcome.errors,
        "computing": gone["nncore_compute_seconds_total"] / outcome.seconds,
        "decoding": gone["nncore_decode_seconds_total"] / outcome.seconds,
        "cpu_per_request": gone.get("process_cpu_seconds_total", np.nan) / gone[_ANSWERED],
        "batch": gone["nncore_batch_pictures_sum"] / max(gone["nncore_batch_pictures_count"], 1),
        "memory_before": before.get("process_resident_memory_bytes"),
        "memory_after": after.get("process_resident_memory_bytes"),
    }


def _row(name: str, found: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{name}: {found['engine']}",
        f"{found['rate']:,.0f}",
        *(f"{found[key] * 1e3:.3g}" for key in ("p50", "p99", "alone")),
        str(len(found["errors"])),
        f"{found['cpu_per_request'] * 1e3:.3g}",
        f"{found['computing']:.0%}",
        f"{found['decoding']:.0%}",
        f"{found['batch']:.1f}",
        f"{(found['memory_after'] - found['memory_before']) / 2**20:+.0f}",
    )


HEADER = (
    *("network: engine", "requests/s", "p50 ms", "p99 ms", "one client, ms", "errors"),
    *("CPU ms", "computing", "decoding", "batch", "MB grown"),
)


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    warning = load_warning()
    if warning:
        print(f"WARNING: {warning}")
    report: dict[str, Any] = {
        "machine": machine(),
        "versions": versions(["nncore", "onnxruntime", "starlette", "uvicorn", "httptools"]),
        "settings": {name: getattr(options, name) for name in ("seconds", "clients", "threads")},
        "measured": {},
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.works:
            model = Path(folder) / f"{name}.safetensors"
            asked = questions(model, make_served(name, model))
            for number in range(options.rounds):
                for engine in options.engines:
                    found = measure(model, asked, engine, options)
                    report["measured"].setdefault(name, []).append(found)
                    rows.append(_row(name, found))
                    print(f"round {number + 1}: {json.dumps(found)[:200]}", file=sys.stderr)
    print(table(HEADER, rows))
    if options.json:
        write_json(options.json, report)
    wrong = [found for each in report["measured"].values() for found in each if found["errors"]]
    return 1 if wrong else 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--works", nargs="+", choices=[*WORKS, *PHOTO_NETWORKS], default=["cnn28", "lite0"]
    )
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--threads", type=int, default=len(usable_cpus()), help="of the engine")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60, help="per server and round")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    options = parser.parse_args(arguments)
    if min(options.rounds, options.clients, options.threads) < 1 or options.seconds <= 0:
        parser.error("--rounds, --clients, --threads and --seconds must be positive")
    return options


if __name__ == "__main__":
    sys.exit(main())
