"""Who takes part: one small file per contender, and what each needs to be installed."""

from __future__ import annotations

from dataclasses import dataclass

from contender import Contender
from works import Work


@dataclass(frozen=True)
class Entry(Contender):
    """One contender; `module` is in this package, and its `Trainer` is what `base` describes.

    Attributes
    ----------
    works
        Which works it takes part in: "all", "mlp" or "conv".
    note
        How it is used, and why it takes no part in the other works.
    """

    works: str = "all"
    note: str = ""

    def takes(self, work: Work) -> bool:
        return self.works == "all" or (self.works == "mlp") == work.is_mlp


_TORCH = "pip install torch==2.13.0"
_ENTRIES = (
    Entry("nncore", "nncore_fit", ("nncore",), "pip install .", note="Sequential.fit"),
    Entry("torch", "torch_eager", ("torch",), _TORCH, note="eager, NCHW"),
    Entry(
        "torch-channels-last",
        "torch_channels_last",
        ("torch",),
        _TORCH,
        works="conv",
        note="eager; channels_last is a memory format of images, which MLPs do not have",
    ),
    Entry("jax", "jax_step", ("jax",), "pip install jax", note="one jitted call per step"),
    Entry(
        "jax-scan",
        "jax_scan",
        ("jax",),
        "pip install jax",
        works="mlp",
        note="one jitted scan per epoch; XLA's convolutions within a loop took 4 to 21 times as "
        "long as one call per step",
    ),
    Entry(
        "sklearn",
        "sklearn_mlp",
        ("sklearn", "threadpoolctl"),
        "pip install scikit-learn",
        works="mlp",
        note="MLPClassifier.partial_fit per epoch; it has no convolutions",
    ),
    Entry(
        "keras",
        "keras_fit",
        ("keras", "tensorflow"),
        "pip install tensorflow-cpu",
        note="fit on a tf.data pipeline, all steps of an epoch per call",
    ),
)
CONTENDERS = {entry.name: entry for entry in _ENTRIES}
