"""Heat maps of a trained model: where it looked."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from PIL import Image

import nncore as nn
from nncore.layers.efficientnet_lite import VARIANTS, efficientnet_lite
from nncore.training.heat_maps import occlusion

pytestmark = pytest.mark.large
SIDE = 18
METHODS = ["gradcam", "occlusion"]

# What tells the classes.
SIGNS = np.array(
    [
        [[0, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 1, 0]],
        [[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]],
        [[0, 1, 1, 0]] * 4,
        [[0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]],
    ]
)


def signs(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noisy images with the class's sign in one quarter and random pixels as bright in the others;
    labels; and where the sign stands, bool (n, SIDE, SIDE)."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 60, (n, SIDE, SIDE))
    labels, where = np.arange(n) % 4, np.zeros((n, SIDE, SIDE), bool)
    for image, label, place in zip(images, labels, where, strict=True):
        sign = rng.integers(4)
        for quarter in range(4):
            y, x = SIDE // 2 * np.array(divmod(quarter, 2)) + rng.integers(0, SIDE // 2 - 3, 2)
            drawn = SIGNS[label] if quarter == sign else rng.random((4, 4)) < 0.35
            image[y : y + 4, x : x + 4] += 180 * drawn
            place[y : y + 4, x : x + 4] = quarter == sign
    return images.astype(np.uint8), labels, where


@pytest.fixture(scope="module")
def model() -> nn.Sequential:
    x, y, _ = signs(800, 0)
    made = nn.Sequential(
        [
            nn.Conv2D(8, 3, padding="same", activation="relu"),
            nn.Conv2D(16, 3, padding="same", use_bias=False),
            nn.BatchNormalization(),
            nn.Activation("relu"),
            nn.GlobalAveragePool2D(),
            nn.Dense(4),
        ]
    )
    made.fit(x, y, epochs=12, optimizer=nn.Adam(0.02), verbose=0)
    assert made.evaluate(*signs(200, 1)[:2]).accuracy >= 0.9
    return made


def share_within(heat: np.ndarray, where: np.ndarray) -> float:
    """Of the heat, how much lies within `where` or at most two pixels beside it."""
    near = np.zeros_like(where)
    for y, x in np.argwhere(where):
        near[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] = True
    return float(heat[near].sum() / heat.sum())


@pytest.mark.parametrize("method", METHODS)
def test_heat_is_where_the_class_is_to_be_seen(model, method):
    x, y, where = signs(40, 2)
    maps = model.explain(x, y, method)
    assert maps.dtype == np.float32
    assert maps.shape == (40, SIDE, SIDE)
    assert maps.min() >= 0
    found = maps.max(axis=(1, 2)) > 0
    assert found.mean() >= 0.9
    assert (maps[found].max(axis=(1, 2)) == 1).all()
    shares = [share_within(*pair) for pair in zip(maps[found], where[found], strict=True)]
    # An even map would have the share of the area, 0.2 at most.
    assert np.median(shares) > 0.7


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's, of the pixels of two maps."""
    ranks = [np.unique(one, return_inverse=True)[1].ravel().astype(float) for one in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("randomized", ["all layers", "the last layer"])
def test_other_weights_give_other_maps(model, method, randomized):
    """The parameter-randomisation test of Adebayo et al., "Sanity Checks for Saliency Maps"
    (NeurIPS 2018): what does not change with random weights shows the picture, not the model."""
    x, y, _ = signs(16, 3)
    before = model.explain(x, y, method)
    assert rank_correlation(before, before) == pytest.approx(1)
    found = []
    for seed in range(4):
        other, rng = copy.deepcopy(model), np.random.default_rng(seed)
        for layer in other.layers if randomized == "all layers" else other.layers[-1:]:
            if "kernel" in layer.parameter_names:
                layer.kernel = rng.normal(0, np.std(layer.kernel), layer.kernel.shape)
        after = other.explain(x, y, method)
        pairs = zip(before, after, strict=True)
        found += [rank_correlation(*pair) for pair in pairs if all(one.any() for one in pair)]
    assert len(found) >= 50
    assert abs(np.median(found)) < 0.3


def test_the_class_that_is_explained_is_the_answer_or_the_one_named(model):
    x, _, _ = signs(6, 5)
    answers = [one.index for one in model.predict(x)]
    maps = model.explain(x)
    np.testing.assert_array_equal(maps, model.explain(x, answers))
    np.testing.assert_array_equal(maps, model.explain(x, [str(one) for one in answers]))
    np.testing.assert_array_equal(model.explain(x, 1), model.explain(x, np.ones(6, int)))
    assert np.abs(model.explain(x, 1) - model.explain(x, "0")).max() > 0.5


def test_one_image_has_one_map(model, tmp_path):
    x, _, _ = signs(3, 6)
    maps = model.explain(x)
    files = [tmp_path / f"{i}.png" for i in range(3)]
    for file, image in zip(files, x, strict=True):
        Image.fromarray(image).save(file)
    np.testing.assert_array_equal(model.explain(x[1]), maps[1])
    np.testing.assert_array_equal(model.explain(x[1, ..., np.newaxis]), maps[1])
    np.testing.assert_array_equal(model.explain(Image.open(files[1])), maps[1])
    np.testing.assert_array_equal(model.explain(files[1]), maps[1])
    for several in ([files[1]], [Image.open(files[1])], x[1:2]):
        np.testing.assert_array_equal(model.explain(several), maps[1:2])
    np.testing.assert_array_equal(model.explain(tmp_path), maps)
    np.testing.assert_array_equal(model.explain(map(str, files)), maps)


def test_any_layer_that_gives_an_image(model):
    x, y, _ = signs(4, 7)
    default = model.explain(x, y)
    np.testing.assert_array_equal(model.explain(x, y, layer="activation"), default)
    first = model.explain(x, y, layer="conv2d")
    assert np.abs(first - default).max() > 0.3
    np.testing.assert_array_equal(model.explain(x, y), default)


def test_the_map_follows_the_weights_and_the_layers(model):
    x, y, _ = signs(4, 8)
    other = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(other.explain(x, y), model.explain(x, y))
    other.train_from("dense")
    np.testing.assert_array_equal(other.explain(x, y), model.explain(x, y))
    other.layers[-1].kernel = -other.layers[-1].kernel
    assert np.abs(other.explain(x, y) - model.explain(x, y)).max() > 0.3
    other.build((9, 7, 3))
    assert other.explain(np.zeros((9, 7, 3), np.uint8)).shape == (9, 7)


def test_gradients_are_those_that_training_adds_up():
    """Of a whole backbone: the gradient of a bias is the sum over images, classes and pixels of the
    loss's gradient by each score times that score's by the layer's output."""
    made = nn.Sequential([*efficientnet_lite(VARIANTS["efficientnet-lite0"]), nn.Dense(3)])
    made.build((64, 64, 3), seed=2)
    rng = np.random.default_rng(3)
    x, y = rng.random((2, 64, 64, 3), dtype=np.float32), np.array([2, 0])
    network = made._built_network()
    made.compute_gradients(x, y)
    by_scores = (nn.kernels.softmax(network.forward(x)) - np.eye(3)[y]) / 2
    for layer in ("block1_project", "block4/project", "block15_project"):
        probe = made._stack.new_probe((64, 64, 3), layer)
        total = np.zeros(probe.shape[2])
        for label in range(3):
            _, gradients = network.look(probe, x, np.full(2, label, np.int32))
            total += np.tensordot(by_scores[:, label], gradients.sum(axis=(1, 2)), 1)
        trained = network.get_gradient(f"{layer}/bias")
        np.testing.assert_allclose(total, trained, atol=1e-4 * np.abs(trained).max())


def test_a_softmax_at_the_end_makes_no_difference():
    x, y, _ = signs(8, 9)
    y %= 2
    maps = []
    for activation in (None, "softmax"):
        layers = [nn.Conv2D(4, 3, activation="relu"), nn.MaxPool2D(2), nn.Flatten()]
        made = nn.Sequential([*layers, nn.Dense(2, activation)])
        made.build((SIDE, SIDE, 1), seed=3)
        maps.append(made.explain(x, y))
    np.testing.assert_array_equal(*maps)
    assert maps[0].any()


def test_networks_without_convolutions_are_explained_by_occlusion():
    dense = nn.Sequential([nn.Flatten(), nn.Dense(2)])
    dense.build((6, 5, 1))
    kernel = np.zeros((30, 2), np.float32)
    kernel[7] = [1, -1]  # row 1, column 2
    dense.set_weights([kernel, np.zeros(2)])
    image = np.zeros((6, 5), np.float32)
    image[1, 2] = 1
    with pytest.raises(ValueError, match=r"no convolution .* use method='occlusion'"):
        dense.explain(image, method="gradcam")
    assert dense.explaining_method == "occlusion"
    np.testing.assert_array_equal(dense.explain(image, 0), dense.explain(image, 0, "occlusion"))
    heat = dense.explain(image, 0, "occlusion", window=1)
    np.testing.assert_allclose(heat, image)
    assert not dense.explain(image, 1, "occlusion", window=1).any()


def test_occlusion_covers_every_pixel_and_takes_means():
    image = np.zeros((5, 4, 1), np.float32)
    image[0, 0] = 20
    seen = []

    def score(images):
        seen.append(images)
        return images[:, 0, 0, 0]

    heat = occlusion(image, score, 3)
    whole, covered = seen
    assert whole.shape == (1, 5, 4, 1)
    # Starts at rows 0, 1, 2 and columns 0, 1; only the first square covers the corner.
    assert covered.shape == (6, 5, 4, 1)
    assert (covered == 1).sum(axis=(1, 2, 3)).tolist() == [9] * 6
    expected = np.zeros((5, 4))
    expected[:3, :3] = 1
    times = np.outer([1, 2, 3, 2, 1], [1, 2, 2, 1])
    np.testing.assert_allclose(heat, expected / times)


def test_what_cannot_be_explained_is_refused(model):
    x, _, _ = signs(3, 10)
    wrong = {
        "unknown class name 'cat'; the classes are '0', '1', '2', '3'": {"label": "cat"},
        "label must be .*3, not 4": {"label": 4},
        "2 labels for 3 images": {"label": [0, 1]},
        "method must be one of gradcam, occlusion, not 'lime'": {"method": "lime"},
        'no layer "conv"; known: conv2d,': {"layer": "conv"},
        'layer "dense" gives': {"layer": "dense"},
        "layer is for method='gradcam'": {"layer": "conv2d", "method": "occlusion"},
        "window is for method='occlusion'": {"window": 3, "method": "gradcam"},
        "not both": {"window": 3, "layer": "conv2d"},
        "window must be": {"window": SIDE + 1, "method": "occlusion"},
    }
    for message, arguments in wrong.items():
        with pytest.raises(ValueError, match=message):
            model.explain(x, **arguments)
    with pytest.raises(TypeError, match="label must be a class name or number"):
        model.explain(x, 1.5)
    with pytest.raises(ValueError, match="not built"):
        nn.Sequential([nn.Conv2D(4, 3), nn.Flatten(), nn.Dense(2)]).explain(x)
    rows = nn.Sequential([nn.Dense(2)])
    rows.build((5,))
    with pytest.raises(ValueError, match="takes rows of 5 numbers"):
        rows.explain(np.zeros((2, 5), np.float32), method="occlusion")


@pytest.mark.parametrize("method", METHODS)
def test_weights_that_overflow_are_told(method):
    made = nn.Sequential([nn.Conv2D(2, 3), nn.Conv2D(2, 3), nn.Flatten(), nn.Dense(2)])
    made.build((8, 8, 1))
    for name in ("conv2d", "conv2d_1"):
        kernel = next(layer for layer in made.layers if layer.name == name).kernel
        made.set_parameters({f"{name}/kernel": np.full(kernel.shape, 1e30)})
    with pytest.raises(ValueError, match="not finite"):
        made.explain(np.full((2, 8, 8), 255, np.uint8), 0, method)
