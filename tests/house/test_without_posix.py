"""The Python layer on a system that is not POSIX, as far as that can be seen from here: without the
modules and functions that Windows lacks, everything can be imported and a training goes through."""

from __future__ import annotations

import subprocess
import sys

HIDE = """
import importlib.abc, os, signal, sys

class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in {"fcntl", "pwd", "grp", "resource", "termios", "tty", "pty"}:
            raise ModuleNotFoundError(f"No module named {name!r} (hidden)", name=name)

sys.meta_path.insert(0, Hidden())
for name in ("fcntl", "pwd", "grp", "resource", "termios", "tty", "pty"):
    sys.modules.pop(name, None)
for name in (
    "sched_getaffinity", "sched_setaffinity", "fork", "forkpty", "getuid", "geteuid", "getgid",
    "getpgid", "setsid", "killpg", "fchmod", "fchown", "chown", "mkfifo",
    "O_NONBLOCK", "O_NOFOLLOW", "O_DIRECTORY", "register_at_fork", "posix_fadvise",
    "pread", "pwrite", "sync", "getpriority", "setpriority", "nice",
):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "pthread_sigmask", "setitimer", "alarm"):
    if hasattr(signal, name):
        delattr(signal, name)
"""

IMPORT_ALL = """
import pkgutil, nncore
names = [m.name for m in pkgutil.walk_packages(nncore.__path__, "nncore.")]
assert len(names) > 200, names
for name in names:
    if name != "nncore.__main__":
        __import__(name)
"""

TRAIN = """
import sys
from nncore.cli import main
folder, runs = sys.argv[1:]
code = main(["train", folder, "--output", runs, "--name", "a", "--model", "linear", "--epochs", "2",
             "--quiet", "--cache", "off"])
assert code == 0, code
assert main(["predict", runs + "/a", folder, "--quiet"]) == 0
assert main(["evaluate", runs + "/a", folder, "--output", runs + "/e"]) == 0
assert main(["info", runs + "/a"]) == 0 and main(["info"]) == 0
"""


def run(code: str, *args: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HIDE + code, *args], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_every_module_can_be_imported():
    run(IMPORT_ALL)


def test_train_predict_evaluate(tmp_path):
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for name, level in (("dark", 40), ("light", 200)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(12):
            pixels = rng.integers(level - 30, level + 30, (8, 8), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{i}.png")
    run(TRAIN, str(tmp_path / "data"), str(tmp_path / "runs"))
