"""`Sequential`: structure, weights, single steps, summary, the explained step, evaluation."""

from __future__ import annotations

import numpy as np
import pytest

from nncore.data import ImageDataset
from nncore.errors import DataError, TrainingError
from nncore.layers import Activation, Conv2D, Dense, Flatten
from nncore.losses import LOSSES
from nncore.optimizers import SGD
from nncore.training.model import Sequential
from reference_network import ReferenceNetwork


def model_and_data(loss_outputs="linear", seed=0):
    rng = np.random.default_rng(seed)
    model = Sequential([Flatten(), Dense(6, "tanh"), Dense(4, loss_outputs)])
    model.build((3, 2, 2), seed=1)
    x = rng.normal(size=(5, 3, 2, 2)).astype(np.float32)
    return model, x, rng.integers(0, 4, 5)


def reference_of(model):
    """The float64 oracle with this model's weights."""
    reference = ReferenceNetwork(model.input_shape)
    for layer in model.layers:
        layer.description.add_to(reference, layer.name, model.input_shape)
    reference.build(0)
    for name, value in zip(reference.parameter_names(), model.get_weights(), strict=True):
        reference.set_parameter(name, value)
    return reference


# -- structure


def test_layers_know_their_shapes_and_parameters():
    model, _, _ = model_and_data()
    assert model.built
    assert model.input_shape == (3, 2, 2)
    assert model.parameter_count == 12 * 6 + 6 + 6 * 4 + 4
    assert [layer.name for layer in model.layers] == ["flatten", "dense", "dense_1"]
    assert [layer.output_shape for layer in model.layers] == [(12,), (6,), (4,)]
    assert model.layers[1].kernel.shape == (12, 6)
    assert model.layers[2].bias.shape == (4,)
    assert model.layers[0].parameter_names == ()


@pytest.mark.parametrize(
    ("given", "shape"), [((4, 5), (4, 5, 1)), ((4, 5, 3), (4, 5, 3)), (7, (7,)), ([7], (7,))]
)
def test_input_shapes(given, shape):
    model = Sequential([Flatten(), Dense(2)])
    model.build(given)
    assert model.input_shape == shape


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ((), ValueError, r"input_shape must be \(H, W, C\)"),
        ((1, 2, 3, 4), ValueError, r"input_shape must be \(H, W, C\)"),
        ((4, 0, 1), ValueError, "input_shape must be at least 1, not 0"),
        ((4.0, 4.0), TypeError, "input_shape must be a whole number"),
    ],
)
def test_bad_input_shapes(given, kind, message):
    with pytest.raises(kind, match=message):
        Sequential([Flatten(), Dense(2)]).build(given)


@pytest.mark.parametrize("layers", [[], ()])
def test_no_layers(layers):
    with pytest.raises(ValueError, match="at least one layer"):
        Sequential(layers)


def test_layers_of_a_wrong_type():
    with pytest.raises(TypeError, match=r"descriptions such as Dense\(10\), not 10"):
        Sequential([Flatten(), 10])


def test_layers_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"layer 'dense': .*\(4, 4, 1\).*Flatten\(\)"):
        Sequential([Dense(3)]).build((4, 4, 1))
    with pytest.raises(ValueError, match=r"last layer 'activation' gives \(4, 4, 1\)"):
        Sequential([Activation("relu")]).build((4, 4, 1))


def test_an_image_that_needs_too_much_memory_is_refused_before_it_is_asked_for():
    model = Sequential([Conv2D(64, 3, padding="same", name="wide"), Flatten(), Dense(2)])
    with pytest.raises(ValueError, match="of which wide has 256,000,000, are more than"):
        model.build((2000, 2000, 1))


def test_network_without_weights():
    model = Sequential([Flatten(), Activation("relu")])
    with pytest.raises(ValueError, match="no layer has weights"):
        model.build((2, 2))
    assert not model.built


def test_unbuilt_model_says_what_to_do():
    model = Sequential([Dense(3)])
    assert not model.built
    assert model.input_shape is None
    for use in (
        model.summary,
        model.get_weights,
        lambda: model.layers[0].kernel,
        lambda: model.parameter_count,
        lambda: model.predict(np.zeros((1, 3), np.float32)),
        lambda: model.evaluate(np.zeros((1, 3), np.float32), [0]),
    ):
        with pytest.raises(ValueError, match="not built: call fit, or build"):
            use()


def test_build_again_starts_afresh():
    model, x, y = model_and_data()
    before = model.get_weights()
    model.fit(x, y, epochs=2, verbose=0)
    model.build((3, 2, 2), seed=1)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert old.tobytes() == new.tobytes()
    assert model.history is None
    assert model.classes is None


# -- weights


def test_weights_are_copies():
    model, _, _ = model_and_data()
    for get in (lambda: model.layers[1].kernel, lambda: model.get_weights()[0]):
        kernel = get()
        kernel[:] = 7
        assert not (get() == 7).any()


def test_weights_can_be_set():
    model, _, _ = model_and_data()
    model.layers[1].kernel = np.arange(72).reshape(12, 6)
    model.layers[2].bias = [1, 2, 3, 4]
    assert model.layers[1].kernel.dtype == np.float32
    assert model.layers[1].kernel.tolist() == np.arange(72).reshape(12, 6).tolist()
    kernel, _, _, bias = model.get_weights()
    assert kernel.ravel().tolist() == list(range(72))
    assert bias.tolist() == [1, 2, 3, 4]
    other, _, _ = model_and_data()
    other.set_weights(model.get_weights())
    for ours, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (np.zeros((6, 12)), ValueError, r"dense/kernel has the shape \(12, 6\), not \(6, 12\)"),
        (np.full((12, 6), np.nan), ValueError, "dense/kernel: NaN"),
        (np.full((12, 6), 1e300), ValueError, "dense/kernel: NaN and infinite"),
        (np.full((12, 6), "a"), TypeError, "dense/kernel must be numbers"),
        (np.full((12, 6), 1j), TypeError, "dense/kernel must be numbers"),
    ],
)
def test_bad_weights_change_nothing(value, kind, message):
    model, _, _ = model_and_data()
    before = model.get_weights()
    with pytest.raises(kind, match=message):
        model.layers[1].kernel = value
    with pytest.raises(kind, match=message):
        model.set_weights([value, *before[1:]])
    # The first array is good and the second one bad: the first must not have been set.
    with pytest.raises(ValueError, match="dense/bias"):
        model.set_weights([before[0] + 1, np.zeros(5), *before[2:]])
    for old, new in zip(before, model.get_weights(), strict=True):
        assert (old == new).all()


def test_wrong_number_of_weights():
    model, _, _ = model_and_data()
    with pytest.raises(ValueError, match="3 arrays for the 4 parameters dense/kernel, dense/bias"):
        model.set_weights(model.get_weights()[:3])


def test_missing_parameters_are_attribute_errors():
    model = Sequential([Flatten(), Dense(2, use_bias=False)])
    model.build((2, 2))
    assert not hasattr(model.layers[0], "kernel")
    with pytest.raises(AttributeError, match="'dense' has no bias; it has: kernel"):
        _ = model.layers[1].bias
    with pytest.raises(AttributeError, match="'flatten' has no kernel; it has: no parameters"):
        model.layers[0].kernel = 1


# -- single steps


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("outputs", ["linear", "softmax"])
def test_gradients_agree_with_the_reference(loss, outputs):
    model, x, y = model_and_data(outputs)
    reference = reference_of(model)
    assert model.compute_gradients(x, y, loss) == pytest.approx(
        reference.compute_gradients(x, y, loss), rel=1e-5
    )
    for layer in model.layers[1:]:
        for name in ("kernel", "bias"):
            expected = reference.get_gradient(f"{layer.name}/{name}")
            assert getattr(layer, f"{name}_gradient") == pytest.approx(
                expected, rel=1e-4, abs=1e-6 * np.abs(expected).max()
            )


def test_train_step_is_gradient_and_update():
    for loss in LOSSES:
        stepped, x, y = model_and_data()
        by_hand, _, _ = model_and_data()
        value = stepped.train_step(x, y, loss, SGD(0.02))
        assert by_hand.compute_gradients(x, y, loss) == value
        by_hand.apply_gradients(SGD(0.02))
        for ours, theirs in zip(stepped.get_weights(), by_hand.get_weights(), strict=True):
            assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-7)
        assert stepped.train_step(x, y, loss, SGD(0.01)) < value


def test_lesson_weight_update_through_a_network():
    model = Sequential([Dense(1, use_bias=False)])
    model.build((1,))
    model.layers[0].kernel = [[0.38]]
    # d/dW (W - y)^2 = 2 (W - y) = -0.55
    model.train_step([[1.0]], [[0.38 + 0.275]], "sse", SGD(0.01))
    assert model.layers[0].kernel[0, 0] == pytest.approx(0.3855, abs=1e-7)


def test_lesson_mse_is_the_mean_of_the_sses():
    model = Sequential([Dense(3, use_bias=False)])
    model.build((3,))
    model.set_weights([np.eye(3)])
    x = np.array([[0.37, 0.50, 0.13], [0.0, 1.0, 0.0]], np.float32)
    assert model.compute_gradients(x[:1], [0], "mse") == pytest.approx(0.6638, abs=1e-6)
    assert model.compute_gradients(x, [0, 1], "mse") == pytest.approx(0.3319, abs=1e-6)
    assert model.compute_gradients(x, [0, 1], "sse") == pytest.approx(0.6638, abs=1e-6)


def test_train_step_builds_and_refuses_to_ruin():
    x = np.full((1, 3), 3e38, np.float32)
    for step in ("train_step", "explain_step"):
        model = Sequential([Dense(2)])
        with pytest.raises(TrainingError, match="no step was taken"):
            getattr(model, step)(x, [0], "mse", SGD(1.0))
        assert all(np.isfinite(w).all() for w in model.get_weights())
        assert model.input_shape == (3,)


@pytest.mark.parametrize("step", ["train_step", "compute_gradients", "explain_step"])
def test_bad_arguments_of_single_steps(step):
    model, x, y = model_and_data()
    with pytest.raises(ValueError, match="unknown loss 'l2'"):
        getattr(model, step)(x, y, "l2")
    with pytest.raises(ValueError, match="5 images but 4 labels"):
        getattr(model, step)(x, y[:4], "mse")
    with pytest.raises(ValueError, match=r"y\[0\] is 9"):
        getattr(model, step)(x, [9, 0, 0, 0, 0], "mse")


# -- summary and explanation


def test_summary_is_a_table(capsys):
    model, _, _ = model_and_data()
    model.summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["layer", "output", "shape", "parameters"]
    assert [line.split()[-1] for line in lines[2:]] == ["0", "78", "28", "106"]
    assert "dense_1 (Dense)" in lines[4]
    assert len({len(line) for line in lines if line != lines[1]}) == 1
    model.summary(verbose=True)
    longer = capsys.readouterr().out.splitlines()
    assert longer[: len(lines)] == lines
    assert len(longer) > len(lines)


@pytest.mark.parametrize("loss", LOSSES)
def test_explained_step_agrees_with_the_reference(loss, capsys):
    model, x, y = model_and_data()
    twin, _, _ = model_and_data()
    reference = reference_of(model)
    step = model.explain_step(x, y, loss, SGD(0.1))
    outputs, losses = reference.evaluate(x, y, loss)
    assert step.loss_name == loss
    assert step.inputs.shape == (5, 3, 2, 2)
    assert step.targets.tolist() == np.eye(4)[y].tolist()
    assert list(step.layer_outputs) == ["flatten", "dense", "dense_1"]
    assert step.layer_outputs["dense_1"] == pytest.approx(outputs, rel=1e-4, abs=1e-6)
    assert step.per_sample_loss == pytest.approx(losses, rel=1e-4)
    assert step.loss == pytest.approx(losses.sum() if loss == "sse" else losses.mean(), rel=1e-4)
    names = ["dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias"]
    for part in (step.gradients, step.weights_before, step.weights_after):
        assert list(part) == names
    for name in names:
        expected = step.weights_before[name] - np.float32(0.1) * step.gradients[name]
        assert step.weights_after[name] == pytest.approx(expected, rel=1e-6, abs=1e-7)
    twin.train_step(x, y, loss, SGD(0.1))
    for ours, theirs in zip(model.get_weights(), twin.get_weights(), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-7)
    text = capsys.readouterr().out
    assert text.strip() == str(step).strip()


def test_explanation_shows_the_lesson(capsys):
    model = Sequential([Dense(1, use_bias=False)])
    model.build((1,))
    model.layers[0].kernel = [[0.38]]
    model.explain_step([[1.0]], [[0.655]], "sse", SGD(0.01))
    text = capsys.readouterr().out
    assert "W2 = W1 - gradient * learning_rate" in text
    assert "= 0.38 - (-0.55) * 0.01 = 0.3855" in text
    for title in ("inputs x  (1, 1)", "targets y  (1, 1)", "SSE of each image  (1,)"):
        assert title in text
    assert "gradient of dense/kernel  (1, 1) float32" in text


def test_explanation_of_large_arrays_is_short(capsys):
    model = Sequential([Flatten(), Dense(100), Dense(10)])
    rng = np.random.default_rng(0)
    step = model.explain_step(
        rng.integers(0, 256, (4, 28, 28)).astype(np.uint8), [0, 1, 2, 3], print=False
    )
    assert capsys.readouterr().out == ""
    assert len(str(step).splitlines()) <= 100
    assert "inputs x  (4, 28, 28, 1) uint8, one row per image" in str(step)


# -- evaluation


def test_evaluate_counts_and_averages():
    model = Sequential([Dense(3, use_bias=False)])
    model.build((3,))
    model.set_weights([np.eye(3)])
    x = np.array([[5, 0, 0], [0, 5, 0], [0, 5, 0], [0, 0, 5]], np.float32)
    report = model.evaluate(x, [0, 1, 0, 2])
    assert report.accuracy == 0.75
    assert report.confusion.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert report.classes == ("0", "1", "2")
    right = -np.log(np.exp(5) / (np.exp(5) + 2))
    assert report.loss == pytest.approx(right + 5 / 4, rel=1e-5)
    assert report.worst[0].index == 2


def test_evaluate_needs_known_classes_but_not_all():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (12, 4, 4)).astype(np.uint8)
    names = ["ape", "bee", "cow"]
    model = Sequential([Flatten(), Dense(3)])
    model.fit(ImageDataset.from_arrays(x, [names[i % 3] for i in range(12)]), verbose=0, epochs=1)
    part = ImageDataset.from_arrays(x[:4], ["cow", "bee", "cow", "cow"])
    report = model.evaluate(part)
    assert report.classes == ("ape", "bee", "cow")
    assert report.confusion.sum(axis=1).tolist() == [0, 1, 3]
    foreign = ImageDataset.from_arrays(x[:4], ["cow", "elk", "cow", "cow"])
    with pytest.raises(DataError, match=r"not know: 'elk'.*'cow', 'elk'.*'ape', 'bee', 'cow'"):
        model.evaluate(foreign)


def test_evaluation_in_blocks_gives_the_same(monkeypatch):
    model, x, y = model_and_data()
    whole = model.evaluate(x, y)
    monkeypatch.setattr("nncore.training.answers.evaluation._EVALUATION_BLOCK", 2)
    assert model.evaluate(x, y).to_dict() == whole.to_dict()
