"""`ImageClassifier` among scikit-learn's own tools."""

from __future__ import annotations

import copy
import io
import multiprocessing
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

import joblib
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import nncore as nn
from nncore.sklearn import ImageClassifier
from nncore.sklearn.samples import Samples

RNG = np.random.default_rng(0)
Y = np.arange(120) % 3
NAMES = np.array(["cat", "dog", "owl"])[Y]
# Class k is bright in row k.
IMAGES = RNG.integers(0, 120, (120, 6, 6), np.uint8)
IMAGES[np.arange(120), Y] += 90
ROWS = IMAGES.reshape(120, 36).astype(float)


def classifier(model: object = "linear", **more: object) -> ImageClassifier:
    given = {"epochs": 30, "learning_rate": 0.05, "random_state": 0} | more
    return ImageClassifier(model, **given)


def same(one: ImageClassifier, other: ImageClassifier) -> bool:
    pairs = zip(one.model_.get_weights(), other.model_.get_weights(), strict=True)
    return all(np.array_equal(p, q) for p, q in pairs)


@pytest.mark.parametrize("x", [IMAGES, IMAGES[..., None], IMAGES / 255, ROWS, ROWS.astype("int64")])
def test_images_and_rows_are_learnt(x):
    fitted = classifier().fit(x, NAMES)
    assert fitted.score(x, NAMES) > 0.9
    assert fitted.n_features_in_ == 36
    assert list(fitted.classes_) == ["cat", "dog", "owl"] == list(fitted.model_.classes)
    assert fitted.predict_proba(x).shape == (120, 3)
    assert np.allclose(np.exp(fitted.predict_log_proba(x)), fitted.predict_proba(x))


@pytest.mark.parametrize("shape", [(6, 6), (6, 6, 1)])
def test_rows_may_be_declared_to_be_images(shape):
    rows = classifier("cnn", epochs=2, image_shape=shape).fit(ROWS, Y)
    images = classifier("cnn", epochs=2).fit(ROWS.reshape(-1, 6, 6), Y)
    assert rows.model_.input_shape == (6, 6, 1)
    assert same(rows, images)
    with pytest.raises(ValueError, match=r"36 features.*asks for 35"):
        classifier(image_shape=(5, 7)).fit(ROWS, Y)
    with pytest.raises(ValueError, match="image_shape must be"):
        classifier(image_shape=6).fit(ROWS, Y)


def test_auto_is_a_residual_network_for_images_and_a_dense_one_for_rows():
    images = ImageClassifier(epochs=1, random_state=0).fit(IMAGES, Y)
    assert "residual" in repr(images.model_)
    rows = ImageClassifier(random_state=0).fit(ROWS, Y)
    assert "residual" not in repr(rows.model_)
    assert rows.score(ROWS, Y) == 1
    assert rows.n_iter_ == len(rows.loss_curve_) < 200  # it ends when it has learnt all
    with pytest.raises(ValueError, match=r"'cnn' is for images.*image_shape"):
        ImageClassifier("cnn").fit(ROWS, Y)
    with pytest.raises(ValueError, match="known: auto, linear"):
        ImageClassifier("cnm").fit(ROWS, Y)


def test_large_floats_are_scaled_within_the_model():
    fitted = classifier("mlp", epochs=3).fit(ROWS, Y)
    (rescaling, *_) = fitted.model_.layers
    assert rescaling.name == "rescaling"
    alone = nn.Sequential.predict_proba(fitted.model_, ROWS.astype("float32"))
    assert (alone == fitted.predict_proba(ROWS)).all()
    assert classifier("mlp", epochs=1).fit(ROWS / 255, Y).model_.layers[0].name != "rescaling"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("pictures")
    paths = [str(folder / f"{number}.png") for number in range(120)]
    for path, image in zip(paths, IMAGES, strict=True):
        Image.fromarray(image).save(path)
    return paths


@pytest.mark.parametrize(
    "way",
    [
        list,
        tuple,
        np.array,
        lambda v: np.array(v, object)[:, None],
        lambda v: [Path(one) for one in v],
        lambda v: [Image.open(one) for one in v],
        lambda v: pytest.importorskip("pandas").Series(v),
        lambda v: pytest.importorskip("pandas").DataFrame({"path": v}),
        lambda v: pytest.importorskip("polars").Series(v),
    ],
)
def test_files_and_pictures_are_images(files, way):
    fitted = classifier("cnn", epochs=2).fit(way(files), NAMES)
    images = classifier("cnn", epochs=2).fit(IMAGES, NAMES)
    assert same(fitted, images)
    assert (fitted.predict(way(files)) == images.predict(IMAGES)).all()
    assert (images.predict_proba(way(files[:5])) == images.predict_proba(IMAGES[:5])).all()
    assert fitted.n_features_in_ == 36


def test_files_are_cross_validated_and_learnt_in_parts(files, tmp_path):
    scores = cross_val_score(classifier(), files, NAMES, cv=3)
    assert (scores == cross_val_score(classifier(), IMAGES, NAMES, cv=3)).all()
    online = classifier(epochs=None, image_shape=(6, 6, 3))
    for part in (slice(0, 60), slice(60, 120)):
        online.partial_fit(files[part], NAMES[part], classes=["cat", "dog", "owl"])
    assert online.model_.preprocessing.input_shape == (6, 6, 3)
    (tmp_path / "none.png").write_text("no picture")
    with pytest.raises(nn.DataError, match=r"X: .*none\.png: not an image"):
        classifier().fit([*files[:119], str(tmp_path / "none.png")], NAMES)
    with pytest.raises(ValueError, match="files have 1 or 3 channels"):
        classifier(image_shape=(6, 6, 2)).fit(files, NAMES)
    with pytest.raises(ValueError, match="does not know how to prepare a file"):
        classifier(epochs=1).fit(IMAGES / 255, NAMES).predict(files)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        classifier().fit(files, NAMES[:5])


def test_layers_and_models_as_model():
    layers = [nn.Flatten(), nn.Dense(8, activation="relu"), nn.Dense(3)]
    by_list = classifier(layers).fit(IMAGES, Y)
    by_set = classifier().set_params(model=nn.Sequential(layers)).fit(IMAGES, Y)
    assert same(by_list, by_set)
    assert not by_set.model.built  # it was copied
    further = classifier(by_list.model_, epochs=1, learning_rate=1e-9).fit(IMAGES, Y)
    assert np.allclose(further.predict_proba(IMAGES), by_list.predict_proba(IMAGES), atol=1e-5)
    with pytest.raises(ValueError, match=r"\(3,\) numbers, but y has 4 classes"):
        classifier(layers).fit(IMAGES, np.arange(120) % 4)
    with pytest.raises(TypeError, match="a list of layers"):
        classifier([1, 2]).fit(IMAGES, Y)


def test_pipelines_searches_and_clones():
    pipe = make_pipeline(StandardScaler(), classifier())
    assert cross_val_score(pipe, ROWS, NAMES, cv=3).mean() > 0.9
    search = GridSearchCV(
        classifier(epochs=3), {"learning_rate": [1e-9, 0.05], "model": ["linear", "mlp"]}, cv=2
    ).fit(IMAGES, NAMES)
    assert search.best_params_["learning_rate"] == 0.05
    assert same(clone(search.best_estimator_).fit(IMAGES, NAMES), search.best_estimator_)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_searches_on_several_workers_find_the_same(backend):
    def search(jobs: int) -> np.ndarray:
        grid = {"learning_rate": [0.001, 0.01, 0.05]}
        estimator = classifier("mlp", epochs=3)
        with joblib.parallel_backend(backend, n_jobs=jobs):
            return GridSearchCV(estimator, grid, cv=2).fit(IMAGES, NAMES).cv_results_

    one, two = search(1), search(2)
    assert (one["mean_test_score"] == two["mean_test_score"]).all()
    assert len(set(one["mean_test_score"])) > 1


def dump(fitted: ImageClassifier) -> ImageClassifier:
    file = io.BytesIO()
    joblib.dump(fitted, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize("twin", [copy.deepcopy, dump, lambda f: pickle.loads(pickle.dumps(f))])
def test_copies_predict_the_same_and_hold_the_model_file(twin):
    fitted = classifier("cnn", epochs=2).fit(IMAGES, NAMES)
    other = twin(fitted)
    assert (other.predict_proba(IMAGES) == fitted.predict_proba(IMAGES)).all()
    assert (other.predict(IMAGES) == fitted.predict(IMAGES)).all()
    assert other.loss_curve_ == fitted.loss_curve_
    assert b"__metadata__" in pickle.dumps(fitted)


def test_early_stopping_keeps_the_best_and_records_it():
    fitted = classifier(
        "mlp", epochs=60, early_stopping=True, n_iter_no_change=3, validation_fraction=0.25
    ).fit(IMAGES, NAMES)
    losses = fitted.validation_loss_curve_
    assert len(set(fitted.validation_scores_)) > 1
    assert 3 < fitted.n_iter_ == len(losses) == len(fitted.validation_scores_) < 60
    assert min(losses) == losses[np.argmin(losses)]
    assert fitted.best_validation_score_ == fitted.validation_scores_[int(np.argmin(losses))]
    assert fitted.loss_ == fitted.loss_curve_[-1]
    guessed = RNG.integers(0, 3, 120)  # nothing to learn: the best epoch is an early one
    lost = classifier("mlp", epochs=30, early_stopping=True, n_iter_no_change=20)
    lost.fit(IMAGES, guessed)
    best = int(np.argmin(lost.validation_loss_curve_))
    assert lost.best_validation_score_ == lost.validation_scores_[best]
    assert lost.best_validation_score_ != lost.validation_scores_[-1]
    without = classifier().fit(IMAGES, NAMES)
    assert without.validation_loss_curve_ is without.validation_scores_ is None
    assert without.n_iter_ == 30


def test_epochs_are_as_many_as_are_asked_for():
    assert classifier(epochs=40, tol=10.0).fit(IMAGES, Y).n_iter_ == 40
    assert classifier(epochs=None, tol=10.0, n_iter_no_change=4).fit(IMAGES, Y).n_iter_ == 5


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_weights_are_repetitions_and_the_order_has_no_say(model):
    weights = RNG.integers(0, 4, 120)
    repeated = classifier(model, epochs=3).fit(IMAGES.repeat(weights, 0), Y.repeat(weights))
    order = RNG.permutation(120)
    weighted = classifier(model, epochs=3)
    weighted.fit(IMAGES[order], Y[order], sample_weight=weights[order])
    assert same(weighted, repeated)
    assert not same(repeated, classifier(model, epochs=3).fit(IMAGES, Y))
    tenfold = classifier(model, epochs=3).fit(IMAGES, Y, sample_weight=weights * 8)
    assert same(tenfold, repeated)


def test_class_weight():
    heavy = classifier(class_weight={"cat": 1000, "dog": 1, "owl": 1}, epochs=5)
    assert (heavy.fit(ROWS * 0, NAMES).predict(ROWS * 0) == "cat").all()
    few = np.flatnonzero((Y != 0) | (np.arange(120) < 12))
    balanced = classifier(class_weight="balanced").fit(IMAGES[few], Y[few])
    weights = len(few) / 3 / np.bincount(Y[few])[Y[few]]
    assert same(balanced, classifier().fit(IMAGES[few], Y[few], sample_weight=weights))


def test_classes_are_weighted_if_that_is_asked_for_and_not_by_a_recipe():
    few = np.flatnonzero((Y != 0) | (np.arange(120) < 12))
    fitted = ImageClassifier(epochs=1, random_state=0).fit(IMAGES[few], Y[few])
    assert fitted.model_.facts.class_weight is None


def test_the_validation_part_has_its_share_of_each_class():
    labels = np.repeat([0, 1], [90, 10])
    samples = Samples(np.arange(100)[:, None], labels, np.arange(100) + 1.0)
    for seed in range(5):
        train, validation = samples.parts(0.2, seed)
        assert np.bincount(validation.labels).tolist() == [18, 2]
        assert sorted([*train.images[:, 0], *validation.images[:, 0]]) == list(range(100))
        assert (validation.weights == validation.images[:, 0] + 1).all()


def test_partial_fit_goes_on_where_it_was():
    online = classifier(epochs=None)
    for _ in range(20):
        for part in np.split(np.arange(120), 4):
            online.partial_fit(IMAGES[part], NAMES[part], classes=["cat", "dog", "owl"])
    assert online.score(IMAGES, NAMES) > 0.9
    assert online.n_iter_ == len(online.loss_curve_) == 80
    twin = pickle.loads(pickle.dumps(online))
    assert same(twin.partial_fit(IMAGES, NAMES), online.partial_fit(IMAGES, NAMES))
    assert len(twin.loss_curve_) == 81
    fitted = classifier().fit(IMAGES, NAMES)
    before = fitted.n_iter_
    assert fitted.partial_fit(IMAGES, NAMES).n_iter_ == before + 1


def test_partial_fit_refuses_what_cannot_be():
    with pytest.raises(ValueError, match="classes must be passed"):
        classifier().partial_fit(IMAGES, NAMES)
    with pytest.raises(ValueError, match="'owl', which is not one of the classes"):
        classifier().partial_fit(IMAGES, NAMES, classes=["cat", "dog"])
    with pytest.raises(ValueError, match="balanced"):
        classifier(class_weight="balanced").partial_fit(IMAGES, NAMES, classes=["cat", "dog"])


def test_parameters_of_training_reach_it():
    plain = classifier(epochs=2).fit(IMAGES, Y)
    for more in (
        {"optimizer": "sgd"},
        {"optimizer": nn.SGD(0.3)},
        {"batch_size": 7},
        {"schedule": "cosine"},
        {"augment": "light"},
        {"augment": nn.Augmentation(shift=0.2)},
        {"optimizer": "adamw", "weight_decay": 0.5},
        {"random_state": 1},
    ):
        assert not same(classifier(epochs=2, **more).fit(IMAGES, Y), plain), more
    for more in ({"optimizer": "sdg"}, {"schedule": "slow"}, {"augment": "much"}):
        with pytest.raises(ValueError, match=next(iter(more)) + r" is '\w+'; known: "):
            classifier(**more).fit(IMAGES, Y)


def test_what_is_no_data_is_named():
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        classifier().fit(sparse.csr_matrix(ROWS), Y)
    with pytest.raises(ValueError, match="one class: 'cat'"):
        classifier().fit(IMAGES, ["cat"] * 120)
    with pytest.raises(ValueError, match="besides those of weight 0"):
        classifier().fit(IMAGES, Y, sample_weight=Y == 0)
    with pytest.raises(ValueError, match="not be negative"):
        classifier().fit(IMAGES, Y, sample_weight=np.full(120, -1.0))
    with pytest.raises(ValueError, match="infinity"):
        classifier().fit(ROWS * 1e300, Y)
    with pytest.raises(ValueError, match=r"\(N, 6, 6, 1\)"):
        classifier().fit(IMAGES, Y).predict(IMAGES[:, :5])


def test_ctrl_c_ends_a_search_too(monkeypatch):
    fit = nn.Sequential.fit

    def interrupted(self, *args, **kwargs):
        history = fit(self, *args, **kwargs)
        self.interrupted = True
        return history

    monkeypatch.setattr(nn.Sequential, "fit", interrupted)
    estimator = classifier()
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(IMAGES, Y)
    assert estimator.predict(IMAGES).shape == (120,)
    with pytest.raises(KeyboardInterrupt):
        GridSearchCV(estimator, {"epochs": [1, 2]}, cv=2).fit(IMAGES, Y)


@pytest.mark.parametrize(
    ("said", "to_nncore", "in_a_pool", "threads"),
    [
        ("1", None, False, 1),
        ("2", None, False, 2),
        ("2", None, True, 2),
        (None, None, True, 1),
        (None, "3", True, 3),
        ("1", "3", False, 3),
        ("9", None, False, 3),
        ("x", None, False, 3),
        (None, None, False, 3),
    ],
)
def test_workers_keep_to_their_share(
    monkeypatch, restore_threads, said, to_nncore, in_a_pool, threads
):
    for name, value in (("OMP_NUM_THREADS", said), ("NNCORE_NUM_THREADS", to_nncore)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", in_a_pool)
    nn.set_num_threads(3)
    classifier(epochs=1).fit(IMAGES, Y)
    assert nn.get_num_threads() == threads


def test_without_scikit_learn_the_extra_is_named():
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "try:\n    import nncore.sklearn\n"
        "except ImportError as error:\n    print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("MissingExtraError")
    assert 'pip install "scikit-learn>=1.6"`' in done.stdout
