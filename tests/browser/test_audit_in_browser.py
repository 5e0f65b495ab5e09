"""The page of an audit in a real browser."""

from __future__ import annotations

import numpy as np

import nncore as nn
from nncore.report.audit_page import write_audit_page
from pages import HOSTILE_CLASSES


def test_an_audit(looks_right, tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 120, (240, 8, 8), dtype=np.uint8)
    labels = np.arange(240) % 3
    images[np.arange(240), labels * 2] += 90
    labels[:9] = (labels[:9] + 1) % 3
    images[20], images[30] = images[21], 7
    images[40] = images[41] // 2 + 60
    names = [f"{HOSTILE_CLASSES[i % 3]}/{i}.png" for i in range(240)]
    data = nn.ImageDataset.from_arrays(images, labels, HOSTILE_CLASSES[:3], names)
    write_audit_page(nn.audit(data, folds=2), tmp_path / "audit.html", "", "nncore train <b>")
    looks_right(tmp_path / "audit.html", "audit")
