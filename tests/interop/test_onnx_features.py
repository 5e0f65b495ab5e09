"""`nn.Features` against NumPy, and the files and arguments that it refuses."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

import nncore as nn
from nncore.data.reading import feature_store
from nncore.errors import MissingExtraError
from onnx_models import FILTERS, logits, relu_maps, write_network

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

IMAGENET = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
# float32 sums of 27 products, then of 16 pixels.
TOLERANCE = {"rtol": 2e-5, "atol": 2e-5}


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (7, 9, 9, 3), np.uint8)


def prepared(images, mean, std):
    return (images / 255.0 - mean) / std


def test_nchw_with_the_numbers_of_imagenet(images, tmp_path):
    features = nn.Features(write_network(tmp_path / "a.onnx", outputs=("pooled", "logits")))
    assert (features.layout, features.color, features.size) == ("NCHW", "rgb", (9, 9))
    assert (features.output, features.count, features.dtype) == ("logits", 3, "float32")
    assert features.guessed == ("color", "mean", "std")
    assert features.sha256 == hashlib.sha256((tmp_path / "a.onnx").read_bytes()).hexdigest()
    expected = logits(relu_maps(prepared(images, *IMAGENET)).mean(axis=(1, 2)))
    found = features.extract(images)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, **TOLERANCE)


def test_any_output_by_name(images, tmp_path):
    path = write_network(tmp_path / "a.onnx", outputs=("pooled", "logits"))
    features = nn.Features(path, output="pooled", mean=0.5, std=0.25)
    assert features.guessed == ("color",)
    expected = relu_maps(prepared(images, 0.5, 0.25)).mean(axis=(1, 2))
    np.testing.assert_allclose(features.extract(images), expected, **TOLERANCE)


@pytest.mark.parametrize("name", ["relu", "nhwc", "pooled"])
def test_an_inner_tensor_is_pooled(images, tmp_path, name):
    """ "nhwc" is pooled rightly where the network is NHWC; "relu" is NCHW in both."""
    path = write_network(tmp_path / "a.onnx", layout="NHWC", shape=("n", 9, 9, 3))
    features = nn.Features(path, output=name)
    assert features.count == FILTERS
    expected = relu_maps(images / 255.0).mean(axis=(1, 2))
    np.testing.assert_allclose(features.extract(images), expected, **TOLERANCE)


def test_an_output_with_four_axes_is_pooled(images, tmp_path):
    features = nn.Features(write_network(tmp_path / "a.onnx", outputs=("relu",)), mean=0)
    expected = relu_maps(images / 255.0).mean(axis=(1, 2))
    np.testing.assert_allclose(features.extract(images), expected, **TOLERANCE)


def test_nhwc_in_blue_green_red_on_0_to_255(images, tmp_path):
    path = write_network(tmp_path / "a.onnx", layout="NHWC", shape=("n", 9, 9, 3))
    mean = (104, 117, 123)
    features = nn.Features(
        path, "pooled", mean=[value / 255 for value in mean], std=1 / 255, color="bgr"
    )
    assert features.layout == "NHWC"
    assert features.guessed == ()
    expected = relu_maps(images[..., ::-1] - np.array(mean, float)).mean(axis=(1, 2))
    np.testing.assert_allclose(features.extract(images), expected, rtol=2e-5, atol=5e-3)


def test_the_numbers_of_imagenet_follow_the_order_of_colours(tmp_path):
    features = nn.Features(write_network(tmp_path / "a.onnx"), color="bgr")
    assert features.mean == (0.406, 0.456, 0.485)
    assert features.std == (0.225, 0.224, 0.229)


def test_uint8_pixels_are_given_as_they_are(images, tmp_path):
    path = write_network(tmp_path / "a.onnx", dtype="uint8")
    features = nn.Features(path, "pooled")
    assert (features.dtype, features.mean, features.std) == ("uint8", None, None)
    expected = relu_maps(images.astype(float)).mean(axis=(1, 2))
    np.testing.assert_allclose(features.extract(images), expected, rtol=2e-5, atol=5e-3)
    with pytest.raises(ValueError, match=r"mean and std are not for .*uint8"):
        nn.Features(path, mean=0.5)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_floats(images, tmp_path, dtype):
    features = nn.Features(write_network(tmp_path / "a.onnx", dtype=dtype), "pooled", mean=0)
    inputs = (images / np.float32(255)).astype(dtype).astype(float)
    np.testing.assert_allclose(
        features.extract(images), relu_maps(inputs).mean(axis=(1, 2)), **TOLERANCE
    )


def test_gray(tmp_path):
    path = write_network(tmp_path / "a.onnx", shape=(None, 1, 9, 9), channels=1)
    features = nn.Features(path, "pooled")
    assert (features.color, features.image_shape, features.mean) == ("gray", (9, 9, 1), (0.0,))
    assert features.guessed == ("mean", "std")
    images = np.random.default_rng(2).integers(0, 256, (3, 9, 9, 1), np.uint8)
    expected = relu_maps(images / 255.0).mean(axis=(1, 2))
    np.testing.assert_allclose(features.extract(images), expected, **TOLERANCE)


def test_axes_of_any_length(images, tmp_path):
    path = write_network(tmp_path / "a.onnx", shape=("n", "c", "h", "w"))
    features = nn.Features(path)
    assert features.size == (224, 224)
    assert features.guessed == ("layout", "color", "size", "mean", "std")
    features = nn.Features(path, "pooled", size=9, layout="NCHW", mean=0, color="rgb")
    assert (features.size, features.guessed) == ((9, 9), ())
    expected = relu_maps(images / 255.0).mean(axis=(1, 2))
    np.testing.assert_allclose(features.extract(images), expected, **TOLERANCE)
    assert nn.Features(path, size=(9, 12)).size == (9, 12)


def test_height_and_width_keep_their_places(tmp_path):
    images = np.random.default_rng(3).integers(0, 256, (2, 9, 15, 3), np.uint8)
    expected = relu_maps(images / 255.0).mean(axis=(1, 2))
    for layout, shape in (("NCHW", ("n", 3, 9, 15)), ("NHWC", ("n", 9, 15, 3))):
        path = write_network(tmp_path / f"{layout}.onnx", layout=layout, shape=shape)
        for name in ("relu", "pooled"):
            features = nn.Features(path, name, mean=0)
            assert features.image_shape == (9, 15, 3)
            np.testing.assert_allclose(features.extract(images), expected, **TOLERANCE)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_network_for_batches_of_one_size(images, tmp_path, batch):
    path = write_network(tmp_path / "a.onnx", shape=(batch, 3, 9, 9))
    found = nn.Features(path, "pooled", mean=0).extract(images)
    expected = relu_maps(images / 255.0).mean(axis=(1, 2))
    np.testing.assert_allclose(found, expected, **TOLERANCE)


def test_threads_and_company_do_not_change_a_bit(images, tmp_path, restore_threads):
    features = nn.Features(write_network(tmp_path / "a.onnx"))
    found = []
    for threads in (1, 2, 3):
        nn.set_num_threads(threads)
        found.append(features.extract(images, remember=False))
    assert features._session.get_session_options().intra_op_num_threads == 1
    alone = [features.extract(images[i : i + 1], remember=False) for i in range(len(images))]
    for other in (*found[1:], np.concatenate(alone)):
        np.testing.assert_array_equal(found[0], other)


def test_equal_images_are_run_once(images, tmp_path):
    features = nn.Features(write_network(tmp_path / "a.onnx"))
    twice = np.concatenate([images, images[::-1]])
    seen = []
    found = features.extract(twice, progress=lambda done, total: seen.append((done, total)))
    assert features.images_run == len(images)
    assert seen[-1] == (7, 7)
    np.testing.assert_array_equal(found[: len(images)], found[: len(images) - 1 : -1])
    features.extract(images)
    assert features.images_run == len(images)


def test_ctrl_c_keeps_what_was_computed(images, tmp_path, restore_threads):
    nn.set_num_threads(1)
    features = nn.Features(write_network(tmp_path / "a.onnx"), cache=tmp_path / "cache")

    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        features.extract(images, progress=stop)
    again = nn.Features(tmp_path / "a.onnx", cache=tmp_path / "cache")
    again.extract(images)
    assert again.images_run == len(images) - 3


# -- the cache


def test_the_second_time_the_network_is_not_run(images, tmp_path):
    path, cache = write_network(tmp_path / "a.onnx"), tmp_path / "cache"
    first = nn.Features(path, cache=cache)
    expected = first.extract(images)
    second = nn.Features(path, cache=cache)
    np.testing.assert_array_equal(second.extract(images), expected)
    assert (first.images_run, second.images_run) == (len(images), 0)
    changed = images.copy()
    changed[2, 0, 0, 0] ^= 1
    found = second.extract(changed)
    assert second.images_run == 1
    assert (found[2] != expected[2]).any()
    np.testing.assert_array_equal(np.delete(found, 2, 0), np.delete(expected, 2, 0))


@pytest.mark.parametrize(
    "other", ["network", "output", "mean", "std", "color", "renamed"], ids=lambda what: what
)
def test_another_way_is_another_cache(images, tmp_path, other):
    cache = tmp_path / "cache"
    settings = {"mean": 0.0, "std": 1.0}
    nn.Features(write_network(tmp_path / "a.onnx"), **settings, cache=cache).extract(images)
    path = write_network(tmp_path / "b.onnx", seed=1 if other == "network" else 0)
    others = {"output": "relu", "mean": 0.5, "std": 0.5, "color": "bgr"}
    if other in others:
        settings[other] = others[other]
    features = nn.Features(path, **settings, cache=cache)
    features.extract(images)
    assert features.images_run == (0 if other == "renamed" else len(images))


def test_a_cache_that_cannot_be_written_is_noted(images, tmp_path):
    (tmp_path / "file").write_text("")
    features = nn.Features(write_network(tmp_path / "a.onnx"), cache=tmp_path / "file")
    expected = nn.Features(tmp_path / "a.onnx").extract(images)
    np.testing.assert_array_equal(features.extract(images), expected)
    (note,) = features.notes
    assert "file" in note
    assert "cannot be written" in note
    features.extract(images)
    assert features.images_run == len(images)


def test_more_than_memory_keeps_gives_every_image_its_own_features(images, tmp_path, monkeypatch):
    features = nn.Features(write_network(tmp_path / "a.onnx"))
    monkeypatch.setattr(feature_store, "_MEMORY_BYTES", 5 * features.count * 4)
    expected = features.extract(images, remember=False)
    features.extract(images[:4])
    np.testing.assert_array_equal(features.extract(images), expected)  # the four are dropped
    again = np.concatenate([images, images[::-1]])  # known ones, new ones and copies of both
    np.testing.assert_array_equal(
        features.extract(again), np.concatenate([expected, expected[::-1]])
    )


def test_a_cache_that_is_evicted_and_made_anew_meanwhile(images, tmp_path):
    path, cache = write_network(tmp_path / "a.onnx"), tmp_path / "cache"
    features = nn.Features(path, cache=cache)
    expected = features.extract(images, remember=False)
    features.extract(images[:5])

    def meanwhile(done, total):
        shutil.rmtree(cache)
        nn.Features(path, cache=cache).extract(images[:1] ^ 255)

    np.testing.assert_array_equal(features.extract(images[:6], progress=meanwhile), expected[:6])
    np.testing.assert_array_equal(features.extract(images), expected)


# -- what is refused


def refused(path, match, kind=nn.ModelFileError, **settings):
    with pytest.raises(kind, match=match) as caught:
        nn.Features(path, **settings)
    assert str(path) in str(caught.value)


def test_files_that_are_no_network(tmp_path):
    whole = write_network(tmp_path / "a.onnx").read_bytes()
    refused(tmp_path / "none.onnx", "there is no such ONNX file")
    refused(tmp_path, "cannot be read")
    png, text = b"\x89PNG\r\n\x1a\n" + bytes(50), b"hello world, this is text\n" * 9
    for content in (b"", png, text, whole[: len(whole) // 2], whole[:-70]):
        (tmp_path / "b.onnx").write_bytes(content)
        refused(tmp_path / "b.onnx", "no whole ONNX file; it may be truncated or of another kind")


def test_weights_in_other_files(tmp_path):
    import onnx

    whole = onnx.load(write_network(tmp_path / "a.onnx"))
    path = tmp_path / "b.onnx"
    onnx.save(whole, path, save_as_external_data=True, size_threshold=0)
    refused(path, "keeps its weights in other files")


def test_networks_that_are_not_for_images(tmp_path):
    import onnx
    from onnx import TensorProto, helper

    def write(*inputs):
        values = [helper.make_tensor_value_info(f"x{i}", *one) for i, one in enumerate(inputs)]
        nodes = [helper.make_node("Identity", [f"x{i}"], [f"y{i}"]) for i in range(len(inputs))]
        outputs = [helper.make_tensor_value_info(f"y{i}", *one) for i, one in enumerate(inputs)]
        graph = helper.make_graph(nodes, "g", values, outputs)
        opset = [helper.make_opsetid("", 13)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "a.onnx")
        return tmp_path / "a.onnx"

    image = (TensorProto.FLOAT, [1, 3, 9, 9])
    refused(write(image, image), r"takes 2 inputs \(x0, x1\)")
    refused(write((TensorProto.INT64, [1, 3, 9, 9])), r"tensor\(int64\)")
    refused(write((TensorProto.FLOAT, ["n", 784])), r"the shape \(n, 784\)")
    refused(write((TensorProto.FLOAT, [1, 4, 9, 9])), "takes 4 channels")


def test_outputs_that_are_no_features(tmp_path):
    path = write_network(tmp_path / "a.onnx", outputs=("logits", "answer"))
    refused(path, "'answer' is int64")
    refused(path, "output is 'relo'.*outputs: logits, answer.*relu", ValueError, output="relo")
    with pytest.raises(TypeError, match="output must be the name"):
        nn.Features(path, output=1)


def test_a_size_on_which_the_network_fails(tmp_path):
    path = write_network(tmp_path / "a.onnx", shape=("n", 3, None, None))
    refused(path, "cannot be run on .*2, 2, 3", size=2)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"size": 8}, "size is 8x8, but .* takes 9x9"),
        ({"color": "gray"}, "color is 'gray', but .* takes 3 channel"),
        ({"color": "yuv"}, "color is 'yuv'; known: rgb, bgr, gray"),
        ({"layout": "nchw"}, "layout is 'nchw'; known: NCHW, NHWC"),
        ({"mean": (0.5, 0.5)}, "mean needs 3 numbers"),
        ({"std": 0}, "std holds 0; it must be finite and above 0"),
    ],
)
def test_arguments(tmp_path, settings, match):
    with pytest.raises(ValueError, match=match):
        nn.Features(write_network(tmp_path / "a.onnx"), **settings)


def test_images_that_do_not_fit(images, tmp_path):
    features = nn.Features(write_network(tmp_path / "a.onnx"))
    with pytest.raises(TypeError, match=r"must be uint8 for the features of a\.onnx, not float32"):
        features.extract(images.astype(np.float32))
    with pytest.raises(nn.DataError, match=r"read them with size=\(9, 9\), color='rgb'"):
        features.extract(images[:, :8])


def test_features_that_are_not_finite(images, tmp_path):
    features = nn.Features(write_network(tmp_path / "a.onnx"), std=1e-38)
    images = images.copy()
    images[0] = 0
    with pytest.raises(nn.DataError, match=r"a.onnx: the features of image 1 are not finite"):
        features.extract(images)


def test_without_onnx_runtime(tmp_path, monkeypatch):
    path = write_network(tmp_path / "a.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    command = r'pip install "onnxruntime>=[0-9.]+"` \(the extra nncore\[onnx\]\)$'
    with pytest.raises(MissingExtraError, match=command):
        nn.Features(path)


def test_onnx_runtime_is_imported_when_it_is_used():
    code = (
        "import sys, nncore; nncore.Features; nncore.load; "
        "sys.exit('onnxruntime' in sys.modules or 'onnx' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
