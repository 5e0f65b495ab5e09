"""Steps of several processes: that they are told, and that sums can be waited for."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess

import overlap
import pytest
from scaling_steps import told

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mpi4py") is None or shutil.which("mpiexec") is None,
    reason="mpiexec and mpi4py are needed",
)


def test_two_processes_tell_steps_and_their_link() -> None:
    found = told(2, ["mlp64"], 0.02)
    assert [step["batch"] for step in found["steps"]] == [64, 256]
    assert all(step["seconds"] > 0 and step["calls"] > 0 for step in found["steps"])
    assert found["link"]["bytes_per_second"] > 0


def test_sums_are_begun_or_waited_for() -> None:
    limit = "tc qdisc add dev lo root tbf rate 1gbit burst 512kb latency 9ms"
    limits = ["unshare", "-n", "sh", "-c", limit]
    if not all(map(shutil.which, ("unshare", "ip", "tc"))) or subprocess.run(limits).returncode:
        pytest.skip("a network namespace with a limited loopback cannot be had")
    for overlapped in (True, False):
        steps = overlap.measured(["cnn28"], 0.02, "2gbit", overlapped)
        assert [step["batch"] for step in steps] == [64, 256]
        assert {step["overlaps"] for step in steps} == {overlapped}
