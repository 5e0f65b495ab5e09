"""A sweep over a Ray cluster.

python examples/sweeps/with_ray.py                # this machine alone
python examples/sweeps/with_ray.py auto           # the cluster that this machine is part of

Needs: pip install ".[sklearn]" ray, on all of its machines.
"""

from __future__ import annotations

import sys

import joblib
import ray
from ray.util.joblib import register_ray
from searched import run


def main() -> None:
    options = {"address": sys.argv[1]} if len(sys.argv) > 1 else {"num_cpus": 2}
    ray.init(include_dashboard=False, log_to_driver=False, **options)
    register_ray()
    with joblib.parallel_config("ray"):
        run(workers=2)
    ray.shutdown()


if __name__ == "__main__":
    main()
