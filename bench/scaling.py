"""What a training step costs by parameters, batch and processes, and what that makes of a cluster.

python bench/scaling.py                       # 1 and 2 processes of this machine, under 5 minutes
python bench/scaling.py --seconds 0.2 --networks mlp64 cnn28      # to try it out

Measured in one run: steps of each network on one process at two batch sizes (to which the model is
fitted) and on two processes (which it has to predict), and the link between them: how long a sum
over both takes for vectors of several lengths. `scaling_model.py` is the model,
`scaling_worker.py` what each process does. Needs mpiexec and mpi4py; nothing else may be running.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from scaling_model import LINKS, Link, Step, efficiency, fitted, seconds_of
from scaling_steps import NETWORKS, told

NODES = (8, 16, 32, 64, 128, 256)
PREDICTED = ("resnet", "lite0")
# Images of each node's share of a step, where the batch grows with the nodes.
SHARE = {"resnet": 64, "lite0": 16}


def steps_of(found: dict[str, Any]) -> list[Step]:
    return [Step(**one) for one in found["steps"]]


def table(rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
    print()


def check(one: list[Step], two: list[Step], link: Link) -> list[dict[str, Any]]:
    """Measured and predicted steps of two processes."""
    rows = [
        [
            "network",
            "batch",
            "1 process, ms",
            "2, ms",
            "predicted",
            "off",
            "speedup",
            "of means",
            "told",
        ]
    ]
    records = []
    alone = {(step.network, step.batch): step for step in one}
    for step in two:
        cost = fitted([other for other in one if other.network == step.network])
        predicted = seconds_of(cost, step.batch, 2, step, link)
        before = alone[step.network, step.batch]
        rows.append(
            [
                step.network,
                str(step.batch),
                f"{1e3 * before.seconds:.2f}",
                f"{1e3 * step.seconds:.2f}",
                f"{1e3 * predicted:.2f}",
                f"{predicted / step.seconds - 1:+.0%}",
                f"{before.seconds / step.seconds:.2f}",
                f"{before.mean / step.mean:.2f}",
                f"{step.bytes / 1e6:.2f} MB in {step.calls:.0f}, {1e3 * step.telling:.2f} ms",
            ]
        )
        speedup = before.seconds / step.seconds
        records.append({**vars(step), "predicted": predicted, "speedup": speedup})
    table(rows)
    return records


def predict(one: list[Step], two: list[Step], cores: int) -> list[dict[str, Any]]:
    """Efficiency of clusters, each node with so many cores as fast as that of this machine."""
    records = []
    for network in PREDICTED:
        steps = [step for step in one if step.network == network]
        both = [step for step in two if step.network == network]
        if not steps or not both:
            continue
        cost, spread = fitted(steps), max(step.spread for step in steps)
        rows = [["link", "nodes", "efficiency", "latency", "bandwidth", "stragglers", "first"]]
        for name, link in LINKS.items():
            for nodes in NODES:
                found = efficiency(cost, SHARE[network], nodes, both[-1], link, cores, spread)
                shares = [f"{found[part]:.1%}" for part in ("latency", "bandwidth", "stragglers")]
                rows.append([name, str(nodes), f"{found['efficiency']:.1%}", *shares])
                rows[-1].append(max(("latency", "bandwidth", "stragglers"), key=found.__getitem__))
                records.append({"network": network, "link": name, "nodes": nodes, **found})
        print(f"{network}, {SHARE[network]} images for each node of {cores} cores")
        table(rows)
    return records


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--seconds", type=float, default=2.0, help="of each reading")
    parser.add_argument("--cores", type=int, default=16, help="of a node that is predicted")
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--trace", type=Path, help="of two processes, for chrome://tracing or ui.perfetto.dev"
    )
    args = parser.parse_args()
    trace = ["--trace", str(args.trace)] if args.trace else []
    alone = told(1, args.networks, args.seconds)
    both = told(2, args.networks, args.seconds, *trace)
    link = Link(**both["link"])
    print(
        f"link of two processes here: {1e6 * link.latency:.1f} us for a sum of nothing, "
        f"{link.bytes_per_second / 1e9:.2f} GB/s"
    )
    one, two = steps_of(alone), steps_of(both)
    checked = check(one, two, link)
    predicted = predict(one, two, args.cores)
    if args.json:
        record = {"one": alone, "two": both, "checked": checked, "predicted": predicted}
        args.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
