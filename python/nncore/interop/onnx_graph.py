"""What ONNX Runtime does not tell about an ONNX file, read from its protocol buffers.

A file is one message ``ModelProto`` (onnx/onnx.proto). Of its fields these matter here:

    ModelProto.graph 7         GraphProto.node 1, .initializer 5, .output 12
    NodeProto.output 2         the names of the tensors that a node writes
    TensorProto.data_location 14   1: the numbers are in another file
    ValueInfoProto.name 1
"""

from __future__ import annotations

from nncore.interop.protocol_buffers import BYTES, fields, messages

_GRAPH, _NODE, _INITIALIZER, _OUTPUT = 7, 1, 5, 12
_NODE_OUTPUT, _NAME, _DATA_LOCATION, _EXTERNAL = 2, 1, 14, 1


def tensor_names(model: bytes) -> list[str]:
    """Names of the tensors that the nodes of the graph write, in the order of the nodes.

    Raises
    ------
    ValueError
        The bytes are no whole protocol buffer.
    """
    return [
        str(name, "utf-8")
        for node in messages(_graph(model), _NODE)
        for name in messages(node, _NODE_OUTPUT)
        if len(name)  # an optional output that is left out has the empty name
    ]


def has_external_data(model: bytes) -> bool:
    """Whether weights are kept in other files; ValueError as `tensor_names`."""
    return any(
        (number, value) == (_DATA_LOCATION, _EXTERNAL)
        for tensor in messages(_graph(model), _INITIALIZER)
        for number, value in fields(tensor)
    )


def with_output(model: bytes, name: str) -> bytes:
    """The same model with the tensor `name` as one more output.

    A message that occurs twice in a protocol buffer is merged, and its repeated fields are joined
    (protobuf.dev, "Last One Wins"): a second graph that holds nothing but an output adds it to the
    first. Its type is left to the runtime, which infers that of every tensor.
    """
    info = _field(_NAME, name.encode())
    return model + _field(_GRAPH, _field(_OUTPUT, info))


def _graph(model: bytes) -> bytes | memoryview:
    graphs = messages(model, _GRAPH)
    return graphs[0] if len(graphs) == 1 else b"".join(graphs)


def _field(number: int, content: bytes) -> bytes:
    return _as_varint(number << 3 | BYTES) + _as_varint(len(content)) + content


def _as_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
