"""Other programs beside a measurement: they are there while it runs, and never after it."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from cpu_quota import QuotaUnavailable, quota
from loads import LOADS, spinning
from process import MISLEADING, environment


def _state(number: int) -> str:
    """What Linux says a process does: R, S, T, ...; "gone" once it has ended."""
    try:
        with open(f"/proc/{number}/stat", encoding="utf-8") as file:
            state = file.read().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"
    return "gone" if state == "Z" else state


def test_a_load_computes_where_it_is_told_and_ends():
    cpu = max(os.sched_getaffinity(0))
    before = os.sched_getaffinity(0)
    with spinning({cpu}, count=2, nice=19) as numbers:
        assert len(numbers) == 2
        for number in numbers:
            assert os.sched_getaffinity(number) == {cpu}
            assert os.getpriority(os.PRIO_PROCESS, number) == 19
            assert _state(number) == "R"
        assert os.sched_getaffinity(0) == before
    assert [_state(number) for number in numbers] == ["gone", "gone"]


def test_a_load_ends_with_an_error():
    with pytest.raises(KeyError), spinning(os.sched_getaffinity(0)) as numbers:
        raise KeyError
    assert _state(numbers[0]) == "gone"


def test_a_load_ends_when_its_program_is_killed():
    program = (
        "import os, time; from loads import spinning\n"
        "with spinning(os.sched_getaffinity(0)) as n: print(n[0], flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment(1)
    )
    assert process.stdout is not None
    number = int(process.stdout.readline())
    assert _state(number) == "R"
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 20
    while _state(number) != "gone" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _state(number) == "gone"


@pytest.mark.parametrize("name", sorted(LOADS))
def test_each_load_begins_and_ends(name: str):
    with LOADS[name]():
        pass


def test_contenders_do_not_inherit_what_misleads_a_blas(monkeypatch: pytest.MonkeyPatch):
    for name in MISLEADING:
        monkeypatch.setenv(name, "Nehalem")
    assert not set(MISLEADING) & set(environment(2))


def test_a_quota_holds_for_its_members_and_is_taken_away():
    program = (
        "import time\nwhile True:\n"
        "    wall, cpu = time.perf_counter(), time.process_time()\n"
        "    while time.perf_counter() - wall < 0.4: pass\n"
        "    print((time.process_time() - cpu) / (time.perf_counter() - wall), flush=True)"
    )
    try:
        with (
            quota(0.25, name="test") as group,
            subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process,
        ):
            try:
                group.add_process(process.pid)
                assert process.stdout is not None
                process.stdout.readline()
                assert float(process.stdout.readline()) < 0.6
                folder = group.folder
            finally:
                process.kill()
    except QuotaUnavailable as error:
        pytest.skip(str(error))
    assert not folder.exists()
