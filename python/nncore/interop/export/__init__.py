"""A trained network as a file for other tools: ONNX, C and weights.

`network.py` says what is exported; `recorder.py` takes the layers and writes down their operations
(`operations.py`), which `onnx_nodes.py` and `c_source.py` turn into text or nodes.
"""
