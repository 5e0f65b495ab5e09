"""`nncore.kernels.matmul` against float64 NumPy, in every case that chooses another path."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import nncore as nn

EPSILON = float(np.finfo(np.float32).eps)

# Around the register tiles of cpp/kernels/isa/gemm.cpp (rows 14, 6, 2; columns 32, 16), the lane
# block 16 and the depth block 256.
ROWS = [1, 2, 3, 5, 6, 7, 13, 14, 15, 29]
COLUMNS = [1, 2, 3, 8, 9, 15, 16, 17, 31, 32, 33, 65]
DEPTHS = [1, 2, 3, 15, 16, 17, 255, 256, 257]


def assert_is_product(result, a, b, start=0.0, alpha=1.0):
    """Each element within (K + 2) roundings of the exact sum of products."""
    exact = start + alpha * (a.astype(np.float64) @ b.astype(np.float64))
    depth = a.shape[-1]
    magnitude = np.abs(start) + np.abs(alpha) * (
        np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
    )
    excess = np.abs(result - exact) - (depth + 2) * 0.5 * EPSILON * magnitude
    assert excess.max() <= 1e-37, (a.shape, b.shape, excess.max())


def operand(rng, rows, columns, transposed):
    if transposed:
        return rng.standard_normal((columns, rows)).astype(np.float32).T
    return rng.standard_normal((rows, columns)).astype(np.float32)


@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("transpose_a", [False, True])
def test_every_size_and_transpose(isa, transpose_a, transpose_b):
    rng = np.random.default_rng(1)
    depths = DEPTHS if isa != "reference" else [1, 3, 17]
    for m, n, k in itertools.product(ROWS, COLUMNS, depths):
        a, b = operand(rng, m, k, transpose_a), operand(rng, k, n, transpose_b)
        assert_is_product(nn.kernels.matmul(a, b), a, b)


@pytest.mark.parametrize(
    ("m", "n", "k"), [(127, 513, 300), (300, 7, 520), (7, 300, 520), (64, 520, 257)]
)
def test_beyond_the_cache_blocks(isa, m, n, k):
    rng = np.random.default_rng(2)
    for transpose_a, transpose_b in itertools.product([False, True], repeat=2):
        a, b = operand(rng, m, k, transpose_a), operand(rng, k, n, transpose_b)
        assert_is_product(nn.kernels.matmul(a, b), a, b)


def test_bits_do_not_depend_on_isa_threads_or_layout(same_everywhere):
    rng = np.random.default_rng(3)
    a, b = operand(rng, 150, 300, False), operand(rng, 300, 90, False)

    def compute():
        layouts = itertools.product([a, np.asfortranarray(a)], [b, np.asfortranarray(b)])
        return {nn.kernels.matmul(x, y).tobytes() for x, y in layouts}

    assert len(same_everywhere(compute)) == 1


@pytest.mark.parametrize(
    ("a_shape", "b_shape"),
    [
        ((5, 3, 4), (5, 4, 2)),
        ((5, 3, 4), (4, 2)),
        ((3, 4), (5, 4, 2)),
        ((2, 1, 3, 4), (1, 6, 4, 5)),
        ((2, 5, 3, 4), (5, 4, 5)),
        ((40, 9, 30), (30, 33)),
    ],
)
def test_batches_broadcast_like_numpy(isa, a_shape, b_shape):
    rng = np.random.default_rng(4)
    a = rng.standard_normal(a_shape).astype(np.float32)
    b = rng.standard_normal(b_shape).astype(np.float32)
    result = nn.kernels.matmul(a, b)
    assert result.shape == np.matmul(a, b).shape
    assert_is_product(result, a, b)


def test_alpha_and_accumulate(isa):
    rng = np.random.default_rng(5)
    for m, n, k in [(3, 5, 7), (40, 40, 300), (20, 4, 9)]:
        a, b = operand(rng, m, k, False), operand(rng, k, n, False)
        start = rng.standard_normal((m, n)).astype(np.float32)
        for alpha in (1.0, -0.5, 0.0):
            out = start.copy()
            assert nn.kernels.matmul(a, b, out, alpha=alpha, accumulate=True) is out
            assert_is_product(out, a, b, start.astype(np.float64), alpha)
            assert_is_product(nn.kernels.matmul(a, b, alpha=alpha), a, b, alpha=alpha)


def test_out_with_gaps_between_rows_touches_nothing_else(isa):
    rng = np.random.default_rng(6)
    a, b = operand(rng, 17, 30, False), operand(rng, 30, 21, False)
    frame = np.full((19, 40), 7.0, np.float32)
    out = frame[1:18, 5:26]
    nn.kernels.matmul(a, b, out)
    assert_is_product(out, a, b)
    frame[1:18, 5:26] = 7.0
    assert (frame == 7.0).all()


def test_any_input_strides(isa):
    rng = np.random.default_rng(7)
    a = rng.standard_normal((40, 60)).astype(np.float32)[::-2, 1::3]
    b = rng.standard_normal((60, 60)).astype(np.float32)[2:42:2, ::-1]
    assert_is_product(nn.kernels.matmul(a, b), a, b)


FLOATS = np.ones((4, 4), np.float32)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.complex64, bool, object])
def test_refuses_other_dtypes(dtype):
    with pytest.raises(TypeError, match="a must have dtype float32"):
        nn.kernels.matmul(FLOATS.astype(dtype), FLOATS)
    with pytest.raises(TypeError, match="out must have dtype float32"):
        nn.kernels.matmul(FLOATS, FLOATS, FLOATS.astype(dtype))


@pytest.mark.parametrize(
    ("a_shape", "b_shape", "message"),
    [
        ((2, 3), (4, 5), r"inner dimensions differ: a \(2, 3\), b \(4, 5\)"),
        ((3,), (3, 2), "at least 2 dimensions"),
        ((2, 2, 3), (3, 3, 2), "do not broadcast"),
        ((0, 3), (3, 2), r"a is empty: shape \(0, 3\)"),
        ((2, 3), (3, 0), "b is empty"),
    ],
)
def test_refuses_bad_shapes(a_shape, b_shape, message):
    with pytest.raises(ValueError, match=message):
        nn.kernels.matmul(np.ones(a_shape, np.float32), np.ones(b_shape, np.float32))


def test_refuses_bad_out():
    matmul = nn.kernels.matmul
    with pytest.raises(ValueError, match=r"out has shape \(4, 3\), the result has \(4, 4\)"):
        matmul(FLOATS, FLOATS, np.empty((4, 3), np.float32))
    read_only = np.empty((4, 4), np.float32)
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        matmul(FLOATS, FLOATS, read_only)
    with pytest.raises(ValueError, match="rows of out must be contiguous"):
        matmul(FLOATS, FLOATS, np.empty((4, 8), np.float32)[:, ::2])
    with pytest.raises(ValueError, match="rows of out overlap"):
        matmul(FLOATS, FLOATS, np.broadcast_to(np.empty(4, np.float32), (4, 4)).copy()[::-1])
    overlapping = np.lib.stride_tricks.as_strided(np.empty(16, np.float32), (4, 4), (4, 4))
    with pytest.raises(ValueError, match="rows of out overlap"):
        matmul(FLOATS, FLOATS, overlapping)
    a = FLOATS.copy()
    with pytest.raises(ValueError, match="out shares memory with a"):
        matmul(a, FLOATS, a)
    with pytest.raises(ValueError, match="accumulate=True needs out"):
        matmul(FLOATS, FLOATS, accumulate=True)
    with pytest.raises(ValueError, match="alpha must be finite"):
        matmul(FLOATS, FLOATS, alpha=float("nan"))
