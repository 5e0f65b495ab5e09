"""Arrays of PyTorch and JAX themselves: memory is read where it lies, and gives the same model.

`test_types_by_content` has what they have in common.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nncore as nn
from nncore.array_protocols import native

X = np.random.default_rng(0).random((40, 5, 5, 1), dtype=np.float32)
Y = np.arange(40) % 3


def torch_tensor(values: np.ndarray) -> Any:
    return pytest.importorskip("torch").tensor(values)


def torch_parameter(values: np.ndarray) -> Any:
    """Which asks for gradients, as outputs of a network do."""
    tensor = torch_tensor(values)
    return tensor.requires_grad_() if tensor.is_floating_point() else tensor


def torch_every_second(values: np.ndarray) -> Any:
    return torch_tensor(np.repeat(values, 2, axis=0))[::2]


def jax_array(values: np.ndarray) -> Any:
    return pytest.importorskip("jax.numpy").asarray(values)


every_kind = pytest.mark.parametrize(
    "kind", [torch_tensor, torch_parameter, torch_every_second, jax_array]
)


def address(array: Any) -> int:
    if hasattr(array, "data_ptr"):
        return array.data_ptr()
    return array.unsafe_buffer_pointer()


def network() -> nn.Sequential:
    return nn.Sequential([nn.Conv2D(4, 3, activation="relu"), nn.Flatten(), nn.Dense(3)])


@every_kind
@pytest.mark.parametrize("x", [X, (255 * X).astype(np.uint8)], ids=["floats", "bytes"])
def test_the_same_model_and_answers(kind, x):
    model, same = network(), network()
    theirs, labels = kind(x), kind(Y)
    model.fit(theirs, labels, validation_data=(theirs, labels), epochs=2, verbose=0)
    same.fit(x, Y, validation_data=(x, Y), epochs=2, verbose=0)
    assert model.to_bytes() == same.to_bytes()
    assert model.evaluate(theirs, labels).to_dict() == same.evaluate(x, Y).to_dict()
    np.testing.assert_array_equal(model.predict_proba(theirs), same.predict_proba(x))
    assert model.predict(theirs, top_k=3) == same.predict(x, top_k=3)
    np.testing.assert_array_equal(model.explain(theirs), same.explain(x))
    np.testing.assert_array_equal(theirs.tolist(), x.tolist())  # nobody wrote into it


@every_kind
def test_memory_is_read_where_it_lies(kind):
    theirs = kind(X)
    assert native(theirs, "x").__array_interface__["data"][0] == address(theirs)


def test_batches_of_a_generator():
    model, same = network(), network()

    def batches(kind):
        return ((kind(X[i : i + 8]), kind(Y[i : i + 8])) for i in range(0, 40, 8))

    model.fit(batches(torch_tensor), steps_per_epoch=5, epochs=1, verbose=0)
    same.fit(batches(np.array), steps_per_epoch=5, epochs=1, verbose=0)
    assert model.to_bytes() == same.to_bytes()


def test_what_numpy_lacks_says_what_to_give_instead():
    torch = pytest.importorskip("torch")
    halved = torch_tensor(X).to(torch.bfloat16)
    with pytest.raises(TypeError, match=r"x is a torch\.Tensor .* as float32"):
        network().fit(halved, Y, verbose=0)
    with pytest.raises(TypeError, match=r"x is a torch\.Tensor .* bring it to the CPU"):
        network().fit(torch_tensor(X).to("meta"), Y, verbose=0)


def test_half_precision_of_jax_says_what_to_give_instead():
    halved = jax_array(X).astype("bfloat16")
    with pytest.raises(TypeError, match="not bfloat16; convert it"):
        network().fit(halved, Y, verbose=0)
