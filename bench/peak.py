"""The machine's limit: its measured peak of fused multiply-adds, through bench/cpp/peak.cpp.

The tool needs a C++ compiler and no library; it is built at its first use into build/bench-peak and
again when its sources change. Without a compiler, nncore's own product of 512 x 512 matrices stands
in for it, which is below the true peak; `Peak.source` says which was measured.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from process import BENCH
from rounds import Run

_SOURCES = [BENCH / "cpp" / name for name in ("peak.cpp", "peak_main.cpp", "peak.h")]
_LOOP = "FMA loop (bench/cpp/peak.cpp)"


@dataclass(frozen=True)
class Peak:
    """GFLOP/s that `threads` threads reach together on one instruction set."""

    gflops: float
    isa: str
    threads: int
    source: str

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def measure_peak(threads: int, isa: str | None = None) -> Peak:
    """Measure the peak of the best instruction set, or of `isa` where the machine has its FMAs."""
    tool = build_tool()
    if tool is None:
        return _matmul_peak(threads)
    done = subprocess.run([str(tool), str(threads)], check=True, capture_output=True, text=True)
    peaks: dict[str, float] = json.loads(done.stdout)
    if not peaks:
        return _matmul_peak(threads)
    chosen = isa if isa in peaks else next(iter(peaks))
    return Peak(peaks[chosen], chosen, threads, _LOOP)


def limit_run(threads: int, isa: str | None = None) -> tuple[Run, Peak] | None:
    """The FMA loop as a contender: units are GFLOP; and the peak in a short run.

    Under lasting load a processor's clock is lower than in the short runs of `measure_peak`: a
    share of the peak means something only if both ran in turns. None without a compiler or FMAs.
    """
    tool = build_tool()
    peak = measure_peak(threads, isa)
    if tool is None or peak.source != _LOOP:
        return None

    def run(gflop: int) -> float:
        done = subprocess.run(
            [str(tool), str(threads), peak.isa, str(gflop)],
            check=True,
            capture_output=True,
            text=True,
        )
        return float(done.stdout)

    return run, peak


def build_tool() -> Path | None:
    """The tool's path, built if need be; None without a compiler.

    Raises
    ------
    RuntimeError
        The compiler refuses the source.
    """
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        return None
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in _SOURCES)).hexdigest()
    folder = BENCH.parent / "build" / "bench-peak"
    tool = folder / f"nncore_peak-{digest[:12]}"
    if tool.exists():
        return tool
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{tool.name}.{os.getpid()}"
    sources = [str(source) for source in _SOURCES if source.suffix == ".cpp"]
    command = [compiler, "-O2", "-std=c++17", "-pthread", *sources, "-o", str(unfinished)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    unfinished.replace(tool)
    return tool


def _matmul_peak(threads: int) -> Peak:
    import nncore as nn

    before = nn.get_num_threads()
    nn.set_num_threads(threads)
    a = np.ones((512, 512), np.float32)
    out = np.empty_like(a)
    best = np.inf
    for _ in range(30):
        started = time.perf_counter()
        nn.kernels.matmul(a, a, out=out)
        best = min(best, time.perf_counter() - started)
    nn.set_num_threads(before)
    source = "nncore.kernels.matmul 512x512x512, for want of a C++ compiler (below the true peak)"
    return Peak(2 * 512**3 / best / 1e9, str(nn.info()["isa"]), threads, source)
