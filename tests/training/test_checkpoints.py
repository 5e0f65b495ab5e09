"""Models that were saved in the middle of their training go on as if they had not been."""

from __future__ import annotations

import pytest

import nncore as nn
from model_files import content, data_set, make_model, weights, write
from nncore.training.model_file import save
from small_fits import blobs, fit, small_model

OPTIMIZERS = [nn.SGD(0.1, momentum=0.9), nn.Adam(0.01), nn.AdamW(0.01, use_ema=True)]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_save_load_fit_is_fit_fit(tmp_path, optimizer):
    settings = {"epochs": 2, "verbose": 0, "optimizer": optimizer}
    through = make_model(**settings)
    through.save(tmp_path / "m.safetensors")
    through.save(tmp_path / "bare.safetensors", include_optimizer=False)
    read = nn.load(tmp_path / "m.safetensors")
    bare = nn.load(tmp_path / "bare.safetensors")
    for model in (through, read, bare):
        model.fit(data_set(), **settings)
    assert weights(read) == weights(through)
    assert weights(bare) != weights(through)
    assert content(tmp_path / "bare.safetensors")[1]["state"] is None
    assert len(content(tmp_path / "bare.safetensors")[0]) == 4


class StopAt(nn.Callback):
    """Ctrl-C after the n-th block of steps."""

    def __init__(self, block):
        self.block = block

    def on_block_end(self):
        self.block -= 1
        if self.block == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("block", [2, 50])
def test_a_checkpoint_knows_the_best_weights(tmp_path, monkeypatch, block):
    """The best epoch is long over, or in the other call, when training ends."""
    monkeypatch.setattr("nncore.training.loop._BLOCK_SECONDS", 0.0)
    settings = {
        "verbose": 0,
        "batch_size": 16,
        "optimizer": nn.SGD(1.5, momentum=0.9),
        "restore_best_weights": True,
        "validation_data": data_set().subset(range(20)),
    }
    whole = make_model(epochs=20, **settings)
    assert 1 < whole.history.best_epoch() < 20
    path = tmp_path / "last.safetensors"

    class Keep(nn.Callback):
        def on_train_end(self):
            path.write_bytes(self.model.to_bytes(with_state=True))

    stopped = make_model(epochs=20, **settings, callbacks=[StopAt(block), Keep()])
    assert stopped.interrupted
    model = nn.load_checkpoint(path)
    left = 20 - len(model.history)
    assert left > 0
    model.fit(data_set(), epochs=left, history=model.history, **settings)
    assert weights(model) == weights(whole)
    assert model.history.history == whole.history.history
    assert model.history.learning_rate == whole.history.learning_rate


def test_a_model_file_is_no_checkpoint(tmp_path):
    make_model().save(tmp_path / "m")
    with pytest.raises(nn.ModelFileError, match="no training state"):
        nn.load_checkpoint(tmp_path / "m")


def test_a_state_without_its_parts_is_a_bad_file(tmp_path):
    save(make_model(), tmp_path / "m", with_state=True)
    tensors, described = content(tmp_path / "m")
    for part in ("position", "history"):
        state = {name: found for name, found in described["state"].items() if name != part}
        write(tmp_path / "m", tensors, described | {"state": state})
        with pytest.raises(nn.ModelFileError, match=r"bad training state|no training state"):
            nn.load_checkpoint(tmp_path / "m")


def test_header_does_not_grow_with_the_training(tmp_path):
    sizes = []
    for epochs in (2, 60):
        save(make_model(epochs=epochs), tmp_path / "m", with_state=True)
        tensors, described = content(tmp_path / "m")
        sizes.append(len(str(described)))
        assert tensors["history.iteration_loss"].shape == (2 * epochs,)
    assert sizes[1] < sizes[0] + 20


def test_a_history_of_before_its_columns_were_tensors():
    history = make_model().history
    again = nn.History.from_columns(history.facts(), history.columns())
    assert again == history == nn.History.from_dict(history.to_dict())


def test_validation_that_ends_can_be_saved(tmp_path):
    model = small_model()
    history = fit(model, validation_data=blobs(30, 1))
    fit(model, history=history)
    model.save(tmp_path / "m")
    assert set(nn.load(tmp_path / "m").facts.metrics) == {"loss", "accuracy"}


def test_ctrl_c_in_validation_keeps_the_learning_rate(monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    optimizer = nn.SGD(nn.CosineDecay(0.2))
    settings = {"validation_data": blobs(30, 1), "optimizer": optimizer}
    whole, model = small_model(), small_model()
    complete = fit(whole, epochs=3, **settings)
    with monkeypatch.context() as patch:
        patch.setattr("nncore.training.loop.TrainingLoop._validate", interrupt)
        history = fit(model, epochs=3, **settings)
    assert model.interrupted
    assert len(history) == 0
    fit(model, epochs=3, history=history, **settings)
    assert history.learning_rate == complete.learning_rate
    assert weights(model) == weights(whole)
