"""Ratios of what `gemm.py` measured: ``python bench/plot_gemm.py FILE.json FILE.png``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

OURS = "nncore"


def plot(report: dict[str, Any], path: Path) -> None:
    """One panel per number of threads; a point per shape and peer, to the right where we win."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    results = report["results"]
    threads = list(dict.fromkeys(r["threads"] for r in results))
    products = list(dict.fromkeys((r["product"], r["kind"]) for r in results))
    figure, panels = pyplot.subplots(
        1,
        len(threads),
        figsize=(5.5 * len(threads) + 1.5, 0.21 * len(products) + 1.6),
        squeeze=False,
        sharey=True,
        layout="constrained",
    )
    for panel, count in zip(panels[0], threads, strict=True):
        rows = [r for r in results if r["threads"] == count]
        for marker, peer in zip("os^", _peers(rows), strict=False):
            ratios = [r["seconds"][peer]["median"] / r["seconds"][OURS]["median"] for r in rows]
            panel.plot(ratios, range(len(rows)), marker, markersize=4, label=f"against {peer}")
        panel.axvline(1.0, color="0.3", linewidth=1)
        panel.set_xscale("log", base=2)
        panel.xaxis.set_major_formatter(lambda value, _: f"{value:g} x")
        panel.set_yticks(
            range(len(products)), [f"{name}  ({kind})" for name, kind in products], fontsize=7
        )
        panel.set_ylim(len(products) - 0.5, -0.5)
        panel.grid(axis="both", linewidth=0.3)
        panel.set_xlabel("how many times as fast nncore is", fontsize=8)
        panel.set_title(f"{count} thread(s)", fontsize=9)
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    machine = report["machine"]
    figure.suptitle(
        f"Matrix products, M x N x K\n{machine['cpu']}, {machine['nncore']['isa']}", fontsize=10
    )
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _peers(rows: list[dict[str, Any]]) -> list[str]:
    return [name for name in rows[0]["seconds"] if name != OURS]


if __name__ == "__main__":
    plot(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
