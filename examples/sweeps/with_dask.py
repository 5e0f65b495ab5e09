"""A sweep over the workers of a Dask cluster.

python examples/sweeps/with_dask.py                          # a cluster of this machine alone
python examples/sweeps/with_dask.py tcp://scheduler:8786     # one that runs already

Needs: pip install ".[sklearn]" distributed, on all of its machines.
"""

from __future__ import annotations

import sys
from pathlib import Path

import joblib
from searched import run

from distributed import Client, LocalCluster


def main() -> None:
    if len(sys.argv) > 1:
        run_on(Client(sys.argv[1]))
        return
    # One thread per worker: a training uses as many CPUs as it is granted by itself.
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster:
        run_on(Client(cluster))


def run_on(client: Client) -> None:
    with client, joblib.parallel_config("dask"):
        # A module beside the script is not installed on the workers.
        client.upload_file(str(Path(__file__).with_name("searched.py")))
        run(workers=-1)


if __name__ == "__main__":
    main()
