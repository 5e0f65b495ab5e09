"""Pictures that are none of the classes."""

import numpy as np
import pytest
from test_calibration import described

import nncore as nn
from nncore.training.answers.novelty import DIMENSIONS, Novelty, _inverse_root, descriptors_of


def clusters(count: int, features: int = 20, seed: int = 0):
    """Features of three classes, and of a fourth that nobody knows."""
    rng = np.random.default_rng(seed)
    centres = np.abs(np.random.default_rng(9).standard_normal((4, features))) * 3
    labels = rng.integers(0, 4, count)
    x = (centres[labels] + 0.4 * rng.standard_normal((count, features))).astype(np.float32)
    known = labels < 3
    return x[known], labels[known], x[~known]


@pytest.mark.parametrize("features", [20, 300])
def test_a_class_that_nobody_knows_is_told(features):
    x, y, _ = clusters(800, features)
    novelty = Novelty.of(descriptors_of(x), y, 3)
    others, _, foreign = clusters(4000, features, seed=1)
    assert (novelty.scores(foreign) > 1).mean() > 0.99
    assert (novelty.scores(others) > 1).mean() == pytest.approx(0.05, abs=0.025)
    assert novelty.whitening.shape == (min(features, DIMENSIONS),) * 2
    # What hardly excites the network, and what does beyond measure.
    for factor in (0.01, 100):
        assert (novelty.scores(others * np.float32(factor)) > 1).all()


def test_the_distance_is_that_of_mahalanobis():
    x, y, foreign = clusters(600)
    z = descriptors_of(x).astype(np.float64)
    lengths = np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True)
    np.testing.assert_allclose(z, x / np.sqrt(lengths), rtol=1e-5)
    means = np.stack([z[y == k].mean(axis=0) for k in range(3)])
    rest = z - means[y]
    covariance = rest.T @ rest / len(z)
    covariance += np.eye(20) * np.trace(covariance) / len(z)
    apart = descriptors_of(foreign)[:, np.newaxis] - means
    exact = np.sqrt(np.einsum("nki,ij,nkj->nk", apart, np.linalg.inv(covariance), apart).min(1))
    novelty = Novelty.of(descriptors_of(x), y, 3)
    np.testing.assert_allclose(novelty.scores(foreign) * novelty.threshold, exact, rtol=1e-3)


def test_the_root_of_an_inverse():
    a = np.random.default_rng(0).standard_normal((30, 9))
    matrix = a.T @ a
    root = _inverse_root(matrix)
    np.testing.assert_allclose(root @ root.T @ matrix, np.eye(9), atol=1e-9)


def test_few_of_a_class_are_refused():
    x, y, _ = clusters(300)
    few = (y != 1) | (np.cumsum(y == 1) <= 2)
    with pytest.raises(ValueError, match="2 images of a class say too little"):
        Novelty.of(descriptors_of(x[few]), y[few], 3)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [0.0, 1e30])
def test_odd_features_give_numbers(value):
    x, y, _ = clusters(300)
    scores = Novelty.of(descriptors_of(x), y, 3).scores(np.full((3, 20), value, np.float32))
    assert np.isfinite(scores).all()
    assert (scores > 1).all()


NETWORKS = {
    "mlp": [nn.Dense(24, activation="relu"), nn.Dense(3)],
    "linear": [nn.Flatten(), nn.Dense(3)],
    "softmax": [nn.Dense(24, activation="relu"), nn.Dense(3), nn.Activation("softmax")],
    "cnn": [nn.Conv2D(8, 3, activation="relu"), nn.MaxPool2D(2), nn.Flatten(), nn.Dense(3)],
    "resnet": [
        nn.Conv2D(8, 3, padding="same", use_bias=False),
        nn.BatchNormalization(),
        nn.Activation("relu"),
        nn.Residual([nn.Conv2D(8, 3, padding="same"), nn.BatchNormalization()]),
        nn.GlobalAveragePool2D(),
        nn.Dropout(0.2),
        nn.Dense(3),
    ],
}


def images(count: int, seed: int = 0):
    """Bars in three directions, and noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    x = rng.integers(0, 60, (count, 8, 8, 1))
    at = rng.integers(1, 6, count)
    for image, label, place in zip(x, labels, at, strict=True):
        if label == 0:
            image[place : place + 2] += 150
        elif label == 1:
            image[:, place : place + 2] += 150
        else:
            image[np.arange(8), np.arange(8)] += 150
    return x.astype(np.uint8), labels


def trained(kind: str) -> nn.Sequential:
    x, y = images(300)
    rows = x if kind not in ("mlp", "softmax") else x.reshape(len(x), -1)
    model = nn.Sequential(NETWORKS[kind])
    model.fit(rows, y, epochs=4, optimizer=nn.Adam(0.01), verbose=0)
    return model


@pytest.mark.parametrize("kind", NETWORKS)
def test_models_of_all_kinds(kind, tmp_path):
    model = trained(kind)
    x, y = images(300, seed=1)
    new, _ = images(200, seed=2)
    foreign = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 1)).astype(np.uint8)
    if kind in ("mlp", "softmax"):
        x, new, foreign = (some.reshape(len(some), -1) for some in (x, new, foreign))
    assert model.predict(new)[0].unknown is None
    model.calibrate(x, y)
    known, unknown = model.predict(new, coverage=0.9), model.predict(foreign)
    assert all(one.unknown == (one.unknown_score > 1) for one in [*known, *unknown])
    assert np.mean([one.unknown for one in known]) < 0.15
    scores = [np.mean([one.unknown_score for one in some]) for some in (known, unknown)]
    assert scores[1] > 1.3 * scores[0]
    # The probabilities are the same with and without, one image and many give the same score.
    plain = model.predict_proba(new)
    assert [one.probability for one in known] == plain.max(axis=1).tolist()
    assert model.predict(new[7:8], coverage=0.9)[0] == known[7]
    model.save(tmp_path / "m.safetensors")
    loaded = nn.load(tmp_path / "m.safetensors")
    assert loaded.predict(foreign) == unknown
    assert loaded.unknown == model.unknown
    assert loaded.unknown["images"] == 300
    model.fit(x, y, epochs=1, verbose=0)
    assert model.unknown is None


def test_without_a_dense_layer_at_the_end_there_is_none():
    model = nn.Sequential([nn.Conv2D(3, 3), nn.GlobalAveragePool2D()])
    x, y = images(200)
    model.fit(x, y, epochs=1, verbose=0)
    model.calibrate(x, y)
    assert model.unknown is None
    assert model.predict(x[:2], coverage=0.9)[0].unknown is None


def test_a_class_without_images_leaves_it_off():
    model = trained("cnn")
    x, y = images(300, seed=1)
    model.calibrate(x[y != 2], y[y != 2])
    assert model.unknown is None
    assert model.largest_coverage is not None


def test_fixed_layers(tmp_path):
    model = trained("resnet")
    model.train_from(model.layers[-1].name)
    x, y = images(300)
    model.fit(x, y, epochs=1, verbose=0)  # now what they give is at hand
    model.calibrate(x, y)
    known = model._assurances.novelty
    fresh = nn.load(saved(model, tmp_path))
    fresh.calibrate(x, y)
    assert fresh._assurances.novelty.whitening.tobytes() == known.whitening.tobytes()
    assert fresh.unknown == model.unknown


def saved(model, folder):
    model.save(folder / "m.safetensors")
    return folder / "m.safetensors"


@pytest.mark.parametrize("what", ["threshold", "dtype", "shape", "missing"])
def test_what_a_file_holds_is_checked(tmp_path, what, monkeypatch):
    model = trained("cnn")
    model.calibrate(*images(300, seed=1))
    tensors, record = Novelty.tensors, Novelty.to_dict
    changed = {
        "dtype": lambda t: t | {"calibration.centre": t["calibration.centre"].astype(np.float64)},
        "shape": lambda t: t | {"calibration.whitening": t["calibration.whitening"][:-1]},
        "missing": lambda t: {name: t[name] for name in list(t)[1:]},
        "threshold": lambda t: t,
    }[what]
    monkeypatch.setattr(Novelty, "tensors", lambda self: changed(tensors(self)))
    if what == "threshold":
        monkeypatch.setattr(Novelty, "to_dict", lambda self: record(self) | {"threshold": -1.0})
    path = saved(model, tmp_path)
    assert "unknown" in described(path)
    with pytest.raises(nn.ModelFileError, match=r"m\.safetensors"):
        nn.load(path)


def test_the_same_bits_on_any_instruction_set():
    from nncore import _core

    x, y, foreign = clusters(400, 200)
    found, usual = [], nn.info()["isa"]
    try:
        for isa in nn.info()["isas"]:
            _core.select_isa(isa)
            novelty = Novelty.of(descriptors_of(x), y, 3)
            found.append((novelty.whitening.tobytes(), novelty.scores(foreign).tobytes()))
    finally:
        _core.select_isa(usual)
    assert len(set(found)) == 1
