"""An ONNX file as layers of nncore: reader and tensors over values, operations and blocks."""
