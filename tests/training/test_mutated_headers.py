"""Model files whose header is changed by its grammar: refused for a reason, or good models.

    NNCORE_TEST_CALLS=20000 NNCORE_TEST_SEED=1 pytest tests/training/test_mutated_headers.py

is the long form. `header_mutations.py` says what is changed. Whatever can be read can be used: it
predicts, is saved and read again, goes on training, or says by one of nncore's errors why not.
"""

from __future__ import annotations

import math
import os
import warnings
from collections import Counter

import numpy as np
import pytest

import limited_cases
import nncore as nn
from header_mutations import ModelFile, Mutator
from model_files import data_set, make_model, weights
from nncore.errors import ModelFileError, NncoreError
from nncore.training.model_file import load, load_checkpoint, load_to_show
from nncore.training.model_outline import read_outline
from onnx_models import write_network

pytestmark = pytest.mark.every_isa

CALLS = int(os.environ.get("NNCORE_TEST_CALLS", "400"))
SEED = int(os.environ.get("NNCORE_TEST_SEED", "0"))

NETWORKS = {
    "pets": [nn.Flatten(), nn.Dense(7, "relu", name="hidden"), nn.Dense(3)],
    "blocks": [
        nn.Rescaling(2.0, offset=-1.0),
        nn.Conv2D(4, 3, padding="same", use_bias=False, kernel_regularizer=1e-4),
        nn.BatchNormalization(),
        nn.Activation("relu6"),
        nn.Residual([nn.Conv2D(6, 3, padding="same")], activation="relu"),
        nn.Concatenate([[nn.MaxPool2D(2, padding=1)], [nn.AveragePool2D(2, padding=1)]]),
        nn.Multiply([[], [nn.DepthwiseConv2D(3, padding="same", activation="hard_sigmoid")]]),
        nn.Residual([nn.Conv2D(4, 1)], shortcut=[nn.Conv2D(4, 1, groups=2)], trainable=False),
        nn.GlobalAveragePool2D(),
        nn.LayerNormalization(),
        nn.Dropout(0.2),
        nn.Dense(3, "softmax"),
    ],
}


class StopWithin(nn.Callback):
    """Ctrl-C between two steps, when `blocks` of them are done."""

    def __init__(self, blocks, path):
        self.blocks, self.path = blocks, path

    def on_block_end(self):
        self.blocks -= 1
        if self.blocks == 0:
            raise KeyboardInterrupt

    def on_train_end(self):
        self.path.write_bytes(self.model.to_bytes(with_state=True))


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A bare model, a training in the midst of an epoch, a calibrated model, one on features."""
    folder = tmp_path_factory.mktemp("originals")
    paths = [folder / name for name in ("bare", "midst", "calibrated", "features")]
    make_model().save(paths[0], include_optimizer=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nncore.training.loop._BLOCK_SECONDS", 0.0)
        midst = nn.Sequential(NETWORKS["blocks"], "blocks")
        midst.fit(
            data_set(),
            epochs=3,
            batch_size=16,
            verbose=0,
            optimizer=nn.AdamW(nn.CosineDecay(0.01), use_ema=True, clipnorm=1.0),
            restore_best_weights=True,
            validation_data=data_set(),
            class_weight={"Hund": 2.0},
            augmentation=nn.Augmentation(shift=0.1, horizontal_flip=True),
            callbacks=[StopWithin(7, paths[1])],
        )
    assert midst.interrupted
    calibrated = make_model()
    calibrated.calibrate(data_set())
    calibrated.save(paths[2])
    if pytest.importorskip("onnx") and pytest.importorskip("onnxruntime"):
        network = write_network(
            folder / "net.onnx", shape=("n", 1, 4, 5), channels=1, outputs=("pooled",)
        )
        on_features = nn.Sequential([nn.Dense(3)], features=network)
        on_features.fit(data_set(), epochs=1, verbose=0)
        on_features.save(paths[3])
    return [ModelFile.read(path) for path in paths]


def test_what_is_not_changed_is_read(originals, tmp_path):
    path = tmp_path / "model.safetensors"
    for original in originals:
        for with_digests in (True, False):
            path.write_bytes(original.to_bytes(with_digests))
            assert read_outline(path).sealed == with_digests
            load_to_show(path)


def use(path, model):
    """All that people do with a model that could be read."""
    assert all(np.isfinite(array).all() for array in model.get_weights())
    images = np.zeros((2, *(model.input_shape if len(model.input_shape) == 3 else ())), np.uint8)
    if images.size == 2:
        images = np.zeros((2, *model.input_shape), np.float32)
    predicted = model.predict_proba(images)
    assert len(predicted) == 2
    again = path.with_name("again")
    model.save(again)
    assert weights(load(again)) == weights(model)


def tried(read, *refusals):
    """What `read` gives and why it does not; other errors than these get out."""
    try:
        return read(), None
    except refusals as error:
        return None, str(error)


def outcome(path):
    """How far a file gets."""
    outline, refusal = tried(lambda: read_outline(path), ModelFileError)
    assert (outline is None) == (refusal is not None and str(path) in refusal)
    model, unread = tried(lambda: load_to_show(path), ModelFileError)
    if model is None:
        assert str(path) in unread
        return "refused by its header" if outline is None else "told, then refused"
    assert outline is not None, f"the model is read, but its header is refused: {refusal}"
    assert outline.parameter_count == sum(array.size for array in model.get_weights())
    if outline.features_record is None and math.prod(model.input_shape) < 10_000:
        _, unused = tried(lambda: use(path, load(path)), NncoreError, ValueError)
        assert unused != ""
    going_on, refusal = tried(lambda: load_checkpoint(path), ModelFileError)
    if going_on is None:
        assert str(path) in refusal or "features=" in refusal
        return "read"
    _, refusal = tried(
        lambda: going_on.fit(data_set(), epochs=1, verbose=0, history=going_on.history),
        NncoreError,
        ValueError,
    )
    assert refusal != ""
    return "goes on" if refusal is None else "read, cannot go on"


def changed_headers(originals, path):
    """How far they got, each."""
    warnings.simplefilter("ignore")  # what is odd may be said to be odd
    mutator = Mutator(originals, np.random.default_rng(SEED))
    found = Counter()
    for number in range(CALLS):
        path.write_bytes(mutator.mutated())
        found[outcome(path)] += 1
        yield f"file {number} of seed {SEED}"
    return found


def test_changed_headers_do_no_harm(originals, tmp_path):
    # What does harm is left there.
    found = limited_cases.run(changed_headers, originals, tmp_path / "model.safetensors")
    print(dict(found))
    assert {"refused by its header", "told, then refused", "read", "goes on"} <= found.keys(), found
