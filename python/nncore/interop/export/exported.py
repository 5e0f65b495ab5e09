"""Writing a network to a file of some format."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from nncore.files.atomic import atomic_write_bytes
from nncore.files.home import place
from nncore.interop.export.c_text import identifier
from nncore.interop.export.frameworks import FRAMEWORKS
from nncore.interop.export.network import INPUTS, TrainedNetwork

# Formats by the endings of their files.
FORMATS = {"onnx": ".onnx", "c": ".c", "npz": ".npz", "safetensors": ".safetensors"}
_OF_WEIGHTS = ("npz", "safetensors")


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes
    ----------
    files
        Paths; of C the source first, then the header.
    format
    weight_bytes, buffer_bytes, multiply_adds
        Of C: constants, memory between the layers, work for one image; else None.
    """

    files: tuple[Path, ...]
    format: str
    weight_bytes: int | None = None
    buffer_bytes: int | None = None
    multiply_adds: int | None = None


@dataclass(frozen=True)
class Target:
    """Where and how to export, checked.

    Attributes
    ----------
    path
        The file.
    format
        A name of `FORMATS`.
    dtype
        Of the images that the exported network takes: one of `INPUTS`.
    framework
        Of weights: one of `FRAMEWORKS`.
    """

    path: Path
    format: str
    dtype: str = "uint8"
    framework: str = "nncore"

    @classmethod
    def checked(
        cls, path: str | os.PathLike[str], format: str | None, dtype: str, framework: str
    ) -> Target:
        """ValueError where these do not go together, or the name of a C source cannot become that
        of a function; nothing is touched."""
        target = place(path)
        endings = {ending: name for name, ending in FORMATS.items()}
        if format is None:
            format = endings.get(target.suffix.lower())
            if format is None:
                raise ValueError(
                    f"{target}: its ending says no format; known: {', '.join(endings)}; or say "
                    f"by format= (--format) which: {', '.join(FORMATS)}"
                )
        for what, value, known in (
            ("format", format, FORMATS),
            ("input", dtype, INPUTS),
            ("framework", framework, FRAMEWORKS),
        ):
            if value not in known:
                raise ValueError(f"unknown {what} {value!r}; known: {', '.join(known)}")
        if format == "c" and target.suffix != ".c":
            raise ValueError(f"{target}: a C source must be called NAME.c; NAME.h goes beside it")
        if format == "c":
            identifier(target.stem)
        if framework != "nncore" and format not in _OF_WEIGHTS:
            raise ValueError(f"framework={framework!r} is for npz and safetensors, not {format}")
        if dtype != "uint8" and format in _OF_WEIGHTS:
            raise ValueError(f"input={dtype!r} is for whole networks (onnx, c), not {format}")
        return cls(target, format, dtype, framework)

    @property
    def files(self) -> tuple[Path, ...]:
        """All that will be written."""
        return (self.path, self.path.with_suffix(".h")) if self.format == "c" else (self.path,)


def write_network(network: TrainedNetwork, target: Target) -> Exported:
    """Write `network`; each file whole or not at all.

    Raises
    ------
    ExportError
        The format has no place for something of the network.
    MissingExtraError
        The package onnx is not installed.
    OSError
        A file cannot be written.
    """
    network.check_weights()
    if target.format == "c":
        from nncore.interop.export.c_source import c_source

        made = c_source(network, target.path.stem, target.dtype)
        _write(target.files, (made.source.encode("ascii"), made.header.encode("ascii")))
        sizes = (made.weight_bytes, made.buffer_bytes, made.multiply_adds)
        return Exported(target.files, target.format, *sizes)
    if target.format == "onnx":
        from nncore.interop.export.onnx_model import onnx_bytes

        content = onnx_bytes(network, target.dtype)
    else:
        from nncore.interop.export.weight_files import weight_bytes

        content = weight_bytes(network, FORMATS[target.format], target.framework)
    _write(target.files, (content,))
    return Exported(target.files, target.format)


def _write(files: tuple[Path, ...], contents: tuple[bytes, ...]) -> None:
    for path in files:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a folder, not a file", str(path))
    for path, content in zip(files, contents, strict=True):
        atomic_write_bytes(path, content)
