"""`fit` in several processes: the weights and the history of one, and one end for all."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

import processes
from nncore.layers import LAYER_KINDS
from nncore.optimizers import Optimizer
from shared_fits import EVERY_LAYER, EVERY_OPTIMIZER, FITS

SCRIPT = f"""
    import sys
    sys.path.insert(0, {str(Path(__file__).parents[1])!r})
    from shared_fits import FITS
    for name in FITS:
        print(name, FITS[name]())
"""


@pytest.fixture(scope="module")
def alone() -> list[str]:
    """What one process computes."""
    return [f"{name} {fit()}" for name, fit in FITS.items()]


# 16 chunks, 8, 4 or 1 to a process; and branches of different sizes.
@pytest.mark.parametrize("size", [2, 3, 8])
def test_the_bits_of_one_process(tmp_path: Path, alone: list[str], size: int) -> None:
    assert processes.run_script(tmp_path, size, SCRIPT) == sorted(alone * size)


@pytest.mark.parametrize(
    "variables",
    [{"NNCORE_NUM_THREADS": "2"}, {"NNCORE_MPI": "messages"}],
    ids=["threads", "messages"],
)
def test_the_bits_of_one_process_in_other_ways(
    tmp_path: Path, alone: list[str], variables: dict[str, str]
) -> None:
    assert processes.run_script(tmp_path, 4, SCRIPT, **variables) == sorted(alone * 4)


def test_sums_are_begun_while_gradients_are_computed(tmp_path: Path) -> None:
    script = f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        import numpy as np
        import nncore as nn
        from nncore import _core
        from nncore.distributed import world
        from shared_fits import FITS, pictures

        FITS["large"]()
        begun = len(world().background.spans)
        FITS["rows_with_momentum"]()  # has no more than one message takes
        print(begun, len(world().background.spans) - begun)
    """
    # In each of four steps the two large layers one by one, and then the first.
    (line,) = set(processes.run_script(tmp_path, 2, script, NNCORE_MPI="messages"))
    large, small = map(int, line.split())
    assert large == 4 * 3
    assert small == 0


def test_every_kind_is_among_them() -> None:
    layers = repr(EVERY_LAYER)
    assert [kind for kind in LAYER_KINDS if f"{kind}(" not in layers] == []
    assert {type(one).__name__ for one in EVERY_OPTIMIZER} == set(Optimizer.kinds())


def test_files_are_written_once_and_only_the_first_process_tells(tmp_path: Path) -> None:
    script = """
        import sys
        import numpy as np
        import nncore as nn
        from nncore.distributed import world

        folder = sys.argv[1]
        calls = []

        class Mine(nn.Callback):
            def on_epoch_end(self, epoch, logs):
                calls.append(epoch)

        class First(Mine):
            for_first_process = True
            def on_epoch_end(self, epoch, logs):
                print("first", world().rank)

        x = np.random.default_rng(0).random((20, 5), np.float32)
        model = nn.Sequential([nn.Dense(3)])
        model.fit(x, np.arange(20) % 3, epochs=2, verbose=2, callbacks=[
            nn.ModelCheckpoint(f"{folder}/{world().rank}-{{epoch}}.safetensors"),
            nn.CSVLogger(f"{folder}/{world().rank}.csv"), Mine(), First()])
        print(world().rank, calls)
    """
    file = tmp_path / "script.py"
    lines = processes.run_script(tmp_path, 2, script, str(tmp_path))
    assert lines == ["0 [1, 2]", "1 [1, 2]", "first 0", "first 0"]
    written = sorted(p.name for p in tmp_path.glob("*") if p.suffix in (".csv", ".safetensors"))
    assert written == ["0-1.safetensors", "0-2.safetensors", "0.csv"]
    done = processes.run(2, [sys.executable, str(file), str(tmp_path)], PRINTED=str(tmp_path))
    assert done.stderr.count("epoch 1/2") == 1


def run_ending(tmp_path: Path, body: str, size: int = 3) -> list[str]:
    """What processes print that train on until something ends them."""
    head = """
        import os, signal, sys, time
        import numpy as np
        import nncore as nn
        from nncore.distributed import world

        w = world()
        x = np.random.default_rng(0).random((400, 5), np.float32)
        model = nn.Sequential([nn.Dense(3)])

        def fit(**settings):
            model.fit(x, np.arange(400) % 3, **{"epochs": 10**6, "verbose": 0, **settings})
            return len(model.history), model._position.iteration
    """
    return processes.run_script(tmp_path, size, textwrap.dedent(head) + textwrap.dedent(body))


def test_a_signal_to_one_process_ends_all_at_the_same_step(tmp_path: Path) -> None:
    lines = run_ending(
        tmp_path,
        """
        class Signal(nn.Callback):
            def on_epoch_end(self, epoch, logs):
                if w.rank == 1 and epoch == 5:
                    os.kill(os.getpid(), signal.SIGINT)

        print(fit(callbacks=[Signal()]), model.interrupted, model.interrupt_signal)
        """,
    )
    assert len(lines) == 3
    assert len(set(lines)) == 1
    assert lines[0].endswith("True 2")


def test_a_callback_that_stops_in_one_process_stops_all(tmp_path: Path) -> None:
    lines = run_ending(
        tmp_path,
        """
        class Stop(nn.Callback):
            def on_epoch_end(self, epoch, logs):
                if w.rank == 2 and epoch == 4:
                    self.model.stop_training = True

        print(fit(callbacks=[Stop()]), model.interrupted)
        """,
    )
    assert lines == ["(4, 0) False"] * 3


def test_an_error_in_one_process_is_one_in_all(tmp_path: Path) -> None:
    lines = run_ending(
        tmp_path,
        """
        class Fail(nn.Callback):
            def on_epoch_end(self, epoch, logs):
                if w.rank == 1 and epoch == 2:
                    raise OSError("the disk is full")

        try:
            fit(callbacks=[Fail()])
        except Exception as error:
            print(type(error).__name__, error, len(model.history))
        """,
    )
    told = "NncoreError process 1 of 3 failed: OSError: the disk is full 2"
    assert lines == [told, told, "OSError the disk is full 2"]


def test_a_loss_that_is_not_finite_is_told_by_all(tmp_path: Path) -> None:
    lines = run_ending(
        tmp_path,
        """
        from nncore.training.loop import NonFiniteLossError

        try:
            fit(optimizer=nn.SGD(3e38))
        except NonFiniteLossError as error:
            print(error.epoch, error.iteration)
        """,
    )
    assert len(set(lines)) == 1
    assert len(lines) == 3


def test_batches_that_end_in_one_process_end_in_all(tmp_path: Path) -> None:
    lines = run_ending(
        tmp_path,
        """
        given = [(x[:10], np.arange(10) % 3)] * (2 - w.rank)
        try:
            model.fit(iter(given), steps_per_epoch=2, verbose=0)
        except nn.NncoreError as error:
            print(error)
        """,
        2,
    )
    assert len(lines) == 2
    assert lines[0].startswith("process 1 of 2 failed: DataError: x has ended after 1 batches")
    assert lines[1].startswith("x has ended after 1 batches")


@pytest.mark.parametrize(
    ("different", "told"),
    [
        ("fit(seed=w.rank)", "epochs, batch size, seed, loss or label smoothing"),
        ("x = x[: 400 - w.rank]; model.fit(x, np.arange(len(x)) % 3)", "numbers of images"),
        ("model.fit(x, (np.arange(400) + w.rank) % 3)", "labels"),
        ("model.build((5,), seed=w.rank); fit()", "weights"),
        ("model.fit(batches(10, 10 + w.rank), verbose=0)", "numbers of images of batch 2"),
        ("model.fit(batches(10, *[10] * w.rank), verbose=0)", "numbers of batches"),
        ("model.fit(batches(10, 10, first=w.rank), verbose=0)", "labels of batch 2"),
    ],
)
def test_different_work_is_refused(tmp_path: Path, different: str, told: str) -> None:
    body = f"""
        def batches(*sizes, first=0):
            return [(x[:n], (np.arange(n) + at * first) % 3) for at, n in enumerate(sizes)]

        try:
            {different}
        except nn.NncoreError as error:
            print(error)
        """
    lines = run_ending(tmp_path, body, 2)
    assert len(lines) == 2
    for line in lines:
        assert line.startswith("the processes do not train the same")
        assert told in line
