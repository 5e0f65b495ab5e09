"""Audit: look for wrong labels, duplicates, outliers and poor pictures in a data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nncore.arguments import check_int, check_seed
from nncore.auditing.confident_learning import confident_labels
from nncore.auditing.out_of_sample import OutOfSample, from_scratch, on_backbone
from nncore.auditing.outliers import far_out
from nncore.auditing.result import Audit, DuplicateSet, Outlier
from nncore.auditing.suspects import suspects_of
from nncore.data.dataset import ImageDataset
from nncore.data.duplicates import find_duplicates
from nncore.data.labels.folds import stratified_folds
from nncore.data.near_duplicates import find_near_duplicates
from nncore.data.quality import find_flaws

if TYPE_CHECKING:
    from nncore.training.model import Sequential

Progress = Callable[[int, int], object]

FOLDS = 5


def audit(
    data: ImageDataset,
    *,
    backbone: Sequential | None = None,
    folds: int = FOLDS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Audit:
    """Look for wrong labels, and for duplicates, outliers and poor pictures.

    The images are cut into folds, and those of each fold are judged by a network that has learned
    from the others; then confident learning (Northcutt, Jiang and Chuang, 2021) says which labels
    are wrong. Nothing is changed. See ``docs/audit.md`` for what is found and what is not.

    Parameters
    ----------
    data
        Images of all parts of a split, if there is one.
    backbone
        A model of `nncore.backbone` for as many classes, on whose features only a last layer is
        trained in each fold: far better on photos. By default small networks learn from scratch.
    folds
        How many, at least 2. Images of the same pixels and of one group are in the same one.
    seed
        Of the folds and of the training.
    progress
        Called as ``progress(done, total)``, in epochs.

    Returns
    -------
    Audit
        Its `suspects` are the labels to look at, the worst first.

    Raises
    ------
    DataError, ValueError, TypeError
        The images do not suit the backbone, or a wrong argument.

    Examples
    --------
    >>> found = nn.audit(nn.ImageDataset.from_folder("digits/"))             # doctest: +SKIP
    >>> found.suspects[0]                                                    # doctest: +SKIP
    >>> found.write_csv("audit.csv")                                         # doctest: +SKIP
    """
    if not isinstance(data, ImageDataset):
        raise TypeError(
            f"audit takes an ImageDataset, such as ImageDataset.from_folder(...), not "
            f"{type(data).__name__}"
        )
    folds, seed = check_int("folds", folds, 2), check_seed(seed)
    fold = stratified_folds(data.kept_together(), data.labels, folds, seed)
    if backbone is None:
        found = from_scratch(data, fold, seed, progress)
    else:
        found = on_backbone(data, backbone, fold, seed, progress)
    held_out, names = found.held_out, data.classes.names
    confident = confident_labels(held_out, len(names))
    return Audit(
        data=data,
        suspects=suspects_of(data, held_out, confident),
        estimated_errors=confident.errors,
        confusions=[(names[label], names[other], n) for label, other, n in confident.pairs],
        duplicates=_duplicates(data),
        outliers=_outliers(found),
        flaws=find_flaws(data),
        held_out=held_out,
        settings={"folds": folds, "seed": seed, **found.settings},
        notes=_notes(data, held_out.judged),
    )


def _duplicates(data: ImageDataset) -> list[DuplicateSet]:
    """Exact and near ones; those that do harm first."""
    exact = [tuple(same.positions) for same in find_duplicates(data)]
    near = map(tuple, find_near_duplicates(data.images, data.pixel_digests))
    found = [_duplicate_set("exact", data, positions) for positions in exact]
    found += [_duplicate_set("near", data, positions) for positions in near]
    return sorted(found, key=lambda same: (len(same.classes) == 1, len(same.parts) < 2))


def _duplicate_set(kind: str, data: ImageDataset, positions: tuple[int, ...]) -> DuplicateSet:
    labels = sorted({int(data.labels[i]) for i in positions})
    given = data.given_split
    return DuplicateSet(
        kind,
        positions,
        tuple(data.classes.names[label] for label in labels),
        () if given is None else tuple(sorted({given[i] for i in positions})),
    )


def _outliers(found: OutOfSample) -> list[Outlier]:
    limit = far_out(found.unlike)
    places = np.flatnonzero(found.unlike > limit)
    order = places[np.argsort(-found.unlike[places], kind="stable")]
    return [Outlier(i, float(found.unlike[i])) for i in order.tolist()]


def _notes(data: ImageDataset, judged: NDArray[np.bool_]) -> list[str]:
    alone = np.flatnonzero(~judged)
    if not len(alone):
        return []
    names = sorted({data.classes.names[data.labels[i]] for i in alone})
    shown = ", ".join(map(repr, names[:5])) + (" and more" if len(names) > 5 else "")
    return [
        f"{len(alone)} image(s) cannot be judged, since no others of their class are left to learn "
        f"from: {shown}"
    ]
