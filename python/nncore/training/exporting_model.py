"""A model that goes to other tools, and takes weights from them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nncore.errors import ExportError
from nncore.training.explaining_model import ExplainingModel

if TYPE_CHECKING:
    from nncore.interop.export.exported import Exported
    from nncore.interop.export.network import TrainedNetwork


class ExportingModel(ExplainingModel):
    """What `Sequential` writes and reads for others."""

    def export(
        self,
        path: str | os.PathLike[str],
        format: str | None = None,
        *,
        input: str = "uint8",
        framework: str = "nncore",
    ) -> Exported:
        """Write the model for other tools; docs/export.md has examples of each format.

        ONNX files and C sources hold the whole way from an image to probabilities: scaling, mean
        and deviation, all layers, softmax, calibration. Reading pictures (their size, crop,
        background) is the caller's; what it needs to be is written into the file.

        Parameters
        ----------
        path
            The file; a format's files end in .onnx, .c, .npz or .safetensors. Of C, NAME.h is
            written beside NAME.c, with `void NAME_predict(const uint8_t *image,
            float *probabilities)`.
        format
            "onnx", "c", or for the weights alone "npz" or "safetensors"; by default what the ending
            says.
        input
            What the exported network takes: "uint8", as pictures are, or "float32": what
            `predict` takes as floats, as it is.
        framework
            Of weights: how they are named and shaped, "nncore", "keras" or "torch". PyTorch's have
            channels first, where an image is flattened, too.

        Returns
        -------
        Exported
            `files`, `format`, and of C the `weight_bytes`, `buffer_bytes` and `multiply_adds`.

        Raises
        ------
        MissingExtraError
            ONNX, and the package onnx is not installed (extra ``[onnx]``).
        ExportError
            The format has no place for something of the model: a frozen network before its layers
            (`features`), bytes where it was trained on other values; the message says what to do.
        ValueError
            The model is not built, or the arguments do not go together.
        OSError
            A file cannot be written; older ones are overwritten whole or stay.
        """
        from nncore.interop.export.exported import Target, write_network

        target = Target.checked(path, format, input, framework)
        return write_network(self._trained_network(), target)

    def load_weights(
        self, source: str | os.PathLike[str] | Mapping[str, Any], *, framework: str | None = None
    ) -> None:
        """Take weights from a file or from arrays by name; the layers stay.

        Parameters
        ----------
        source
            A .npz or .safetensors file (of `export`, of `save` or of others), or a mapping from
            names to arrays, such as a `state_dict()` of PyTorch. Arrays are found by name; where
            not one name is known, in the order of the layers, if every shape is right.
        framework
            "nncore", "keras" or "torch"; by default what names and shapes say.

        Raises
        ------
        ModelFileError
            The file is missing or broken, or its arrays are not those of this model: the message
            names them.
        ValueError, TypeError
            The same about a mapping, a value that is not finite, or a model that is not built; all
            weights stay as they were.
        """
        from nncore.interop.export.weight_reading import read_weights

        self.set_parameters(read_weights(self._network_alone(), source, framework))
        self._position.drop_epoch_in_progress()

    # -- inside

    def _trained_network(self) -> TrainedNetwork:
        """All that predictions depend on."""
        record = self.features_record
        if record is not None:
            raise ExportError(
                f"this model stands on the frozen features of {record['file']}, a network that "
                "nncore does not hold; export a model with all layers of its own: take that file "
                "as --backbone (nn.backbone) instead of --features"
            )
        return self._network_alone()

    def _network_alone(self) -> TrainedNetwork:
        from nncore.interop.export.network import TrainedNetwork

        network, prepared = self._built_network(), self.preprocessing
        normalization = None if prepared is None else self._inputs.normalization(prepared)
        mean, std = normalization or (None, None)
        return TrainedNetwork(
            self.name,
            self._stack,
            tuple(network.input_shape),
            self.get_parameters(),
            mean,
            std,
            self._inputs.bytes_refused(),
            self.loss or "cross_entropy",
            self.temperature,
            self._classes().names,
            None if prepared is None else prepared.to_dict(),
        )
