"""Does it pay to sum gradients over processes while others are still computed?

``python bench/overlap.py``, as root: two processes of one thread train over TCP, in a network
namespace whose loopback has a limited bandwidth; in turns with sums that are begun as soon as
gradients are known, and with sums that are waited for. Needs mpiexec, mpi4py, unshare, ip and tc.
"""

from __future__ import annotations

import argparse
import shlex
import statistics
import sys
from pathlib import Path
from typing import Any

from machine import load_warning, machine
from output import table, write_json
from scaling_steps import NETWORKS, told

_BY_TCP = {
    "NNCORE_MPI": "messages",
    "OMPI_MCA_pml": "ob1",
    "OMPI_MCA_btl": "tcp,self",
    "OMPI_MCA_btl_tcp_if_include": "lo",
}


def measured(networks: list[str], seconds: float, rate: str, overlap: bool) -> list[dict[str, Any]]:
    """The steps of two processes."""
    limit = f"ip link set lo up && tc qdisc add dev lo root tbf rate {shlex.quote(rate)}"
    script = f'{limit} burst 512kb latency 100ms && exec "$@"'
    flags = [] if overlap else ["--without-overlap"]
    limited = ["unshare", "-n", "sh", "-c", script, "sh"]
    found = told(2, networks, seconds, *flags, before=limited, environment=_BY_TCP)
    steps: list[dict[str, Any]] = found["steps"]
    return steps


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=["lite0", "resnet"])
    parser.add_argument("--rate", default="2gbit", help="of the link, as tc takes it")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each reading")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    warning = load_warning()
    if warning:
        print(f"WARNING: {warning}")
    found: dict[tuple[str, int], dict[bool, list[dict[str, Any]]]] = {}
    for _ in range(args.rounds):
        for overlap in (True, False):
            for step in measured(args.networks, args.seconds, args.rate, overlap):
                of_work = found.setdefault((step["network"], step["batch"]), {})
                of_work.setdefault(overlap, []).append(step)
    header = ("network", "batch", "overlapped, ms", "waiting", "waited for, ms", "waiting", "gain")
    rows, records = [], []
    for (network, batch), ways in found.items():
        seconds, telling = (
            {way: statistics.median(step[key] for step in steps) for way, steps in ways.items()}
            for key in ("seconds", "telling")
        )
        cells = [f"{1e3 * of[way]:.1f}" for way in (True, False) for of in (seconds, telling)]
        rows.append((network, str(batch), *cells, f"{seconds[False] / seconds[True]:.2f} x"))
        records.append({"network": network, "batch": batch, "steps": list(ways.values())})
    print(f"two processes, a link of {args.rate}")
    print(table(header, rows))
    if args.json:
        write_json(args.json, {"machine": machine(), "rate": args.rate, "found": records})
    return 0


if __name__ == "__main__":
    sys.exit(main())
