"""Where exported models are run: each target gives probabilities for images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export_targets import compiled, keras_weights, runtime, torch_weights
from export_targets.networks import Case, NoSuchLayer

__all__ = ["TARGETS", "NoSuchLayer", "Target"]

F32 = NDArray[np.float32]
_BY_HAND = 100  # photos that plain C is given: half a second each, and several under an emulator


@dataclass(frozen=True)
class Target:
    """How images are run.

    `run` takes the case, its images and a folder to work in; NotInstalled and NoSuchLayer say that
    it cannot. `calibrated` is False for frameworks, which are given weights alone. A target that is
    `slow` is given so many photos and no more.
    """

    run: Callable[[Case, NDArray[np.uint8], Path], F32]
    calibrated: bool = True
    slow: int | None = None

    def most(self, case: Case) -> int:
        """How many images are run."""
        return self.slow if self.slow and case.is_of_photos else len(case.images)


TARGETS: Mapping[str, Target] = {
    "onnxruntime": Target(runtime.run),
    "gcc": Target(compiled.with_gcc, slow=_BY_HAND),
    "clang": Target(compiled.with_clang, slow=_BY_HAND),
    "sanitizers": Target(compiled.with_sanitizers, slow=10),
    "aarch64": Target(compiled.for_aarch64, slow=_BY_HAND),
    "armhf": Target(compiled.for_armhf, slow=_BY_HAND),
    "keras": Target(keras_weights.run, calibrated=False),
    "torch": Target(torch_weights.run, calibrated=False),
}
