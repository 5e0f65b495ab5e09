"""Exceptions of nncore.

Every message names the file, argument or shapes at fault and says what to do. The command line
turns each class into one exit code (see ``nncore.cli``); a plain ``ValueError`` or ``TypeError``
means that an argument is wrong.
"""

from __future__ import annotations


class NncoreError(Exception):
    """Base of the errors that are not about a single argument."""


class DataError(NncoreError, ValueError):
    """A data set is missing, broken or disagrees with the model (exit code 3)."""


class ModelFileError(NncoreError, ValueError):
    """A model file is truncated, foreign, of another version or inconsistent (exit code 4)."""


class TrainingError(NncoreError, RuntimeError):
    """Training cannot go on, for example because the loss is not finite (exit code 1)."""


class MissingExtraError(NncoreError, ImportError):
    """An optional dependency is not installed; the message names the extra to install."""


class ExportError(NncoreError, ValueError):
    """A model cannot be written in the format that was asked for (exit code 1)."""
