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
_EMULATED = 2  # photos that an emulator is given


@dataclass(frozen=True)
class Target:
    """How images are run.

    `run` takes the case, its images and a folder to work in; NotInstalled and NoSuchLayer say that
    it cannot. `calibrated` is False for frameworks, which are given weights alone. `slow` ones are
    spared most photos.
    """

    run: Callable[[Case, NDArray[np.uint8], Path], F32]
    calibrated: bool = True
    slow: bool = False

    def most(self, case: Case) -> int:
        """How many images are run."""
        return _EMULATED if self.slow and case.is_of_photos else len(case.images)


TARGETS: Mapping[str, Target] = {
    "onnxruntime": Target(runtime.run),
    "gcc": Target(compiled.with_gcc),
    "clang": Target(compiled.with_clang),
    "sanitizers": Target(compiled.with_sanitizers, slow=True),
    "aarch64": Target(compiled.for_aarch64, slow=True),
    "armhf": Target(compiled.for_armhf, slow=True),
    "keras": Target(keras_weights.run, calibrated=False),
    "torch": Target(torch_weights.run, calibrated=False),
}
