"""What the sweeps of this folder try: settings of a small network on scikit-learn's digits."""

from __future__ import annotations

from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from nncore.sklearn import ImageClassifier


def search(workers: int) -> GridSearchCV:
    """Four settings in three folds each, by so many workers of the joblib backend in use."""
    classifier = ImageClassifier(epochs=3, image_shape=(8, 8), random_state=0)
    tried = {"model": ["linear", "cnn"], "learning_rate": [0.001, 0.01]}
    return GridSearchCV(classifier, tried, cv=3, n_jobs=workers)


def run(workers: int) -> None:
    """Search, and tell what was found: the same on every backend and number of workers."""
    found = search(workers).fit(*load_digits(return_X_y=True))
    for settings, score in zip(
        found.cv_results_["params"], found.cv_results_["mean_test_score"], strict=True
    ):
        print(f"{score:.6f}  {settings['model']} at {settings['learning_rate']:g}")
    best = found.best_params_
    print(f"best: {best['model']} at {best['learning_rate']:g}, {found.best_score_:.6f}")
