"""Several processes that train one model: who they are, and what they tell each other.

Only `world()` is asked for by other rooms. MPI is imported where processes were started by it, and
nowhere else.
"""

from nncore.distributed.processes import World, world

__all__ = ["World", "world"]
