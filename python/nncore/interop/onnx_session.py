"""An ONNX file opened by ONNX Runtime, and what is the matter with one that cannot be."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nncore.errors import MissingExtraError, ModelFileError
from nncore.extras import how_to_install
from nncore.files.near_paths import path_meant
from nncore.files.regular_files import read_regular
from nncore.interop.onnx_graph import has_external_data, tensor_names

_LARGEST = 1 << 31  # bytes that a protocol buffer can have


def read_file(path: Path) -> bytes:
    try:
        return read_regular(path, _LARGEST)
    except FileNotFoundError:
        raise ModelFileError(f"{path}: there is no such ONNX file{path_meant(path)}") from None
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from error


def open_session(path: Path, model: bytes | str) -> Any:
    """A session that runs the network, one image on one thread.

    `model` is the content of the file, or its path again where its weights are in other files.

    Raises
    ------
    MissingExtraError
        ONNX Runtime is not installed.
    ModelFileError
        It refuses the file.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(
            f"features of an ONNX file need ONNX Runtime, which cannot be imported ({error}): "
            f"{how_to_install('onnx', 'onnxruntime')}"
        ) from error
    options = onnxruntime.SessionOptions()
    # Images run in parallel, each on one thread: see `onnx_features.Features`.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors become exceptions; nothing else is for our reader
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelFileError(f"{path}: {_why_no_session(model, error)}") from error


def check_tensor(path: Path, model: bytes, name: object, outputs: Sequence[str]) -> None:
    """ValueError that helps unless `name` is a tensor inside the network."""
    if not isinstance(name, str):
        raise TypeError(f"output must be the name of a tensor, not {name!r}")
    inner = tensor_names(model)
    if name in inner:
        return
    close = difflib.get_close_matches(name, inner, 3) or inner[-4:]
    raise ValueError(
        f"output is {name!r}, but {path} has no such tensor; its outputs: {', '.join(outputs)}; "
        f"inner ones: {', '.join(close)} and {max(len(inner) - len(close), 0)} more"
    )


def reason(error: Exception) -> str:
    """ONNX Runtime's message on one line, without its prefix."""
    text = " ".join(str(error).split())
    return text.removeprefix("[ONNXRuntimeError] : ")


def _why_no_session(model: bytes | str, error: Exception) -> str:
    if isinstance(model, str):
        return reason(error)
    try:
        if has_external_data(model):
            return "keeps its weights in other files; save it as one file"
        if tensor_names(model):
            return f"ONNX Runtime refuses it: {reason(error)}"
    except ValueError:
        pass
    return "no whole ONNX file; it may be truncated or of another kind"
