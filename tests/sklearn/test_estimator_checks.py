"""scikit-learn's own checks of an estimator; no tag keeps one of them away."""

from __future__ import annotations

import pytest

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from nncore.sklearn import ImageClassifier


@parametrize_with_checks([ImageClassifier()])
def test_every_check(estimator, check):
    check(estimator)


def test_tags_ask_for_no_forbearance():
    tags = get_tags(ImageClassifier())
    assert not tags.non_deterministic
    assert not tags.no_validation
    assert not tags.classifier_tags.poor_score
    assert tags.input_tags.two_d_array
    assert tags.classifier_tags.multi_class
