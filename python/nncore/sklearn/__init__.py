"""nncore as an estimator of scikit-learn: `ImageClassifier`.

Needs the extra ``[sklearn]``. `docs/scikit-learn.md` shows it in pipelines and searches.
"""

from nncore.errors import MissingExtraError
from nncore.extras import how_to_install

try:
    from sklearn.utils.validation import validate_data as _validate_data  # noqa: F401
except ImportError as error:
    raise MissingExtraError(
        f"nncore.sklearn needs scikit-learn 1.6 or newer: {how_to_install('sklearn')}"
    ) from error

from nncore.sklearn.classifier import ImageClassifier

__all__ = ["ImageClassifier"]
