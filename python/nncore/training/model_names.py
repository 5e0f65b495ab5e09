"""Names that model files must not have: those by which programs know other formats."""

from __future__ import annotations

from pathlib import Path

OTHER_FORMATS = frozenset(
    (".h5", ".joblib", ".keras", ".npz", ".onnx", ".pkl", ".pt", ".pth", ".tflite")
)


def check_model_name(path: Path) -> None:
    """ValueError where `path` ends as files of another format do."""
    suffix = path.suffix
    if suffix.lower() in OTHER_FORMATS:
        raise ValueError(
            f"{path}: what nncore saves is no {suffix} file but safetensors; name it "
            f"{path.with_suffix('.safetensors').name} (ONNX, C and weights for other tools are "
            "written by model.export and nncore export)"
        )
