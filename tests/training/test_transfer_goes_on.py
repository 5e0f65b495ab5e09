"""A training in two steps, stopped at any block of steps, goes on to the same end."""

from __future__ import annotations

import dataclasses

import pytest
from test_fit_transfer import SETTINGS, data, model, weights

import nncore as nn

# The second step is better in the one and ruins it in the other.
STEPS = {"better": ("high", 0.01), "ruined": ("low", 0.8)}


class StopAt(nn.Callback):
    """Keeps what a checkpoint holds, as the last thing before it kills."""

    def __init__(self, block=None):
        self.blocks, self.block, self.kept = 0, block, None

    def on_block_end(self):
        self.blocks += 1
        if self.blocks == self.block:
            self.kept = self.model.to_bytes(with_state=True)
            raise SystemExit

    def on_epoch_end(self, epoch, logs):
        self.on_block_end()


def fit(one, stop, step, history=None):
    settings = dataclasses.replace(
        SETTINGS,
        epochs=6,
        head_penalty=0.01,
        fine_tune=3,
        fine_tune_from=step[0],
        fine_tune_rate=step[1],
        early_stopping=3,
    )
    return nn.fit_transfer(
        one,
        data(),
        settings,
        validation_data=data(30, 1),
        verbose=0,
        callbacks=[stop],
        history=history,
    )


@pytest.mark.parametrize("kind", STEPS)
def test_from_any_block(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("nncore.training.loop._BLOCK_SECONDS", 0.0)
    whole, counted = model(), StopAt()
    history = fit(whole, counted, STEPS[kind])
    assert (history.best_epoch() > 6) == (kind == "better")
    for block in range(1, counted.blocks + 1, 4):
        stop, path = StopAt(block), tmp_path / f"{block}"
        with pytest.raises(SystemExit):
            fit(model(), stop, STEPS[kind])
        path.write_bytes(stop.kept)
        again = nn.load_checkpoint(path)
        found = fit(again, StopAt(), STEPS[kind], again.history)
        assert weights(again) == weights(whole), block
        assert found.history == history.history
        assert found.learning_rate == history.learning_rate
        trained = [[view.description.trainable for view in m.layers[:2]] for m in (again, whole)]
        assert trained[0] == trained[1]
