"""The comparison of exported models: what agrees and what does not."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from export_targets import TARGETS, Target
from export_targets.networks import Case
from exports import _checked

from exported_networks import network


@pytest.fixture
def case() -> Case:
    model, images, _ = network("normalized")
    return Case("tiny", model, images)


@pytest.mark.parametrize("name", ["onnxruntime", "gcc"])
def test_exports_that_agree(name, case):
    if name == "gcc" and shutil.which("gcc") is None:
        assert _checked(TARGETS[name], case) == ("no gcc", None)
        return
    cell, failure = _checked(TARGETS[name], case)
    assert failure is None
    assert float(cell) < 1e-5


def test_what_differs_is_a_failure(case):
    def wrong(case: Case, images, folder):
        return np.roll(case.expected(True), 1, axis=1)

    cell, failure = _checked(Target(wrong), case)
    assert float(cell) > 0.1
    assert f"{len(case.images)} other labels" in failure
