"""Matrix products of nncore against NumPy and PyTorch: ``python bench/gemm.py``.

All three multiply the same arrays in one process, into memory that is there already, and take
turns. Each result is checked against float64. NumPy's wheels bring OpenBLAS, PyTorch's bring MKL.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from machine import load_warning, machine, versions
from numpy.typing import NDArray
from output import microseconds, table, write_json
from peak import Peak, measure_peak
from rounds import Run, Timing, alternate

import nncore as nn

try:
    import threadpoolctl
except ImportError:
    sys.exit("gemm.py needs threadpoolctl, to tell OpenBLAS its threads: pip install threadpoolctl")
try:
    import torch
except ImportError:
    torch = None

F32 = NDArray[np.float32]
OURS = "nncore"


@dataclass(frozen=True)
class Product:
    """(M, K) @ (K, N), `batch` times.

    Attributes
    ----------
    transposed
        Which operands, "a", "b" or "ab", are transposed views of row-major arrays.
    shared_b
        All products of the batch have the same b.
    """

    kind: str
    m: int
    n: int
    k: int
    transposed: str = ""
    batch: int = 1
    shared_b: bool = False

    def __str__(self) -> str:
        batch = f"{self.batch} x " if self.batch > 1 else ""
        views = "".join(f" {name}.T" for name in self.transposed)
        return f"{batch}{self.m}x{self.n}x{self.k}{views}{' one b' if self.shared_b else ''}"

    @property
    def flops(self) -> int:
        return 2 * self.batch * self.m * self.n * self.k

    def operands(self, random: np.random.Generator) -> tuple[F32, F32, F32]:
        """a, b and an out to write to."""
        lead = (self.batch,) if self.batch > 1 else ()
        a = self._operand(random, lead, self.m, self.k, "a" in self.transposed)
        b = self._operand(
            random, () if self.shared_b else lead, self.k, self.n, "b" in self.transposed
        )
        return a, b, np.empty((*lead, self.m, self.n), np.float32)

    @staticmethod
    def _operand(
        random: np.random.Generator, lead: tuple[int, ...], rows: int, columns: int, turned: bool
    ) -> F32:
        shape = (*lead, columns, rows) if turned else (*lead, rows, columns)
        values = random.uniform(-1, 1, shape).astype(np.float32)
        return values.swapaxes(-1, -2) if turned else values


PRODUCTS = (
    *(Product("square", n, n, n) for n in (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)),
    *(Product("odd", n, n, n) for n in (17, 33, 100, 255, 300)),
    # What dense layers do: forward, and a batch of images against few classes.
    Product("layer", 32, 128, 784),
    Product("layer", 64, 512, 784),
    Product("layer", 64, 512, 512),
    Product("layer", 128, 10, 1600),
    Product("layer", 256, 1000, 256),
    # Their weight gradients x.T @ d and input gradients d @ w.T.
    Product("transposed", 784, 128, 32, "a"),
    Product("transposed", 784, 512, 64, "a"),
    Product("transposed", 1600, 10, 128, "a"),
    Product("transposed", 32, 784, 128, "b"),
    Product("transposed", 64, 784, 512, "b"),
    Product("transposed", 512, 512, 512, "a"),
    Product("transposed", 512, 512, 512, "b"),
    Product("transposed", 512, 512, 512, "ab"),
    Product("transposed", 100, 100, 100, "ab"),
    Product("skinny", 1, 512, 512),
    Product("skinny", 512, 1, 512),
    Product("skinny", 4096, 16, 64),
    Product("skinny", 16, 4096, 64),
    Product("skinny", 16, 16, 4096),
    Product("skinny", 1024, 1024, 8),
    Product("batched", 8, 8, 8, batch=1024),
    Product("batched", 16, 16, 16, batch=512),
    Product("batched", 32, 32, 32, batch=128),
    Product("batched", 64, 64, 64, batch=32),
    Product("batched", 128, 64, 32, batch=16),
    Product("batched", 32, 32, 64, "b", batch=64),
    Product("batched", 32, 64, 64, batch=64, shared_b=True),
)


def contenders(a: F32, b: F32, out: F32) -> dict[str, Callable[[], object]]:
    """By name, one call that computes out = a @ b."""
    calls: dict[str, Callable[[], object]] = {
        OURS: lambda: nn.kernels.matmul(a, b, out=out),
        "numpy": lambda: np.matmul(a, b, out=out),
    }
    if torch is not None:
        ta, tb, tout = torch.from_numpy(a), torch.from_numpy(b), torch.from_numpy(out)
        calls["torch"] = lambda: torch.matmul(ta, tb, out=tout)
    return calls


def check(a: F32, b: F32, out: F32, who: str) -> None:
    """Compare `out` with the product in float64.

    Raises
    ------
    ArithmeticError
        An element is further off than rounding after each of K multiply-adds can explain.
    """
    exact = a.astype(np.float64) @ b.astype(np.float64)
    bound = a.shape[-1] * 2.0**-23 * (np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64))
    if not (np.abs(out - exact) <= bound).all():
        raise ArithmeticError(f"{who} computes a wrong product of {a.shape} and {b.shape}")


def repeated(call: Callable[[], object]) -> Run:
    """Run `call` so many times and return the seconds."""

    def run(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            call()
        return time.perf_counter() - started

    return run


@contextlib.contextmanager
def thread_limit(threads: int) -> Iterator[None]:
    """Keep all three libraries to so many threads."""
    nn.set_num_threads(threads)
    if torch is not None:
        torch.set_num_threads(threads)
    with threadpoolctl.threadpool_limits(threads, user_api="blas"):
        yield


def measure(product: Product, rounds: int, seconds: float, pause: float) -> dict[str, Timing]:
    a, b, out = product.operands(np.random.default_rng(0))
    calls = contenders(a, b, out)
    for name, call in calls.items():
        out.fill(np.nan)
        call()
        check(a, b, out, name)
    runs = {name: repeated(call) for name, call in calls.items()}
    return alternate(runs, rounds, seconds, pause)


def summary(results: list[tuple[Product, dict[str, Timing]]], peak: Peak) -> str:
    """The table of one number of threads, with the medians over the shapes."""
    peers = [name for name in results[0][1] if name != OURS]
    rows, ratios = [], {peer: [] for peer in peers}
    for product, timings in results:
        ours = timings[OURS].median
        gflops = product.flops / ours / 1e9
        cells = [str(product), product.kind, microseconds(ours), f"{gflops:.0f}"]
        cells.append(f"{gflops / peak.gflops:.0%}")
        for peer in peers:
            ratio = timings[peer].median / ours
            ratios[peer].append(ratio)
            cells.append(f"{ratio:.2f} x")
        rows.append(cells)
    header = ["M x N x K", "kind", "us", "GFLOP/s", "of peak", *(f"vs {peer}" for peer in peers)]
    lines = [table(header, rows)]
    for peer in peers:
        worst = min(range(len(results)), key=lambda i: ratios[peer][i])
        lines.append(
            f"nncore against {peer}, {peak.threads} thread(s): median "
            f"{statistics.median(ratios[peer]):.2f} x, least {ratios[peer][worst]:.2f} x "
            f"({results[worst][0]}), below 1 in {sum(r < 1 for r in ratios[peer])} of "
            f"{len(results)} shapes"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    if torch is None:
        print("NOT MEASURED: torch (MKL); install it with: pip install torch==2.13.0")
    warning = load_warning()
    if warning:
        print(f"WARNING: {warning}")
    chosen = [product for product in PRODUCTS if product.kind in options.kinds]
    report: dict[str, Any] = {
        "machine": machine(),
        "versions": versions(["nncore", "numpy", "torch"]),
        "blas": threadpoolctl.threadpool_info(),
        "settings": {"rounds": options.rounds, "seconds": options.seconds},
        "results": [],
    }
    for threads in options.threads:
        with thread_limit(threads):
            peak = measure_peak(threads)
            # One library's threads spin for a while after their work; let them fall asleep.
            pause = 0.0 if threads == 1 else 0.05
            results = [
                (product, measure(product, options.rounds, options.seconds, pause))
                for product in chosen
            ]
        print(f"\n{threads} thread(s), peak {peak.gflops:.0f} GFLOP/s ({peak.source})")
        print(summary(results, peak), flush=True)
        report["results"] += [
            {
                "product": str(product),
                "kind": product.kind,
                "threads": threads,
                "flops": product.flops,
                "peak": peak.to_dict(),
                "seconds": {name: timing.to_dict() for name, timing in timings.items()},
            }
            for product, timings in results
        ]
        if options.json:
            write_json(options.json, report)
    if options.plot:
        from plot_gemm import plot

        plot(report, options.plot)
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    kinds = list(dict.fromkeys(product.kind for product in PRODUCTS))
    parser.add_argument("--kinds", nargs="+", choices=kinds, default=kinds)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.05, help="per library, shape and round")
    parser.add_argument("--json", type=Path, help="write all rounds to this file")
    parser.add_argument("--plot", type=Path, help="draw the ratios into this .png")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or min(options.threads) < 1 or options.seconds <= 0:
        parser.error("--rounds, --threads and --seconds must be positive")
    return options


if __name__ == "__main__":
    sys.exit(main())
