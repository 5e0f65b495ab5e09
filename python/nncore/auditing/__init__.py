"""Which labels of a data set may be wrong, and what else a person should look at.

audit.py                 `audit`: all of it
out_of_sample.py         what is said of each image by a network that has not learned from it
confident_learning.py    which labels that contradicts
suspects.py, outliers.py, result.py
"""

from __future__ import annotations

from nncore.auditing.audit import audit
from nncore.auditing.result import Audit

__all__ = ["Audit", "audit"]
