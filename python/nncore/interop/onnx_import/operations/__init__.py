"""What each operation of ONNX is in layers of nncore."""
