"""nncore: train and run small image classifiers on ordinary CPUs.

>>> import nncore as nn
>>> train, val, test = nn.ImageDataset.from_folder("photos/").split(val=0.15, test=0.15, seed=0)
>>> model = nn.Sequential([nn.Flatten(), nn.Dense(128, activation="relu"), nn.Dense(3)])
>>> history = model.fit(train, validation_data=val, epochs=30)
>>> print(model.evaluate(test))

`__init__.pyi` lists the public names. Submodules are imported when a name of theirs is first used,
so that ``import nncore`` stays light; the core, too, so that the command line can report, in one
line, an ``NNCORE_ISA`` or ``NNCORE_NUM_THREADS`` that makes it refuse to load.
"""

import os
import signal
import sys

import lazy_loader


def _is_command() -> bool:
    program = (getattr(sys, "argv", None) or [""])[0]
    return os.path.basename(program) == "nncore" or sys.orig_argv[1:3] == ["-m", "nncore"]


# Until the command line can answer Ctrl-C in one line, Ctrl-C ends the process as it would any
# program, without a traceback of imports.
if _is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# A Python that can do without its global lock turns it on to load the core, which does not say
# that it needs none: nncore's own Python has been tried under the lock alone. Where that was
# forbidden (PYTHON_GIL=0, -X gil=0), threads would spoil each other's work without a word.
_gil_is_on = getattr(sys, "_is_gil_enabled", lambda: True)
if getattr(sys.flags, "gil", None) == 0 and not _gil_is_on():
    raise ImportError(
        "nncore needs the global interpreter lock, which PYTHON_GIL=0 or -X gil=0 keeps off: start "
        "Python without it, and the lock is turned on when nncore's core is loaded"
    )

_own, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name):
    if name not in __all__:
        from nncore.habits import OF_PACKAGE, refuse_name

        refuse_name("nncore", name, OF_PACKAGE)
    return _own(name)
