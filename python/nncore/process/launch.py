"""Whether this process was started as one of several, told from the environment alone."""

from __future__ import annotations

import os
from dataclasses import dataclass

# What the programs that start processes of MPI tell each: its rank, and how many there are. Open
# MPI's; MPICH's, Intel MPI's and that of srun with PMI-2; MVAPICH's; PMIx's, which tells no number,
# but srun does. Within a job of SLURM a process that srun has not started has none of these.
_VARIABLES = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),
    ("PMIX_RANK", "SLURM_STEP_NUM_TASKS"),
)
# Set to 0: each process is for itself, whoever started it. To "messages": as if each were on a
# machine of its own.
SWITCH = "NNCORE_MPI"


@dataclass(frozen=True)
class Launch:
    """How this process was started as one of several.

    Attributes
    ----------
    variable
        Of the environment, by which it is known.
    size
        How many there are; None where nobody tells.
    """

    variable: str
    size: int | None


def launch() -> Launch | None:
    """How this process was started among others; None where it was started alone."""
    if os.environ.get(SWITCH, "").strip() == "0":
        return None
    for rank, size in _VARIABLES:
        if rank in os.environ:
            number = os.environ.get(size, "")
            found = Launch(rank, int(number) if number.isdecimal() else None)
            return None if found.size == 1 else found
    return None


def launched_for_messages() -> bool:
    """Whether processes are to send each other messages, even on one machine."""
    return os.environ.get(SWITCH, "").strip() == "messages"
