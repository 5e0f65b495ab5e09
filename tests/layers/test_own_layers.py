"""A kind of layer is a class and nothing else: two that are made here, of stages the engine has."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest
from safetensors import safe_open

import nncore as nn
from nncore.layers import Layer, Shape
from nncore.layers.blocks import Block, Branch

if TYPE_CHECKING:
    from nncore import _core

X = np.random.default_rng(5).normal(size=(60, 6, 6, 2)).astype(np.float32)
Y = (X[:, :3].mean(axis=(1, 2, 3)) > X[:, 3:].mean(axis=(1, 2, 3))).astype(np.int32)


@pytest.fixture(scope="module")
def kinds() -> Iterator[tuple[type[Layer], type[Layer]]]:
    known = set(Layer.kinds())

    @dataclass(frozen=True)
    class SharpDense(Layer):
        """`tanh(x @ kernel + bias) * sharpness`: two stages, of which the last has the name."""

        later_fields: ClassVar = frozenset({"sharpness"})

        units: int
        name: str | None = None
        sharpness: float = 1.0

        def __post_init__(self) -> None:
            self._check_int("units", 1)
            self._check_number("sharpness", above=0)
            super().__post_init__()

        def output_shape(self, input_shape: Shape) -> Shape:
            return (self.units,)

        def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
            return {"dense/kernel": (*input_shape, self.units), "dense/bias": (self.units,)}

        def add_to(self, network: _core.Builder, name: str, input_shape: Shape) -> None:
            network.add_dense(f"{name}/dense", self.units, "tanh", True)
            network.add_rescaling(name, [self.sharpness], [0.0])

    @dataclass(frozen=True)
    class Refined(Block):
        """The input and what a normalized convolution adds to it."""

        _join: ClassVar = "add"

        kernel_size: int = 3
        name: str | None = None

        def _branches(self, input_shape: Shape) -> Sequence[Branch]:
            convolution = nn.Conv2D(input_shape[2], self.kernel_size, padding="same")
            layers = [convolution, nn.BatchNormalization(0.9)]
            return Branch.of(layers, input_shape), Branch.of([], input_shape)

        def _joined_shape(self, branches: Sequence[Branch]) -> Shape:
            return branches[0].output_shape

        def _end_activation(self) -> str:
            return "relu"

    yield SharpDense, Refined
    for name in set(Layer.kinds()) - known:
        del Layer._kinds[name]


@pytest.fixture
def model(kinds) -> nn.Sequential:
    sharp_dense, refined = kinds
    return nn.Sequential([refined(), nn.Flatten(), sharp_dense(4, sharpness=2), nn.Dense(2)])


def test_it_trains(model):
    history = model.fit(X, Y, epochs=20, batch_size=20, optimizer=nn.SGD(0.2), seed=0, verbose=0)
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]
    assert model.evaluate(X, Y).accuracy > 0.9


def test_its_numbers_are_those_of_its_stages(model):
    model.build(X.shape[1:], seed=2)
    dense, dense_bias, head, head_bias = model.get_weights()[-4:]
    assert dense.shape == (72, 4)
    features = nn.Sequential([model.layers[0].description, nn.Flatten()])
    features.build(X.shape[1:])
    features.set_weights(model.get_weights()[:-4])
    rows = features._built_network().forward(X)
    expected = nn.kernels.softmax(
        (2 * np.tanh(rows @ dense + dense_bias) @ head + head_bias).astype(np.float32)
    )
    assert model.predict_proba(X) == pytest.approx(expected, abs=1e-5)


def test_it_is_saved_and_loaded(model, tmp_path):
    model.fit(X, Y, epochs=1, seed=0, verbose=0)
    model.save(tmp_path / "own.safetensors")
    loaded = nn.load(tmp_path / "own.safetensors")
    assert [view.description for view in loaded.layers] == [v.description for v in model.layers]
    assert loaded.predict_proba(X).tobytes() == model.predict_proba(X).tobytes()
    with safe_open(tmp_path / "own.safetensors", "numpy") as file:
        written = json.loads(file.metadata()["nncore"])["architecture"]["layers"]
        assert "sharp_dense/dense/kernel" in file.keys()  # noqa: SIM118
    assert written[2] == {"type": "SharpDense", "units": 4, "name": None, "sharpness": 2.0}
    # One that has the default does not mention the later field, and is read without it.
    assert "sharpness" not in type(model.layers[2].description)(4).to_dict()


def test_a_file_with_a_kind_that_is_not_imported_says_so(model, tmp_path, monkeypatch):
    model.build(X.shape[1:])
    model.save(tmp_path / "own.safetensors")
    monkeypatch.delitem(Layer._kinds, "SharpDense")
    with pytest.raises(nn.ModelFileError, match="unknown layer type 'SharpDense'; known: Dense"):
        nn.load(tmp_path / "own.safetensors")


def test_it_is_summarised_named_and_looked_into(model, capsys):
    model.build(X.shape[1:])
    model.summary()
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    # 3 * 3 * 2 * 2 numbers and 2 of the convolution, 4 * 2 of the normalization.
    assert ["refined", "(Refined)", "(6,", "6,", "2)", "46"] in rows
    assert ["sharp_dense", "(SharpDense)", "(4,)", "292"] in rows
    block = model.layers[0]
    assert [view.name for view in block.layers] == [
        "refined/conv2d",
        "refined/batch_normalization",
    ]
    assert block.layers[0].kernel.shape == (3, 3, 2, 2)
    assert block.output_shape == (6, 6, 2)
    assert model.layers[2].output_shape == (4,)


def test_it_stands_in_blocks(kinds):
    sharp_dense, _ = kinds
    block = nn.Residual([sharp_dense(5), sharp_dense(7)], shortcut=[sharp_dense(7)])
    assert list(block.parameter_shapes((3,))) == [
        f"{name}/dense/{parameter}"
        for name in ("sharp_dense", "sharp_dense_1", "sharp_dense_2")
        for parameter in ("kernel", "bias")
    ]
    assert Layer.from_dict(json.loads(json.dumps(block.to_dict()))) == block
    model = nn.Sequential([block, nn.Dense(2)])
    model.build(3)
    assert [p.shape for p in model.get_weights()[:2]] == [(3, 5), (5,)]


def test_its_fields_are_checked(kinds):
    sharp_dense, _ = kinds
    with pytest.raises(ValueError, match=r"SharpDense: sharpness must be .* above 0, not 0"):
        sharp_dense(4, sharpness=0)
    with pytest.raises(ValueError, match="SharpDense: name 'a/b'"):
        sharp_dense(4, name="a/b")


def test_it_is_exported(model, tmp_path):
    import onnxruntime

    model.build(X.shape[1:], seed=1)
    model.export(tmp_path / "own.onnx", input="float32")
    session = onnxruntime.InferenceSession(tmp_path / "own.onnx")
    assert session.run(None, {"images": X})[0] == pytest.approx(model.predict_proba(X), abs=1e-5)
