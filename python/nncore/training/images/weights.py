"""Class weights and sample weights: how much each training image counts in the loss.

N images, K classes.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore.data.labels.class_map import ClassMap, list_names

ClassWeight: TypeAlias = str | Mapping[str | int, float]


def class_weights(
    class_weight: ClassWeight | None, labels: NDArray[Any], classes: ClassMap
) -> dict[str, float] | None:
    """The weight of each class by its name; None without weights.

    Parameters
    ----------
    class_weight
        "balanced": N / (K' * images of the class), where K' is the number of classes that occur,
        as in scikit-learn; then the mean weight of an image is 1 and all classes count the same.
        Or a mapping from class names or numbers to weights; classes that it lacks have weight 1, as
        in Keras.
    labels
        Class of each image (N,).

    Raises
    ------
    TypeError, ValueError
        Another word, an unknown class, a class that is given twice, or a weight that is no finite
        number of at least 0.
    """
    if class_weight is None:
        return None
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(
                'class_weight must be "balanced" or a mapping from classes to weights, not '
                f"{class_weight!r}"
            )
        counts = np.bincount(labels, minlength=len(classes)).tolist()
        occurring = sum(count > 0 for count in counts)
        shares = [len(labels) / (occurring * count) if count else 1.0 for count in counts]
        return dict(zip(classes, shares, strict=True))
    if not isinstance(class_weight, Mapping):
        raise TypeError(
            'class_weight must be "balanced" or a mapping from classes to weights, not '
            f"{class_weight!r}"
        )
    names = classes.names
    weights: dict[str, float] = {}
    for key, value in class_weight.items():
        name = _class_name(key, names)
        if name in weights:
            raise ValueError(f"class_weight gives class {name!r} twice, by name and by number")
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError(f"class_weight[{key!r}] must be a number, not {value!r}")
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"class_weight[{key!r}] must be finite and at least 0, not {value}")
        weights[name] = float(value)
    return {name: weights.get(name, 1.0) for name in names}


def image_weights(
    by_class: Mapping[str, float] | None,
    sample_weight: ArrayLike | None,
    labels: NDArray[Any],
) -> NDArray[np.float32] | None:
    """Weight of each image (N,), that of its class times its own; None without any weights.

    Raises
    ------
    TypeError, ValueError
        `sample_weight` is not (N,) numbers of at least 0, or all weights are 0.
    """
    if by_class is None and sample_weight is None:
        return None
    weights = np.ones(len(labels))
    if by_class is not None:
        weights = np.array(list(by_class.values()), np.float64)[labels]
    if sample_weight is not None:
        weights = weights * _checked(sample_weight, len(labels))
    with np.errstate(over="ignore"):
        result = weights.astype(np.float32)
    if not np.isfinite(result).all():
        raise ValueError(f"the weight of image {int(np.argmin(np.isfinite(result)))} is too large")
    if not result.any():
        raise ValueError("class_weight and sample_weight give every image the weight 0")
    return result


def _class_name(key: object, names: tuple[str, ...]) -> str:
    if isinstance(key, str):
        if key not in names:
            raise ValueError(
                f"class_weight has the unknown class {key!r}; known: {list_names(names)}"
            )
        return key
    if isinstance(key, bool) or not isinstance(key, (int, np.integer)):
        raise TypeError(f"class_weight must map class names or numbers to weights, not {key!r}")
    if not 0 <= key < len(names):
        raise ValueError(f"class_weight has class {key}, outside 0 to {len(names) - 1}")
    return names[int(key)]


def _checked(sample_weight: ArrayLike, count: int) -> NDArray[np.float64]:
    given = np.asarray(sample_weight)
    if given.dtype.kind not in "fiu":
        raise TypeError(f"sample_weight must be numbers, not {given.dtype}")
    if given.shape != (count,):
        raise ValueError(
            f"sample_weight must have the shape ({count},), one weight per image, not {given.shape}"
        )
    wrong = np.flatnonzero(~(np.isfinite(given) & (given >= 0)))
    if wrong.size:
        first = int(wrong[0])
        raise ValueError(
            f"sample_weight[{first}] must be finite and at least 0, not {given[first]}"
        )
    return given.astype(np.float64)
