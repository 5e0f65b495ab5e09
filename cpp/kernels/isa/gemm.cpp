// Packed, register-tiled GEMM after Goto and van de Geijn, "Anatomy of high-performance matrix
// multiplication", ACM TOMS 34(3), 2008, with packing left out where an operand is read too
// seldom to pay for it.
#include "../declarations.h"
#include "tile.h"
#include "tile_sizes.h"
#include "transpose.h"
#include "with_constant.h"

namespace nncore::kernels::NNCORE_TARGET {
namespace {

// The columns of a register tile, and of the one for a last sliver that is at most half as wide.
constexpr int kWidth = kProductVectors * kLanes;
constexpr int kHalfVectors = kProductVectors > 1 ? kProductVectors / 2 : kProductVectors;
constexpr int kHalfWidth = kHalfVectors * kLanes;
#if !defined(__AVX512F__)
static_assert(kProductRows <= 8, "transpose_to_panel turns 8 rows at a time");
#endif

// Cache blocks, the same on every machine: a sliver of B (kDepth x kWidth) and a panel of A
// (kProductRows x kDepth) share L1, the packed block of B (kDepth x kColumns) stays in L2.
constexpr ptrdiff_t kDepth = 256;
constexpr ptrdiff_t kColumns = 512;
constexpr ptrdiff_t kPanelFloats = padded(kProductRows * kDepth + 16);

// Packing B pays from this many panels of A on.
constexpr ptrdiff_t kTilesInPlace = 5;

enum class Source { rows, columns };  // how a tile reads A: see tile.h

struct TileArgs {
    ptrdiff_t K;
    const float* a;
    ptrdiff_t a_stride;
    const float* b;
    ptrdiff_t b_row;
    bool accumulate;
    float* c;
    ptrdiff_t c_row, c_column;
    int width;  // columns of C that are written
};

// A column-strided C (the transposed problem): through a buffer and a register transposition.
template <int H, int V>
__attribute__((noinline)) void store_transposed(const TileArgs& t, const vec (&acc)[H][V]) {
    alignas(64) float buffer[16 * V * kLanes];
    alignas(64) float turned[16 * 16];
    for (int i = 0; i < H; ++i)
        for (int j = 0; j < V; ++j) store(buffer + i * V * kLanes + j * kLanes, acc[i][j]);
    for (int j0 = 0; j0 < t.width; j0 += 16) {
        const int count = min_int(16, t.width - j0);
        if constexpr (V * kLanes >= 16) {
            transpose_16(buffer + j0, V * kLanes, H, turned, 16);
        } else {
            transpose_tail(buffer + j0, V * kLanes, H, count, turned, 16);
        }
        for (int j = 0; j < count; ++j)
            for (int i = 0; i < H; i += kLanes)
                store_partial(t.c + (j0 + j) * t.c_column + i, load(turned + j * 16 + i),
                              min_int(kLanes, H - i));
    }
}

template <int H, int V, Source S>
NNCORE_INLINE void multiply(const TileArgs& t, vec (&acc)[H][V]) {
    const float* b[V];
    NNCORE_UNROLL
    for (int j = 0; j < V; ++j) b[j] = t.b + j * kLanes;
    if constexpr (S == Source::rows) {
        multiply_rows<H, V>(t.K, t.a, t.a_stride, b, t.b_row, acc);
    } else {
        multiply_columns<H, V>(t.K, t.a, t.a_stride, b, t.b_row, acc);
    }
}

// A tile of a column-strided C.
template <int H, int V, Source S>
__attribute__((noinline)) void strided_tile(const TileArgs& t) {
    vec acc[H][V];
    for (int i = 0; i < H; ++i)
        for (int j = 0; j < V; ++j) {
            acc[i][j] = zero();
            const int count = min_int(kLanes, t.width - j * kLanes);
            if (!t.accumulate || count <= 0) continue;
            const float* c = t.c + i * t.c_row + j * kLanes * t.c_column;
            for (int l = 0; l < count; ++l) acc[i][j][l] = c[l * t.c_column];
        }
    multiply<H, V, S>(t, acc);
    store_transposed<H, V>(t, acc);
}

// A tile at the right edge of C.
template <int H, int V, Source S>
__attribute__((noinline)) void edge_tile(const TileArgs& t) {
    vec acc[H][V];
    int count[V];
    NNCORE_UNROLL
    for (int j = 0; j < V; ++j) {
        const int left = t.width - j * kLanes;
        count[j] = left < 0 ? 0 : min_int(kLanes, left);
    }
    clear_tile(acc);
    if (t.accumulate) {
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i) {
            NNCORE_UNROLL
            for (int j = 0; j < V; ++j)
                if (count[j] > 0)
                    acc[i][j] = load_partial(t.c + i * t.c_row + j * kLanes, count[j]);
        }
    }
    multiply<H, V, S>(t, acc);
    NNCORE_UNROLL
    for (int i = 0; i < H; ++i) {
        NNCORE_UNROLL
        for (int j = 0; j < V; ++j)
            if (count[j] > 0) store_partial(t.c + i * t.c_row + j * kLanes, acc[i][j], count[j]);
    }
}

#if defined(__AVX512F__) || defined(__AVX2__)

// B in place although its rows end within a vector: a masked load reads nothing behind them, and
// costs as much as any. Small products pay for that instead of for packing.
constexpr bool kReadsPartOfVector = true;

template <int H, Source S>
__attribute__((noinline)) void narrow_tile(const TileArgs& t) {
    vec acc[H][1];
    const int width = t.width;
    NNCORE_UNROLL
    for (int i = 0; i < H; ++i)
        acc[i][0] = t.accumulate ? load_partial(t.c + i * t.c_row, width) : zero();
    const ptrdiff_t row = S == Source::rows ? t.a_stride : 1,
                    step = S == Source::rows ? 1 : t.a_stride;
    const float* a = t.a;
    const float* b = t.b;
    for (ptrdiff_t k = 0; k < t.K; ++k) {
        const vec y = load_partial(b, width);
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i) acc[i][0] = fma(broadcast(a[i * row]), y, acc[i][0]);
        a += step;
        b += t.b_row;
    }
    NNCORE_UNROLL
    for (int i = 0; i < H; ++i) store_partial(t.c + i * t.c_row, acc[i][0], width);
}

void run_narrow_tile(Source source, int height, const TileArgs& t) {
    if (source == Source::rows) {
        with_constant<kProductRows>(height, [&]<int H>() { narrow_tile<H, Source::rows>(t); });
    } else {
        with_constant<kProductRows>(height, [&]<int H>() { narrow_tile<H, Source::columns>(t); });
    }
}

#else

constexpr bool kReadsPartOfVector = false;
void run_narrow_tile(Source, int, const TileArgs&) {}

#endif

// Kept apart from those so that the accumulators never leave the registers here.
template <int H, int V, Source S>
void tile(const TileArgs& t) {
    if (t.c_column != 1) {
        strided_tile<H, V, S>(t);
        return;
    }
    if (t.width != V * kLanes) {
        edge_tile<H, V, S>(t);
        return;
    }
    vec acc[H][V];
    if (t.accumulate) {
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i) {
            NNCORE_UNROLL
            for (int j = 0; j < V; ++j) acc[i][j] = load(t.c + i * t.c_row + j * kLanes);
        }
    } else {
        clear_tile(acc);
    }
    multiply<H, V, S>(t, acc);
    NNCORE_UNROLL
    for (int i = 0; i < H; ++i) {
        NNCORE_UNROLL
        for (int j = 0; j < V; ++j) store(t.c + i * t.c_row + j * kLanes, acc[i][j]);
    }
}

// The tile for `height` rows.
template <int V>
void run_tile(Source source, int height, const TileArgs& t) {
    if (source == Source::rows) {
        with_constant<kProductRows>(height, [&]<int H>() { tile<H, V, Source::rows>(t); });
    } else {
        with_constant<kProductRows>(height, [&]<int H>() { tile<H, V, Source::columns>(t); });
    }
}

// One sliver of B, kWidth columns wide: target[k * kWidth + j]. Zeros beyond `width`, as far as its
// last vector reaches; what a tile reads behind that goes into no result.
void pack_sliver(ptrdiff_t depth, int width, const float* b, ptrdiff_t b_row, ptrdiff_t b_column,
                 float* target) {
    if (b_column == 1) {
        for (ptrdiff_t k = 0; k < depth; ++k) {
            const float* source = b + k * b_row;
            float* row = target + k * kWidth;
            if (width == kWidth) {
                NNCORE_UNROLL
                for (int j = 0; j < kProductVectors; ++j)
                    store(row + j * kLanes, load(source + j * kLanes));
            } else {
                for (int j = 0; j < width; j += kLanes)
                    store(row + j, load_partial(source + j, min_int(kLanes, width - j)));
            }
        }
        return;
    }
    for (int j0 = 0; j0 < kWidth; j0 += 16) {
        const int columns = width - j0 < 0 ? 0 : min_int(16, width - j0);
        const float* source = b + j0 * b_column;
        ptrdiff_t k = 0;
        if (b_row == 1 && columns > 0) {
            for (; k + 16 <= depth; k += 16)
                transpose_16(source + k, b_column, columns, target + k * kWidth + j0, kWidth);
        }
        for (; k < depth; ++k) {
            float* row = target + k * kWidth + j0;
            for (int j = 0; j < columns; ++j) row[j] = source[k * b_row + j * b_column];
            for (int j = columns; j < 16; ++j) row[j] = 0.0f;
        }
    }
}

// `height` rows of A, scaled: target[k * height + i].
void pack_panel(ptrdiff_t depth, int height, float alpha, const float* a, ptrdiff_t a_row,
                ptrdiff_t a_column, float* target) {
    ptrdiff_t k = 0;
    if (a_column == 1) {
        alignas(64) float block[16 * 16];
        for (; k + 16 <= depth; k += 16) {
            if (alpha == 1.0f) {
                transpose_to_panel(a + k, a_row, height, target + k * height);
            } else {
                transpose_16(a + k, a_row, height, block, 16);
                for (int c = 0; c < 16; ++c)
                    for (int i = 0; i < height; ++i)
                        target[(k + c) * height + i] = alpha * block[c * 16 + i];
            }
        }
    }
    if (a_row == 1 && alpha == 1.0f) {
        for (; k < depth; ++k)
            for (int i = 0; i < height; i += kLanes)
                store(target + k * height + i,
                      load_partial(a + k * a_column + i, min_int(kLanes, height - i)));
    }
    for (; k < depth; ++k)
        for (int i = 0; i < height; ++i)
            target[k * height + i] = alpha * a[i * a_row + k * a_column];
}

// By reference: a copy of the arguments takes as long as a product of 8 x 8 x 8.
void run(const GemmArgs& p, ptrdiff_t c_column, float* scratch) {
    const ptrdiff_t tiles = (p.M + kProductRows - 1) / kProductRows;
    float* const panel = scratch;
    float* const block = scratch + kPanelFloats;
    // A is read in place where it stands well: row-major with rows that do not all fall into the
    // same cache sets, or in any case while few slivers of B share a panel of it.
    const bool few_slivers = p.N <= 2 * kWidth && (p.a_column == 1 || p.a_row == 1);
    const bool a_in_place =
        p.alpha == 1.0f && (few_slivers || (p.a_column == 1 && p.a_row % 1024 != 0));
    const Source direct = p.a_column == 1 ? Source::rows : Source::columns;
    // A row-major B is read in place while few panels of A share a sliver of it; a last sliver that
    // is no whole tile is packed all the same, as a tile reads all its vectors: behind the last row
    // of B there may be no memory.
    const bool b_stands = p.b_column == 1 && tiles <= kTilesInPlace;
    const auto narrow = [&](int width) {
        return kReadsPartOfVector && b_stands && width < kLanes && c_column == 1;
    };
    const auto in_place = [&](int width) {
        return b_stands && (width == kWidth || width == kHalfWidth || narrow(width));
    };

    for (ptrdiff_t k0 = 0; k0 < p.K; k0 += kDepth) {
        const ptrdiff_t depth = min_size(kDepth, p.K - k0);
        const bool accumulate = p.accumulate || k0 > 0;
        for (ptrdiff_t j0 = 0; j0 < p.N; j0 += kColumns) {
            const ptrdiff_t columns = min_size(kColumns, p.N - j0);
            for (ptrdiff_t j = 0; j < columns; j += kWidth) {
                const int width = static_cast<int>(min_size(kWidth, columns - j));
                if (in_place(width)) continue;
                pack_sliver(depth, width, p.b + k0 * p.b_row + (j0 + j) * p.b_column, p.b_row,
                            p.b_column, block + j * depth);
            }
            for (ptrdiff_t index = 0; index < tiles; ++index) {
                // Rows dealt evenly: 32 rows make 11 + 11 + 10, not 14 + 14 + 4.
                const ptrdiff_t first = tiles == 1 ? 0 : p.M * index / tiles;
                const ptrdiff_t last = tiles == 1 ? p.M : p.M * (index + 1) / tiles;
                const int height = static_cast<int>(last - first);
                TileArgs t;
                t.K = depth;
                t.accumulate = accumulate;
                t.c_row = p.c_row;
                t.c_column = c_column;
                const float* a = p.a + first * p.a_row + k0 * p.a_column;
                Source source = direct;
                if (a_in_place) {
                    t.a = a;
                    t.a_stride = direct == Source::rows ? p.a_row : p.a_column;
                } else {
                    pack_panel(depth, height, p.alpha, a, p.a_row, p.a_column, panel);
                    t.a = panel;
                    t.a_stride = height;
                    source = Source::columns;
                }
                for (ptrdiff_t j = 0; j < columns; j += kWidth) {
                    t.width = static_cast<int>(min_size(kWidth, columns - j));
                    if (in_place(t.width)) {
                        t.b = p.b + k0 * p.b_row + j0 + j;
                        t.b_row = p.b_row;
                    } else {
                        t.b = block + j * depth;
                        t.b_row = kWidth;
                    }
                    t.c = p.c + first * p.c_row + (j0 + j) * c_column;
                    if (narrow(t.width)) {
                        run_narrow_tile(source, height, t);
                    } else if (t.width <= kHalfWidth) {
                        run_tile<kHalfVectors>(source, height, t);
                    } else {
                        run_tile<kProductVectors>(source, height, t);
                    }
                }
            }
        }
    }
}

// So few rows that a tile of normal width would wait for itself: wide tiles, B in place. The
// columns that are left over go the normal way.
constexpr ptrdiff_t kFewRows = 3;

void wide_tile(ptrdiff_t rows, const TileArgs& t, bool columns) {
    switch (rows) {
        case 1:
            if (columns) {
                tile<1, 2 * kWideVectors, Source::columns>(t);
            } else {
                tile<1, 2 * kWideVectors, Source::rows>(t);
            }
            break;
        case 2:
            tile<2, kWideVectors, Source::rows>(t);
            break;
        default:
            tile<3, kWideVectors, Source::rows>(t);
    }
}

void few_rows(const GemmArgs& g, float* scratch) {
    const int wide = (g.M == 1 ? 2 : 1) * kWideVectors * kLanes;
    // One row whose elements are apart is a column, read step by step.
    const bool columns = g.a_column != 1;
    TileArgs t;
    t.K = g.K;
    t.a = g.a;
    t.a_stride = columns ? g.a_column : g.a_row;
    t.b_row = g.b_row;
    t.accumulate = g.accumulate;
    t.c_row = g.c_row;
    t.c_column = 1;
    t.width = wide;
    ptrdiff_t j = 0;
    for (; j + wide <= g.N; j += wide) {
        t.b = g.b + j;
        t.c = g.c + j;
        wide_tile(g.M, t, columns);
    }
    if (j == g.N) return;
    GemmArgs rest = g;
    rest.N -= j;
    rest.b += j;
    rest.c += j;
    run(rest, 1, scratch);
}

// ---- one column: 16 chains per element, see GemmArgs

struct Lanes16 {
    vec part[kVectorsPerBlock];
};

// acc[l] = fma(alpha * a[l], x[l], acc[l]) for l < count.
NNCORE_INLINE void add_products(Lanes16& acc, const float* a, vec alpha, const float* x) {
    NNCORE_UNROLL
    for (int v = 0; v < kVectorsPerBlock; ++v)
        acc.part[v] = fma(alpha * load(a + v * kLanes), load(x + v * kLanes), acc.part[v]);
}

NNCORE_INLINE float sum_lanes(const Lanes16& acc) {
    alignas(64) float s[16];
    NNCORE_UNROLL
    for (int v = 0; v < kVectorsPerBlock; ++v) store(s + v * kLanes, acc.part[v]);
    for (int half = 8; half > 0; half /= 2)
        for (int l = 0; l < half; ++l) s[l] += s[l + half];
    return s[0];
}

// H rows of A, K floats each, times x.
template <int H>
NNCORE_INLINE void dot_rows(const GemmArgs& g, const float* a, const float* x, float* c) {
    const vec alpha = broadcast(g.alpha);
    Lanes16 acc[H];
    NNCORE_UNROLL
    for (int i = 0; i < H; ++i) {
        NNCORE_UNROLL
        for (int v = 0; v < kVectorsPerBlock; ++v) acc[i].part[v] = zero();
    }
    ptrdiff_t k = 0;
    for (; k + 16 <= g.K; k += 16) {
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i) add_products(acc[i], a + i * g.a_row + k, alpha, x + k);
    }
    // Zeros for what is missing: they change no sum.
    if (k < g.K) {
        alignas(64) float rest[2][16] = {};
        for (ptrdiff_t l = 0; k + l < g.K; ++l) rest[1][l] = x[k + l];
        for (int i = 0; i < H; ++i) {
            for (ptrdiff_t l = 0; k + l < g.K; ++l) rest[0][l] = a[i * g.a_row + k + l];
            add_products(acc[i], rest[0], alpha, rest[1]);
        }
    }
    for (int i = 0; i < H; ++i) {
        const float sum = sum_lanes(acc[i]);
        c[i * g.c_row] = g.accumulate ? c[i * g.c_row] + sum : sum;
    }
}

// One vector of rows of a column-major A, `count` of them real, times x.
void dot_columns(const GemmArgs& g, const float* a, int count, const float* x, float* c) {
    const vec alpha = broadcast(g.alpha);
    vec acc[16] = {};
    const auto column = [&](ptrdiff_t k) {
        const float* p = a + k * g.a_column;
        return alpha * (count == kLanes ? load(p) : load_partial(p, count));
    };
    ptrdiff_t k = 0;
    for (; k + 16 <= g.K; k += 16) {
        NNCORE_UNROLL
        for (int l = 0; l < 16; ++l) acc[l] = fma(column(k + l), broadcast(x[k + l]), acc[l]);
    }
    for (int l = 0; k + l < g.K; ++l) acc[l] = fma(column(k + l), broadcast(x[k + l]), acc[l]);
    for (int half = 8; half > 0; half /= 2)
        for (int l = 0; l < half; ++l) acc[l] += acc[l + half];
    for (int i = 0; i < count; ++i)
        c[i * g.c_row] = g.accumulate ? c[i * g.c_row] + acc[0][i] : acc[0][i];
}

// Any strides, element by element; x is contiguous.
void dot_scattered(const GemmArgs& g, const float* a, const float* x, float* c) {
    const vec alpha = broadcast(g.alpha);
    Lanes16 acc{};
    alignas(64) float part[2][16];
    for (ptrdiff_t k = 0; k < g.K; k += 16) {
        for (ptrdiff_t l = 0; l < 16; ++l) {
            part[0][l] = k + l < g.K ? a[(k + l) * g.a_column] : 0.0f;
            part[1][l] = k + l < g.K ? x[k + l] : 0.0f;
        }
        add_products(acc, part[0], alpha, part[1]);
    }
    const float sum = sum_lanes(acc);
    *c = g.accumulate ? *c + sum : sum;
}

static_assert(kLongestColumn <= kDepth * kColumns, "a column that is not contiguous is copied");

void one_column(const GemmArgs& g, float* scratch) {
    const float* x = g.b;
    if (g.b_row != 1) {
        for (ptrdiff_t k = 0; k < g.K; ++k) scratch[k] = g.b[k * g.b_row];
        x = scratch;
    }
    if (g.a_column == 1) {
        ptrdiff_t i = 0;
        for (; i + 4 <= g.M; i += 4) dot_rows<4>(g, g.a + i * g.a_row, x, g.c + i * g.c_row);
        for (; i < g.M; ++i) dot_rows<1>(g, g.a + i * g.a_row, x, g.c + i * g.c_row);
    } else if (g.a_row == 1) {
        for (ptrdiff_t i = 0; i < g.M; i += kLanes)
            dot_columns(g, g.a + i, static_cast<int>(min_size(kLanes, g.M - i)), x,
                        g.c + i * g.c_row);
    } else {
        for (ptrdiff_t i = 0; i < g.M; ++i)
            dot_scattered(g, g.a + i * g.a_row, x, g.c + i * g.c_row);
    }
}

}  // namespace

const ptrdiff_t gemm_scratch_floats = kPanelFloats + kDepth * (kColumns + kWidth);

void gemm(const GemmArgs& args, float* scratch) {
    if (args.K == 0 || args.alpha == 0.0f) {
        if (!args.accumulate)
            for (ptrdiff_t i = 0; i < args.M; ++i)
                for (ptrdiff_t j = 0; j < args.N; ++j) args.c[i * args.c_row + j] = 0.0f;
        return;
    }
    // With few columns and many rows most lanes would idle: solve C^T = B^T A^T instead. Each
    // element's chain multiplies the same pairs in the same order, so the bits are the same
    // (alpha scales the same operand only if it is 1).
    const bool narrow = args.N <= 8 || (args.N < 16 && args.a_row == 1);
    if (args.N == 1 && args.K <= kLongestColumn) {
        one_column(args, scratch);
    } else if (args.M <= kFewRows && args.alpha == 1.0f && args.b_column == 1 && args.N >= kLanes &&
               (args.a_column == 1 || args.M == 1)) {
        few_rows(args, scratch);
    } else if (args.alpha == 1.0f && narrow && args.M > args.N) {
        const GemmArgs turned{args.N,          args.M,     args.K, 1.0f,          args.b,
                              args.b_column,   args.b_row, args.a, args.a_column, args.a_row,
                              args.accumulate, args.c,     1};
        run(turned, args.c_row, scratch);
    } else {
        run(args, 1, scratch);
    }
}

}  // namespace nncore::kernels::NNCORE_TARGET
