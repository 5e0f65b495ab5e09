"""Models as C sources: compiled once, all into one library, and called on pictures."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from importlib import resources

import numpy as np
import pytest

import nncore as nn
from exported_networks import HOSTILE, MAKERS, built, network
from nncore.interop.export.buffer_plan import plan_buffer
from nncore.interop.export.c_source import c_source
from nncore.interop.export.c_text import comment, identifier, number, string
from nncore.interop.export.pooled import with_pooled_convolutions
from nncore.interop.export.program import program_of

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
FLAGS = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-O1")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler on this machine")


def floats() -> nn.Sequential:
    """Takes floats, without the copy of them that bytes are."""
    model = built([nn.Activation("relu"), nn.Flatten(), nn.Dense(4)], (3, 4, 2))
    model.classes = None
    return model


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("c")
    for name in MAKERS:
        network(name)[0].export(folder / f"{name}.c")
    floats().export(folder / "floats.c", input="float32")
    sources = sorted(map(str, folder.glob("*.c")))
    made = folder / "networks.so"
    command = [COMPILER, *FLAGS, "-fPIC", "-shared", "-o", made, *sources, "-lm"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
    return ctypes.CDLL(str(made))


def answers(library, name, images, classes):
    predict = getattr(library, f"{name}_predict")
    predict.restype = None
    results = np.full((len(images), classes + 1), 7, np.float32)
    for image, result in zip(images, results, strict=True):
        given = np.ascontiguousarray(image)
        predict(given.ctypes.data_as(ctypes.c_void_p), result.ctypes.data_as(ctypes.c_void_p))
    assert (results[:, -1] == 7).all()  # it writes no more than it should
    return results[:, :-1]


@needs_compiler
@pytest.mark.parametrize("name", MAKERS)
def test_compiled_networks_give_the_same_probabilities(name, library):
    _, images, expected = network(name)
    # Twice: what the buffer holds from before must not matter.
    for _ in range(2):
        found = answers(library, name, images, expected.shape[1])
        assert np.abs(found - expected).max() < 1e-5
        assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()


@needs_compiler
def test_floats_are_taken_as_they_are(library):
    x = np.random.default_rng(1).normal(size=(9, 3, 4, 2)).astype(np.float32)
    before = x.copy()
    found = answers(library, "floats", x, 4)
    assert np.abs(found - floats().predict_proba(x)).max() < 1e-5
    assert (x == before).all()


@needs_compiler
def test_class_names_stay_in_their_strings(library):
    names = (ctypes.c_char_p * 4).in_dll(library, "windows_classes")
    assert [name.decode() for name in names] == list(HOSTILE)


def test_these_networks_need_every_function():
    sources = [c_source(network(name)[0]._trained_network(), name).source for name in MAKERS]
    sources.append(c_source(floats()._trained_network(), "floats", "float32").source)
    used = {name for text in sources for name in re.findall(r"^static void (\w+)\(", text, re.M)}
    kernels = (resources.files("nncore.interop.export") / "c_kernels.c").read_text()
    assert used == {*re.findall(r"^static void (\w+)\(", kernels, re.M)}


def test_the_header_states_what_is_needed():
    model, _, _ = network("normalized")
    made = c_source(model._trained_network(), "my-net")
    stated = dict(re.findall(r"#define MY_NET_(\w+) (\d+)", made.header))
    assert stated == {
        "HEIGHT": "9",
        "WIDTH": "12",
        "CHANNELS": "1",
        "CLASSES": "3",
        "WEIGHT_BYTES": str(made.weight_bytes),
        "BUFFER_BYTES": str(made.buffer_bytes),
        "MULTIPLY_ADDS": str(made.multiply_adds),
    }
    assert made.multiply_adds == 7 * 10 * 9 * 4 + 280 * 3 == model._network.multiply_adds
    # Kernels and biases, and by what bytes are scaled and shifted.
    assert made.weight_bytes == 4 * (model.parameter_count + 2)
    assert f"static float buffer[{made.buffer_bytes // 4}];" in made.source
    assert '#include "my-net.h"' in made.source
    assert "void my_net_predict(const uint8_t *image, float *probabilities);" in made.header


def apart(plan, one, other) -> bool:
    """Whether two values have no place in common."""
    begins = plan.offsets[one], plan.offsets[other]
    return begins[0] + one.size <= begins[1] or begins[1] + other.size <= begins[0]


@pytest.mark.parametrize("name", MAKERS)
def test_values_that_live_at_once_do_not_overlap(name):
    program = with_pooled_convolutions(program_of(network(name)[0]._trained_network()))
    plan = plan_buffer(program)
    last = {value: at for at, one in enumerate(program.operations) for value in one.inputs}
    for at, operation in enumerate(program.operations):
        living = {
            one.output
            for one in program.operations[:at]
            if last[one.output] > at or one.output == program.end
        }
        busy = living | {operation.output} | {one for one in operation.inputs if one.number}
        for value in operation.scratch:
            assert all(apart(plan, value, other) for other in busy)
        assert all(apart(plan, operation.output, other) for other in living)
    assert plan.size >= max(one.output.size for one in program.operations)


def test_the_buffer_is_as_small_as_two_neighbours():
    """A chain needs no more than its largest pair; activations need no room of their own, and what
    is pooled is not kept."""
    model = built(
        [
            nn.Conv2D(32, 3, activation="relu"),
            nn.MaxPool2D(2),
            nn.Conv2D(64, 3),
            nn.MaxPool2D(2),
            nn.Flatten(),
            nn.Dense(10),
        ],
        (28, 28, 1),
    )
    made = c_source(model._trained_network(), "net")
    pair = 13 * 13 * 32 + 5 * 5 * 64
    assert made.buffer_bytes == 4 * (pair + 64)


def test_text_cannot_break_out():
    assert string('a"b\\c??/\n') == r'"a\042b\134c\077\077/\012"'
    assert string("\u00e9" + "1") == r'"\303\2511"'
    assert comment("conv2d_1, (3, 3): relu+bias.") == "conv2d_1, (3, 3): relu+bias."
    assert not re.search(r"[*/\\?\n]", comment('*/ int x; /* "??/\n\\'))
    with pytest.raises(nn.ExportError, match="4095"):
        string("a" * 4096)


def test_numbers_come_back_as_they_were():
    values = np.random.default_rng(0).integers(0, 2**32, 2000, np.uint32).view(np.float32)
    values = [*values[np.isfinite(values)], np.float32(1), np.float32(-0.0), np.float32(1e10)]
    for value in values:
        text = number(float(value))
        assert re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?f", text)
        assert re.search(r"[.e]", text)
        assert np.float32(text[:-1]) == value


@pytest.mark.parametrize("stem", ["", "3d", "_net", "\u00e9t\u00e9", 'a"b', "a\nb", "-"])
def test_names_that_are_none_in_c_are_refused(stem):
    with pytest.raises(ValueError, match="ASCII letters"):
        identifier(stem)


def test_a_weight_that_is_no_number_is_refused(tmp_path):
    model = built([nn.Flatten(), nn.Dense(4)])
    model._network.set_parameter("dense/bias", np.full(4, np.nan, np.float32))
    with pytest.raises(nn.ExportError, match="dense/bias holds NaN"):
        model.export(tmp_path / "net.c")
    assert not list(tmp_path.iterdir())
