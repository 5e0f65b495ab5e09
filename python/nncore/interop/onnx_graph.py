"""What ONNX Runtime does not tell about an ONNX file, read from its protocol buffers.

A file is one message ``ModelProto`` (onnx/onnx.proto). Of its fields these matter here:

    ModelProto.graph 7         GraphProto.node 1, .initializer 5, .output 12
    NodeProto.output 2         the names of the tensors that a node writes
    TensorProto.data_location 14   1: the numbers are in another file
    ValueInfoProto.name 1
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
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
        for node in _messages(_graph(model), _NODE)
        for name in _messages(node, _NODE_OUTPUT)
        if len(name)  # an optional output that is left out has the empty name
    ]


def has_external_data(model: bytes) -> bool:
    """Whether weights are kept in other files; ValueError as `tensor_names`."""
    return any(
        (number, value) == (_DATA_LOCATION, _EXTERNAL)
        for tensor in _messages(_graph(model), _INITIALIZER)
        for number, value in _fields(tensor)
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
    graphs = _messages(model, _GRAPH)
    return graphs[0] if len(graphs) == 1 else b"".join(graphs)


def _messages(message: bytes | memoryview, number: int) -> list[memoryview]:
    return [
        value
        for field, value in _fields(message)
        if field == number and isinstance(value, memoryview)
    ]


def _fields(message: bytes | memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field: an int, or the bytes of what has a length."""
    view, position = memoryview(message), 0
    while position < len(view):
        tag, position = _varint(view, position)
        kind = tag & 7
        if kind == _VARINT:
            value, position = _varint(view, position)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            length, position = _varint(view, position)
        elif kind in (_FIXED_64, _FIXED_32):
            length = 8 if kind == _FIXED_64 else 4
        else:
            raise ValueError(f"wire type {kind} at byte {position}")
        if length > len(view) - position:
            raise ValueError(f"ends within a field at byte {position}")
        yield tag >> 3, view[position : position + length]
        position += length


def _varint(view: memoryview, position: int) -> tuple[int, int]:
    """The number at `position`, seven bits per byte, lowest first; and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(view):
            raise ValueError("ends within a number")
        byte = view[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError(f"a number without end at byte {position}")


def _field(number: int, content: bytes) -> bytes:
    return _as_varint(number << 3 | _BYTES) + _as_varint(len(content)) + content


def _as_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
