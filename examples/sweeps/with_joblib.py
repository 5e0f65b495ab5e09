"""A sweep over processes of this machine: joblib's own backend (loky).

python examples/sweeps/with_joblib.py
"""

from __future__ import annotations

from searched import run

if __name__ == "__main__":
    # loky grants each of its processes its share of the CPUs; nncore keeps to it.
    run(workers=2)
