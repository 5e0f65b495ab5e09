"""A network as one C99 source and its header, without a heap and with nothing to link but libm."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatchmethod
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from nncore import _core
from nncore.interop.export import c_text
from nncore.interop.export.buffer_plan import BufferPlan, plan_buffer
from nncore.interop.export.network import TrainedNetwork
from nncore.interop.export.operations import (
    Activate,
    Add,
    Concatenate,
    Convolution,
    Flatten,
    FromBytes,
    GlobalAverage,
    Logarithm,
    Multiply,
    NearestDistribution,
    NormalizeChannels,
    Operation,
    Pool,
    PooledConvolution,
    Product,
    Scale,
    Value,
)
from nncore.interop.export.pooled import with_pooled_convolutions
from nncore.interop.export.program import Program, program_of

F32 = NDArray[np.float32]
_FLOAT = 4  # bytes
# Those functions of c_kernels.c whose names are not those of the activations.
_FUNCTIONS = {"tanh": "hyperbolic_tangent"}


@dataclass(frozen=True)
class CSource:
    """The texts of both files, and what the network needs.

    Attributes
    ----------
    source, header
        Of NAME.c and NAME.h.
    weight_bytes, buffer_bytes, multiply_adds
        Read-only memory for the weights, memory for what is between the layers, and the work for
        one image.
    """

    source: str
    header: str
    weight_bytes: int
    buffer_bytes: int
    multiply_adds: int


def c_source(network: TrainedNetwork, stem: str, dtype: str = "uint8") -> CSource:
    """`network` as the files `stem`.c and `stem`.h.

    Raises
    ------
    ValueError
        `stem` cannot begin the name of a function.
    ExportError
        As of `program_of`, or a class name is longer than a string of C may be.
    """
    name = c_text.identifier(stem)
    program = with_pooled_convolutions(program_of(network, dtype))
    plan = plan_buffer(program)
    calls = _Calls(program, plan)
    for operation in program.operations:
        calls.add(operation)
    weight_bytes = sum(values.size for _, values in calls.arrays.values()) * _FLOAT
    size = plan.size * _FLOAT
    sizes = (weight_bytes, size, program.multiply_adds)
    classes = [c_text.string(one) for one in network.classes]
    header = _header(network, name, dtype, program, sizes)
    source = "\n".join(_source(name, stem, dtype, classes, calls, plan, program)) + "\n"
    return CSource(source, header, *sizes)


def _header(
    network: TrainedNetwork,
    name: str,
    dtype: str,
    program: Program,
    sizes: tuple[int, int, int],
) -> str:
    big = name.upper()
    weight_bytes, buffer_bytes, multiply_adds = sizes
    axes = ("HEIGHT", "WIDTH", "CHANNELS") if len(network.input_shape) == 3 else ("FEATURES",)
    shape = "\n".join(
        f"#define {big}_{axis} {size}" for axis, size in zip(axes, network.input_shape, strict=True)
    )
    indices = "".join(f"[{big}_{axis}]" for axis in axes)
    return f"""\
/* A neural network for classifying images, written by nncore {_core.__version__}. */
#ifndef {big}_H
#define {big}_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

{shape}
#define {big}_CLASSES {len(network.classes)}

/* Constants, in bytes; the buffer that is kept between calls, in bytes (on the stack there are some
   hundred); and the multiply-adds for one image. */
#define {big}_WEIGHT_BYTES {weight_bytes}
#define {big}_BUFFER_BYTES {buffer_bytes}
#define {big}_MULTIPLY_ADDS {multiply_adds}

/* Names of the classes in the order of the probabilities, in UTF-8. */
extern const char *const {name}_classes[{big}_CLASSES];

{_comment(network, dtype, indices)}
void {name}_predict(const {_c_type(dtype)} *image, float *probabilities);

#ifdef __cplusplus
}}
#endif

#endif
"""


def _c_type(dtype: str) -> str:
    return "uint8_t" if dtype == "uint8" else "float"


def _comment(network: TrainedNetwork, dtype: str, indices: str) -> str:
    """What to give to the function; all words are nncore's own."""
    told = f"/* image{indices}, row by row, channels last"
    found = network.preprocessing
    if dtype != "uint8":
        told += ", prepared as for training."
    elif found is None:
        told += "; 255 is white."
    else:
        told += (
            f", {found['color']}; 255 is white. Pictures of other sizes are to be scaled by the "
            f"filter {found['resize']} (fit: {found['fit']}), transparent ones laid on "
            f"{found['alpha_background']}. Mean and deviation are seen to."
        )
    told += (
        " The result is one probability per class. Not for two threads at once, since they would "
        "share the buffer. */"
    )
    return textwrap.fill(told, 100, subsequent_indent="   ")


def _source(
    name: str,
    stem: str,
    dtype: str,
    classes: list[str],
    calls: _Calls,
    plan: BufferPlan,
    program: Program,
) -> Iterator[str]:
    yield f'#include "{stem}.h"\n'
    yield "#include <float.h>\n#include <math.h>\n"
    yield f"static float buffer[{plan.size}];\n"
    for array, (layer, values) in calls.arrays.items():
        yield f"/* {c_text.comment(layer)} */"
        yield from c_text.array(array, values)
        yield ""
    yield f"const char *const {name}_classes[{name.upper()}_CLASSES] = {{"
    yield from (f"    {one}," for one in classes)
    yield "};\n"
    for text in _needed(calls.functions):
        yield text + "\n"
    yield f"void {name}_predict(const {_c_type(dtype)} *image, float *probabilities)\n{{"
    yield from (f"    {line}" for line in calls.lines)
    yield f"    for (int32_t k = 0; k < {name.upper()}_CLASSES; ++k)"
    yield f"        probabilities[k] = buffer[{plan.offsets[program.end]} + k];"
    yield "}"


def _needed(called: set[str]) -> list[str]:
    """Those functions and the ones that they call, which stand before them."""
    known = _functions()
    texts: list[str] = []
    for function, text in reversed(known.items()):
        if function in called or any(f" {function}(" in caller for caller in texts):
            texts.insert(0, text)
    return texts


def _functions() -> dict[str, str]:
    """The functions of c_kernels.c by name, with the comments before them."""
    text = (files(__package__) / "c_kernels.c").read_text(encoding="utf-8")
    blocks = text.strip().split("\n\n")[1:]
    found = {}
    for block in blocks:
        match = re.search(r"^static void (\w+)\(", block, re.MULTILINE)
        assert match is not None, block
        found[match[1]] = block
    return found


class _Calls:
    """The calls that compute a program, and the constants that they take.

    Attributes
    ----------
    lines : list of str
        The body of the function.
    arrays : dict of str to (str, float32)
        The layer and the numbers of each constant, by its name.
    functions : set of str
        Those of c_kernels.c that are called.
    """

    def __init__(self, program: Program, plan: BufferPlan) -> None:
        self.lines: list[str] = []
        self.arrays: dict[str, tuple[str, F32]] = {}
        self.functions: set[str] = set()
        self._start, self._plan = program.start, plan
        self._layer = ""

    def place(self, value: Value) -> str:
        """The value as an expression of C."""
        if value == self._start:
            return "image"
        offset = self._plan.offsets[value]
        return f"buffer + {offset}" if offset else "buffer"

    def add(self, operation: Operation) -> None:
        """The calls of one operation."""
        if operation.layer != self._layer:
            self._layer = operation.layer
            self.lines.append(f"/* {c_text.comment(operation.layer)} */")
        self._add(operation)

    def _call(self, function: str, *arguments: str | int | float) -> None:
        self.functions.add(function)
        written = (c_text.number(one) if isinstance(one, float) else str(one) for one in arguments)
        self.lines += textwrap.wrap(
            f"{function}({', '.join(written)});", 95, subsequent_indent="    "
        )

    def _array(self, values: NDArray[np.floating] | None) -> str:
        if values is None:
            return "0"
        name = f"constant{len(self.arrays)}"
        self.arrays[name] = self._layer, values.astype(np.float32)
        return name

    def _in_place(self, operation: Operation) -> str:
        """The output, which holds the input."""
        given, made = self.place(operation.input), self.place(operation.output)
        if given != made:
            self._call("copy", given, made, operation.output.size)
        return made

    # -- a method per kind of operation

    @singledispatchmethod
    def _add(self, operation: Operation) -> None:
        raise NotImplementedError(type(operation).__name__)

    @_add.register
    def _from_bytes(self, operation: FromBytes) -> None:
        self._call(
            "from_bytes",
            self.place(operation.input),
            self._array(operation.factors),
            self._array(operation.offsets),
            self.place(operation.output),
            *_pixels(operation.output),
        )

    @_add.register
    def _convolution(self, operation: Convolution) -> None:
        by_itself = operation.is_depthwise
        (top, _), (left, _) = operation.pads
        self._call(
            "depthwise_convolution" if by_itself else "convolution",
            self.place(operation.input),
            self._array(operation.kernel),
            self._array(operation.bias),
            self.place(operation.output),
            *operation.input.shape,
            *(operation.output.shape[:2] if by_itself else operation.output.shape),
            *operation.kernel.shape[:2],
            *operation.strides,
            *operation.dilation,
            top,
            left,
            *(() if by_itself else (operation.groups,)),
        )

    @_add.register
    def _pooled_convolution(self, operation: PooledConvolution) -> None:
        (top, _), (left, _) = operation.pads
        self._call(
            "pooled_convolution",
            self.place(operation.input),
            self._array(operation.kernel),
            self._array(operation.bias),
            self.place(operation.line),
            self.place(operation.output),
            *operation.input.shape,
            *operation.output.shape,
            *operation.kernel.shape[:2],
            *operation.strides,
            *operation.dilation,
            top,
            left,
            operation.groups,
            *operation.window,
            *operation.pool_strides,
        )

    @_add.register
    def _product(self, operation: Product) -> None:
        self._call(
            "product",
            self.place(operation.input),
            self._array(operation.kernel),
            self._array(operation.bias),
            self.place(operation.output),
            *operation.kernel.shape,
        )

    @_add.register
    def _pool(self, operation: Pool) -> None:
        (top, _), (left, _) = operation.pads
        self._call(
            "max_pool" if operation.is_maximum else "average_pool",
            self.place(operation.input),
            self.place(operation.output),
            *operation.input.shape,
            *operation.output.shape[:2],
            *operation.window,
            *operation.strides,
            top,
            left,
            *(() if operation.is_maximum else (int(operation.counts_padding),)),
        )

    @_add.register
    def _global_average(self, operation: GlobalAverage) -> None:
        self._call(
            "global_average",
            self.place(operation.input),
            self.place(operation.output),
            *_pixels(operation.input),
        )

    @_add.register
    def _scale(self, operation: Scale) -> None:
        self._call(
            "scale",
            self._in_place(operation),
            self._array(operation.factors),
            self._array(operation.offsets),
            *_pixels(operation.output),
        )

    @_add.register
    def _normalize_channels(self, operation: NormalizeChannels) -> None:
        self._call(
            "normalize_channels",
            self._in_place(operation),
            self._array(operation.gamma),
            self._array(operation.beta),
            float(operation.epsilon),
            *_pixels(operation.output),
        )

    @_add.register
    def _activate(self, operation: Activate) -> None:
        function = _FUNCTIONS.get(operation.activation, operation.activation)
        self._call(function, self._in_place(operation), operation.output.size)

    @_add.register
    def _flatten(self, operation: Flatten) -> None:
        self._in_place(operation)

    @_add.register
    def _logarithm(self, operation: Logarithm) -> None:
        self._call("logarithm", self._in_place(operation), operation.output.size)

    @_add.register
    def _nearest_distribution(self, operation: NearestDistribution) -> None:
        self._call("nearest_distribution", self._in_place(operation), operation.output.size)

    @_add.register
    def _sum(self, operation: Add) -> None:
        made, size = self.place(operation.output), operation.output.size
        others = [self.place(value) for value in operation.inputs]
        if made in others:
            others.remove(made)
        else:
            self._call("copy", others.pop(0), made, size)
        for other in others:
            self._call("add", other, made, size)

    @_add.register
    def _multiply(self, operation: Multiply) -> None:
        made = self.place(operation.output)
        others = list(operation.inputs)
        held = next((value for value in others if self.place(value) == made), None)
        if held is not None:
            others.remove(held)
        else:
            self._call("ones", made, operation.output.size)
        for other in others:
            shapes = *_three(operation.output), *_three(other)
            self._call("multiply", self.place(other), made, *shapes)

    @_add.register
    def _concatenate(self, operation: Concatenate) -> None:
        pixels, channels = _pixels(operation.output)
        at = 0
        for value in operation.inputs:
            own = value.shape[-1]
            places = self.place(value), self.place(operation.output)
            self._call("put_channels", *places, pixels, own, channels, at)
            at += own


def _pixels(value: Value) -> tuple[int, int]:
    """How many pixels, and channels of each."""
    return value.size // value.shape[-1], value.shape[-1]


def _three(value: Value) -> tuple[int, ...]:
    """(H, W, C), with 1 for missing axes."""
    return (1,) * (3 - len(value.shape)) + value.shape
