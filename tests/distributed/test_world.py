"""What processes tell each other, and sums of theirs by the fixed tree, bit for bit."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import processes
from nncore.distributed.processes import World
from nncore.process.launch import launch

# Each process has values of its own; all print the sum's digest, and process 0 what it was of.
SUMS = """
    import hashlib, sys
    import numpy as np
    from nncore.distributed import world

    w = world()
    for count in map(int, sys.argv[1:]):
        rng = np.random.default_rng([w.rank, count])
        values = (rng.standard_normal(count) * 10.0 ** rng.integers(-4, 4, count)).astype("f4")
        w.sum(values)
        print(count, hashlib.sha256(values.tobytes()).hexdigest())
"""


def by_definition(size: int, count: int) -> str:
    """The first half of the processes, rounded up, plus the rest."""
    parts = []
    for rank in range(size):
        rng = np.random.default_rng([rank, count])
        values = rng.standard_normal(count) * 10.0 ** rng.integers(-4, 4, count)
        parts.append(values.astype(np.float32))

    def tree(parts: list[np.ndarray]) -> np.ndarray:
        half = (len(parts) + 1) // 2
        return parts[0] if len(parts) == 1 else tree(parts[:half]) + tree(parts[half:])

    return hashlib.sha256(tree(parts).tobytes()).hexdigest()


@pytest.mark.parametrize("size", [3, 4])
def test_sums_have_the_bits_of_the_tree_in_every_process(tmp_path: Path, size: int) -> None:
    counts = [7, 50_021]  # a short and a long one
    lines = processes.run_script(tmp_path, size, SUMS, *map(str, counts))
    expected = [f"{count} {by_definition(size, count)}" for count in counts for _ in range(size)]
    assert lines == sorted(expected)


def test_processes_of_one_machine_have_memory_in_common(tmp_path: Path) -> None:
    script = """
        import os
        import numpy as np
        from nncore.distributed import world

        w = world()
        values = np.full(9, w.rank, np.float32)
        w.for_engine().sum(values)
        w.wait_for_all()
        files = [name for name in os.listdir("/dev/shm") if name.startswith("nncore-")]
        print(type(w.for_engine()).__name__, values.tolist() == [3] * 9, files)
    """
    assert processes.run_script(tmp_path, 3, script) == ["SharedMemoryExchange True []"] * 3
    found = processes.run_script(tmp_path, 3, script, NNCORE_MPI="messages")
    assert found == ["World True []"] * 3


@pytest.mark.parametrize("trouble", ["posix_fallocate", "open"])
def test_where_there_is_no_such_memory_messages_are_sent(tmp_path: Path, trouble: str) -> None:
    script = f"""
        import os
        import numpy as np
        from nncore.distributed import world

        w = world()
        called = os.{trouble}

        def full(path, *rest):
            if w.rank == {int(trouble == "open")} and ({trouble!r} != "open" or "nncore-" in path):
                raise OSError("no space left")
            return called(path, *rest)

        os.{trouble} = full
        print(type(w.for_engine()).__name__)
        print([name for name in os.listdir("/dev/shm") if name.startswith("nncore-")])
    """
    assert processes.run_script(tmp_path, 2, script) == ["World"] * 2 + ["[]"] * 2


def test_processes_know_each_other(tmp_path: Path) -> None:
    script = """
        import numpy as np
        from nncore.distributed import world

        w = world()
        rows = np.full((7, 3), -1.0, np.float32)
        begins = [0, 2, 2, 7]
        rows[begins[w.rank] : begins[w.rank + 1]] = w.rank
        w.gather_rows(rows, begins)
        told = w.from_first(["first", w.rank])
        heard = w.all_of({"rank": w.rank})
        w.wait_for_all()
        print(w.rank, w.size, w.first, w.alone, len(w.hosts), told, [h["rank"] for h in heard],
              w.any(w.rank == 2), w.any(False), rows[:, 0].astype(int).tolist(),
              bool((rows == rows[:, :1]).all()))
    """
    lines = processes.run_script(tmp_path, 3, script)
    rest = "['first', 0] [0, 1, 2] True False [0, 0, 2, 2, 2, 2, 2] True"
    assert lines == [f"{rank} 3 {rank == 0} False 1 {rest}" for rank in range(3)]


def test_threads_are_shared_unless_somebody_says_how_many(tmp_path: Path) -> None:
    script = """
        import os, sys
        import nncore
        from nncore.distributed import world

        if len(sys.argv) > 1:
            nncore.set_num_threads(int(sys.argv[1]))
        before = nncore.get_num_threads()
        world()
        print(before, nncore.get_num_threads())
    """
    cpus = len(os.sched_getaffinity(0))
    shared = f"{cpus} {max(1, cpus // 2)}"
    assert processes.run_script(tmp_path, 2, script, NNCORE_NUM_THREADS="") == [shared] * 2
    assert processes.run_script(tmp_path, 2, script, "3", NNCORE_NUM_THREADS="") == ["3 3"] * 2
    assert processes.run_script(tmp_path, 2, script, NNCORE_NUM_THREADS="5") == ["5 5"] * 2


def test_an_exception_in_one_process_ends_all(tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text(
        "from nncore.distributed import world\n"
        "if world().rank == 1:\n"
        "    raise ValueError('only here')\n"
        "world().wait_for_all()\n"
        "print('went on')\n"
    )
    done = processes.run(3, [sys.executable, str(file)], timeout=60)
    assert done.returncode == 1
    assert "ValueError: only here" in done.stderr
    assert "went on" not in done.stdout


def test_switched_off_each_process_is_alone(tmp_path: Path) -> None:
    script = "from nncore.distributed import world; print(world().size, world().alone)"
    assert processes.run_script(tmp_path, 2, script, NNCORE_MPI="0") == ["1 True"] * 2


def test_without_mpi4py_processes_are_told_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "mpi4py.py").write_text("raise ImportError('not here')")
    file = tmp_path / "script.py"
    file.write_text("from nncore.distributed import world; world()")
    done = processes.run(2, [sys.executable, str(file)], timeout=60)
    assert done.returncode != 0
    assert "MissingExtraError" in done.stderr
    assert 'pip install "mpi4py>=4"` (the extra nncore[mpi]), or set NNCORE_MPI=0' in done.stderr
    assert "NNCORE_MPI=0" in done.stderr


def test_another_library_than_that_of_mpiexec_is_told(tmp_path: Path) -> None:
    # As if each saw itself alone: what mpi4py over another MPI does.
    package = tmp_path / "mpi4py"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "MPI.py").write_text(
        "class COMM_WORLD:\n    size, rank = 1, 0\n"
        "def Get_library_version():\n    return 'Other MPI 1.0, of somebody'\n"
    )
    file = tmp_path / "script.py"
    file.write_text("from nncore.distributed import world; world()")
    done = processes.run(2, [sys.executable, str(file)], timeout=60)
    assert done.returncode != 0
    assert "2 processes were started together, but mpi4py sees 1" in done.stderr
    assert "Other MPI 1.0;" in done.stderr


@pytest.mark.parametrize(
    ("variables", "size"),
    [
        ({}, None),
        ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "4"}, 4),
        ({"PMI_RANK": "3", "PMI_SIZE": "8"}, 8),
        ({"MV2_COMM_WORLD_RANK": "3", "MV2_COMM_WORLD_SIZE": "8"}, 8),
        ({"PMIX_RANK": "1", "SLURM_STEP_NUM_TASKS": "2"}, 2),
        ({"PMI_RANK": "0", "PMI_SIZE": "1"}, None),  # mpiexec -n 1
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "16"}, None),  # a job's own script
        ({"PMI_RANK": "3", "PMI_SIZE": "8", "NNCORE_MPI": "0"}, None),
    ],
)
def test_the_environment_tells(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], size: int | None
) -> None:
    for name in ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "PMIX_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = launch()
    assert (None if found is None else found.size) == size


def test_nobody_tells_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMIX_RANK", "0")
    found = launch()
    assert found is not None
    assert found.size is None


def test_alone_every_call_is_that_of_one_process() -> None:
    alone = World()
    values = np.arange(5, dtype=np.float32)
    alone.sum(values)
    alone.gather_rows(values, [0, 5])
    alone.wait_for_all()
    assert values.tolist() == [0, 1, 2, 3, 4]
    assert (alone.rank, alone.size, alone.first, alone.alone) == (0, 1, True, True)
    assert (alone.all_of("x"), alone.from_first("x"), alone.any(True)) == (["x"], "x", True)
    assert alone.share_of_cpus() == 1
