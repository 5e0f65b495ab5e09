"""A data set larger than one would hold in memory: ``python bench/large.py``.

Pictures are written as PNG files, read into a cache, and trained on for some epochs: from the
memory map, and from arrays in memory. Each step is a process of its own that says how long it took
and how much memory of its own it used: the largest RssAnon of /proc/self/status, above that of the
interpreter after its imports. RssAnon counts private memory. The pages of a mapped file are not in
it: they belong to the system's page cache, which gives them up whenever anybody needs memory.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine import load_warning, machine
from output import table, write_json

CLASSES = 10
STEPS = ("read", "map", "memory")
_SAMPLE_SECONDS = 0.02


def write_pictures(root: Path, count: int, side: int) -> None:
    """`count` RGB PNGs of side x side: a colour per class, and blocks of noise."""
    from PIL import Image

    rng = np.random.default_rng(0)
    tints = rng.integers(0, 128, (CLASSES, 1, 1, 3))
    for label in range(CLASSES):
        (root / str(label)).mkdir(parents=True)
    for number in range(count):
        label = number % CLASSES
        blocks = rng.integers(0, 128, (side // 8, side // 8, 3)) + tints[label]
        pixels = blocks.astype(np.uint8).repeat(8, axis=0).repeat(8, axis=1)
        # Every picture is its own: none is a duplicate.
        pixels[0, :8, 0] = np.frombuffer(number.to_bytes(8, "little"), np.uint8)
        Image.fromarray(pixels).save(root / str(label) / f"{number:07}.png", compress_level=1)


def own_memory() -> int:
    """Bytes of private memory that are in use now."""
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) << 10
    raise RuntimeError("/proc/self/status has no RssAnon")


def with_peak(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` returns, and `peak_bytes` and `seconds` of it."""
    peak, base, ended = [own_memory()], own_memory(), threading.Event()

    def watch() -> None:
        while not ended.wait(_SAMPLE_SECONDS):
            peak[0] = max(peak[0], own_memory())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    started = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - started
    ended.set()
    watcher.join()
    return {**result, "seconds": seconds, "peak_bytes": max(peak[0], own_memory()) - base}


def step(name: str, pictures: str, cache: str, epochs: int) -> dict[str, Any]:
    """One step, in this process."""
    import PIL.Image  # noqa: F401 (part of the interpreter's own memory)

    import nncore as nn
    from nncore import _core  # noqa: F401
    from nncore.data.normalization import with_normalization

    def work() -> dict[str, Any]:
        data = nn.ImageDataset.from_folder(pictures, cache=cache)
        if name == "read":
            return {"images": len(data), "image_bytes": data.images.nbytes}
        if name == "memory":
            data.images = np.array(data.images)
        train, val, _ = data.split(val=0.05)
        del data
        train = with_normalization(train)
        model = nn.Sequential([nn.Flatten(), nn.Dense(128, "relu"), nn.Dense(CLASSES)])
        ready = time.perf_counter()
        history = model.fit(train, validation_data=val, epochs=epochs, batch_size=64, verbose=0)
        return {
            "fit_seconds": time.perf_counter() - ready,
            "epoch_seconds": list(history.seconds),
            "loss": history.history["loss"][-1],
        }

    return with_peak(work)


def run(name: str, folder: Path, epochs: int) -> dict[str, Any]:
    """One step in a process of its own."""
    words = ["--step", name, "--folder", str(folder), "--epochs", str(epochs)]
    answer = subprocess.run(
        [sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, check=True
    )
    return dict(json.loads(answer.stdout))


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    if options.step:
        pictures, cache = options.folder / "pictures", options.folder / "cache"
        print(json.dumps(step(options.step, str(pictures), str(cache), options.epochs)))
        return 0
    warning = load_warning()
    if warning:
        print(f"WARNING: {warning}")
    image_bytes = options.images * options.side**2 * 3
    free = shutil.disk_usage(options.folder).free
    if free < 2 * image_bytes + options.images * 4096:
        print(f"FAILED: {options.folder} has only {free >> 30} GB free")
        return 1
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in STEPS}
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        folder = Path(place)
        write_pictures(folder / "pictures", options.images, options.side)
        results["read"].append(run("read", folder, 0))
        for turn in range(options.rounds):
            for name in ("map", "memory") if turn % 2 == 0 else ("memory", "map"):
                results[name].append(run(name, folder, options.epochs))
    print(_table(results, options.images, image_bytes))
    if options.json:
        settings = {key: getattr(options, key) for key in ("images", "side", "epochs", "rounds")}
        write_json(options.json, {"machine": machine(), "settings": settings, "results": results})
    losses = {result["loss"] for name in ("map", "memory") for result in results[name]}
    if len(losses) != 1:
        print(f"FAILED: training gave different losses: {losses}")
        return 1
    return 0


def _table(results: dict[str, list[dict[str, Any]]], images: int, image_bytes: int) -> str:
    rows = []
    for name, runs in results.items():
        epochs = [seconds for one in runs for seconds in one.get("epoch_seconds", [])]
        epoch = (
            f"{np.median(epochs):.2f} ({min(epochs):.2f} to {max(epochs):.2f})" if epochs else ""
        )
        whole = np.median([one["seconds"] for one in runs])
        peak = max(one["peak_bytes"] for one in runs) / 2**20
        rows.append((name, f"{whole:.1f}", epoch, f"{peak:,.0f}"))
    head = f"{images:,} images, {image_bytes / 2**20:,.0f} MB of pixels, {os.cpu_count()} CPUs"
    header = ("step", "seconds", "seconds per epoch", "peak private MB")
    return f"{head}\n{table(header, rows)}"


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=400_000)
    parser.add_argument("--side", type=int, default=64, help="a multiple of 8, at most 64")
    parser.add_argument("--epochs", type=int, default=2, help="of each training")
    parser.add_argument("--rounds", type=int, default=1, help="trainings of each kind, alternating")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir()),
        help="where pictures and cache are written, and removed again (7 GB)",
    )
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.side % 8 or not 8 <= options.side <= 64:
        parser.error("--side must be a multiple of 8, from 8 to 64")
    return options


if __name__ == "__main__":
    sys.exit(main())
