"""Bars of what `peers.py` measured: ``python bench/plot_peers.py FILE.json FILE.png``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from output import microseconds


def plot(report: dict[str, Any], path: Path) -> None:
    """One panel per work (rows) and number of threads (columns); the dashed line is the limit."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    results = report["results"]
    works = list(dict.fromkeys(r["work"] for r in results))
    threads = list(dict.fromkeys(r["threads"] for r in results))
    most = max(len(r["seconds_per_step"]) for r in results)
    figure, panels = pyplot.subplots(
        len(works),
        len(threads),
        figsize=(6.2 * len(threads), (0.75 + 0.27 * most) * len(works) + 0.8),
        squeeze=False,
        layout="constrained",
    )
    for row in panels:
        for panel in row:
            panel.set_visible(False)
    for result in results:
        panel = panels[works.index(result["work"])][threads.index(result["threads"])]
        panel.set_visible(True)
        _draw(panel, result)
    machine = report["machine"]
    figure.suptitle(
        f"One SGD training step, lower is better\n{machine['cpu']}, {machine['nncore']['isa']}",
        fontsize=11,
    )
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _draw(panel: Any, result: dict[str, Any]) -> None:
    timings = sorted(result["seconds_per_step"].items(), key=lambda item: -item[1]["median"])
    names = [name for name, _ in timings]
    medians = [timing["median"] for _, timing in timings]
    low = [timing["median"] - min(timing["rounds"]) for _, timing in timings]
    high = [max(timing["rounds"]) - timing["median"] for _, timing in timings]
    colours = ["tab:orange" if name == "nncore" else "tab:blue" for name in names]
    scale = 1e6
    panel.barh(
        names,
        [m * scale for m in medians],
        xerr=[[e * scale for e in low], [e * scale for e in high]],
        color=colours,
        error_kw={"elinewidth": 0.8, "capsize": 2, "ecolor": "0.3"},
    )
    limit = result["limit_seconds"] * scale
    panel.axvline(limit, color="tab:red", linestyle="--", linewidth=1)
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())
    longest = max(m + e for m, e in zip(medians, high, strict=True)) * scale
    panel.set_xlim(limit / 2, longest * (2 * longest / limit) ** 0.35)  # room for the texts
    for i, (median, above) in enumerate(zip(medians, high, strict=True)):
        share = result["share_of_limit"][names[i]]
        text = f"  {microseconds(median)} us ({100 * share:.3g}%)"
        panel.text((median + above) * scale, i, text, va="center", fontsize=7)
    panel.set_title(f"{result['work']}, {result['threads']} thread(s)", fontsize=9)
    panel.tick_params(labelsize=8)
    panel.set_xlabel("us per step (share of the FMA limit, the dashed line)", fontsize=8)


if __name__ == "__main__":
    plot(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
