// Softmax, the losses and layer normalization: sums over the columns (classes) of one row.
//
// Sixteen rows are turned so that the lanes run over rows; then every sum over classes is one
// chain per lane in ascending class order, whatever the vector width.
#include "../declarations.h"
#include "math.h"
#include "transpose.h"

namespace nncore::kernels::NNCORE_TARGET {
namespace {

// block[c * 16 + r] = x[r * x_row + c], zeros for the missing rows.
void turn_rows(int rows, ptrdiff_t columns, const float* x, ptrdiff_t x_row, float* block) {
    ptrdiff_t c = 0;
    for (; c + 16 <= columns; c += 16) transpose_16(x + c, x_row, rows, block + c * 16, 16);
    if (c < columns)
        transpose_tail(x + c, x_row, rows, static_cast<int>(columns - c), block + c * 16, 16);
}

// y[r * y_row + c] = block[c * 16 + r]
void turn_back(int rows, ptrdiff_t columns, const float* block, float* y, ptrdiff_t y_row) {
    alignas(64) float turned[16 * 16];
    for (ptrdiff_t c = 0; c < columns; c += 16) {
        const int width = static_cast<int>(min_size(16, columns - c));
        transpose_16(block + c * 16, 16, width, turned, 16);
        for (int r = 0; r < rows; ++r)
            for (int l = 0; l < width; l += kLanes)
                store_partial(y + r * y_row + c + l, load(turned + r * 16 + l),
                              min_int(kLanes, width - l));
    }
}

NNCORE_INLINE vec lane(const float* block, ptrdiff_t column, int part) {
    return load(block + column * 16 + part * kLanes);
}

// The index of each lane's largest value, the first of equals; never NaN's, unless all are.
void find_largest(int rows, ptrdiff_t columns, const float* block, int32_t* predicted) {
    alignas(64) int32_t index[16];
    for (int part = 0; part < kVectorsPerBlock; ++part) {
        vec best = lane(block, 0, part);
        ivec at = ivec{};
        for (ptrdiff_t c = 1; c < columns; ++c) {
            const vec x = lane(block, c, part);
            const ivec larger = x > best;
            best = larger ? x : best;
            at = larger ? broadcast_int(static_cast<int32_t>(c)) : at;
        }
        *reinterpret_cast<ivec_unaligned*>(index + part * kLanes) = at;
    }
    for (int r = 0; r < rows; ++r) predicted[r] = index[r];
}

// exp(x - max) into `powers`; returns the maximum and the sum through the references.
NNCORE_INLINE void exponentials(ptrdiff_t columns, const float* block, int part, float* powers,
                                vec& largest, vec& sum) {
    largest = lane(block, 0, part);
    for (ptrdiff_t c = 1; c < columns; ++c) largest = max(largest, lane(block, c, part));
    sum = zero();
    for (ptrdiff_t c = 0; c < columns; ++c) {
        const vec e = vector_exp(lane(block, c, part) - largest);
        store(powers + c * 16 + part * kLanes, e);
        sum += e;
    }
}

// Mean and 1 / standard deviation of each lane's columns.
NNCORE_INLINE void row_moments(ptrdiff_t columns, float epsilon, const float* block, int part,
                               vec& mean, vec& inverse) {
    const vec count = broadcast(static_cast<float>(columns));
    vec sum = zero(), squares = zero();
    for (ptrdiff_t c = 0; c < columns; ++c) sum += lane(block, c, part);
    mean = sum / count;
    for (ptrdiff_t c = 0; c < columns; ++c) {
        const vec off = lane(block, c, part) - mean;
        squares = fma(off, off, squares);
    }
    inverse = broadcast(1.0f) / square_root(squares / count + broadcast(epsilon));
}

template <class Body>
NNCORE_INLINE void for_row_blocks(ptrdiff_t rows, Body body) {
    for (ptrdiff_t r = 0; r < rows; r += 16) body(r, static_cast<int>(min_size(16, rows - r)));
}

}  // namespace

void softmax(ptrdiff_t rows, ptrdiff_t columns, const float* x, ptrdiff_t x_row, float* y,
             ptrdiff_t y_row, float* scratch) {
    for_row_blocks(rows, [&](ptrdiff_t r, int count) {
        turn_rows(count, columns, x + r * x_row, x_row, scratch);
        for (int part = 0; part < kVectorsPerBlock; ++part) {
            vec largest, sum;
            exponentials(columns, scratch, part, scratch, largest, sum);
            for (ptrdiff_t c = 0; c < columns; ++c)
                store(scratch + c * 16 + part * kLanes, lane(scratch, c, part) / sum);
        }
        turn_back(count, columns, scratch, y + r * y_row, y_row);
    });
}

void softmax_gradient(ptrdiff_t rows, ptrdiff_t columns, const float* y, ptrdiff_t y_row,
                      const float* dy, ptrdiff_t dy_row, float* dx, ptrdiff_t dx_row,
                      float* scratch) {
    float* const outputs = scratch;
    float* const gradients = scratch + 16 * columns;
    for_row_blocks(rows, [&](ptrdiff_t r, int count) {
        turn_rows(count, columns, y + r * y_row, y_row, outputs);
        turn_rows(count, columns, dy + r * dy_row, dy_row, gradients);
        for (int part = 0; part < kVectorsPerBlock; ++part) {
            vec dot = zero();
            for (ptrdiff_t c = 0; c < columns; ++c)
                dot = fma(lane(outputs, c, part), lane(gradients, c, part), dot);
            for (ptrdiff_t c = 0; c < columns; ++c)
                store(gradients + c * 16 + part * kLanes,
                      lane(outputs, c, part) * (lane(gradients, c, part) - dot));
        }
        turn_back(count, columns, gradients, dx + r * dx_row, dx_row);
    });
}

void squared_error(ptrdiff_t rows, ptrdiff_t columns, float scale, const float* output,
                   ptrdiff_t output_row, const float* target, ptrdiff_t target_row, float* losses,
                   float* gradient, ptrdiff_t gradient_row, int32_t* predicted, float* scratch) {
    float* const outputs = scratch;
    float* const targets = scratch + 16 * columns;
    const vec twice = broadcast(2.0f * scale);
    for_row_blocks(rows, [&](ptrdiff_t r, int count) {
        turn_rows(count, columns, output + r * output_row, output_row, outputs);
        turn_rows(count, columns, target + r * target_row, target_row, targets);
        if (predicted != nullptr) find_largest(count, columns, outputs, predicted + r);
        for (int part = 0; part < kVectorsPerBlock; ++part) {
            vec sum = zero();
            for (ptrdiff_t c = 0; c < columns; ++c) {
                const vec difference = lane(outputs, c, part) - lane(targets, c, part);
                sum = fma(difference, difference, sum);
                store(targets + c * 16 + part * kLanes, twice * difference);
            }
            const int lanes = min_int(kLanes, count - part * kLanes);
            if (losses != nullptr && lanes > 0)
                store_partial(losses + r + part * kLanes, sum, lanes);
        }
        if (gradient != nullptr)
            turn_back(count, columns, targets, gradient + r * gradient_row, gradient_row);
    });
}

void softmax_cross_entropy(ptrdiff_t rows, ptrdiff_t columns, float scale, const float* logits,
                           ptrdiff_t logits_row, const float* target, ptrdiff_t target_row,
                           float* losses, float* gradient, ptrdiff_t gradient_row,
                           int32_t* predicted, float* scratch) {
    float* const inputs = scratch;
    float* const targets = scratch + 16 * columns;
    float* const powers = scratch + 32 * columns;
    const vec factor = broadcast(scale);
    for_row_blocks(rows, [&](ptrdiff_t r, int count) {
        turn_rows(count, columns, logits + r * logits_row, logits_row, inputs);
        turn_rows(count, columns, target + r * target_row, target_row, targets);
        if (predicted != nullptr) find_largest(count, columns, inputs, predicted + r);
        for (int part = 0; part < kVectorsPerBlock; ++part) {
            vec largest, sum;
            exponentials(columns, inputs, part, powers, largest, sum);
            const vec log_sum = vector_log(sum);
            vec loss = zero(), weight = zero();
            for (ptrdiff_t c = 0; c < columns; ++c) {
                const vec t = lane(targets, c, part);
                const vec minus_log_probability = log_sum - (lane(inputs, c, part) - largest);
                // A class without weight adds nothing, even where its logit is -infinity.
                loss = t == zero() ? loss : fma(t, minus_log_probability, loss);
                weight += t;
            }
            const vec normalizer = weight / sum;
            for (ptrdiff_t c = 0; c < columns; ++c) {
                const vec slope = fma(lane(powers, c, part), normalizer, -lane(targets, c, part));
                store(powers + c * 16 + part * kLanes, zero_below(kSmallestSlope, factor * slope));
            }
            const int lanes = min_int(kLanes, count - part * kLanes);
            if (losses != nullptr && lanes > 0)
                store_partial(losses + r + part * kLanes, loss, lanes);
        }
        if (gradient != nullptr)
            turn_back(count, columns, powers, gradient + r * gradient_row, gradient_row);
    });
}

void softmax_focal(ptrdiff_t rows, ptrdiff_t columns, float scale, const float* logits,
                   ptrdiff_t logits_row, const float* target, ptrdiff_t target_row, float* losses,
                   float* gradient, ptrdiff_t gradient_row, int32_t* predicted, float* scratch) {
    float* const inputs = scratch;
    float* const targets = scratch + 16 * columns;
    float* const powers = scratch + 32 * columns;
    const vec factor = broadcast(scale);
    for_row_blocks(rows, [&](ptrdiff_t r, int count) {
        turn_rows(count, columns, logits + r * logits_row, logits_row, inputs);
        turn_rows(count, columns, target + r * target_row, target_row, targets);
        if (predicted != nullptr) find_largest(count, columns, inputs, predicted + r);
        for (int part = 0; part < kVectorsPerBlock; ++part) {
            vec largest, sum;
            exponentials(columns, inputs, part, powers, largest, sum);
            const vec log_sum = vector_log(sum);
            vec loss = zero(), total = zero();
            for (ptrdiff_t c = 0; c < columns; ++c) {
                const vec t = lane(targets, c, part);
                const vec minus_log = log_sum - (lane(inputs, c, part) - largest);
                const vec p = lane(powers, c, part) / sum;
                const vec rest = broadcast(1.0f) - p, weighted = t * rest;
                // A class without weight adds nothing, even where its logit is -infinity.
                loss = t == zero() ? loss : fma(weighted * rest, minus_log, loss);
                const vec a = t == zero() ? zero() : -(weighted * fma(p + p, minus_log, rest));
                total += a;
                store(powers + c * 16 + part * kLanes, p);
                store(targets + c * 16 + part * kLanes, a);
            }
            for (ptrdiff_t c = 0; c < columns; ++c) {
                const vec slope = fma(-lane(powers, c, part), total, lane(targets, c, part));
                store(powers + c * 16 + part * kLanes, zero_below(kSmallestSlope, factor * slope));
            }
            const int lanes = min_int(kLanes, count - part * kLanes);
            if (losses != nullptr && lanes > 0)
                store_partial(losses + r + part * kLanes, loss, lanes);
        }
        if (gradient != nullptr)
            turn_back(count, columns, powers, gradient + r * gradient_row, gradient_row);
    });
}

void layer_norm(const LayerNormArgs& a, const float* scale, const float* shift, float* y,
                ptrdiff_t y_row, float* scratch) {
    for_row_blocks(a.rows, [&](ptrdiff_t r, int count) {
        turn_rows(count, a.columns, a.x + r * a.x_row, a.x_row, scratch);
        for (int part = 0; part < kVectorsPerBlock; ++part) {
            vec mean, inverse;
            row_moments(a.columns, a.epsilon, scratch, part, mean, inverse);
            for (ptrdiff_t c = 0; c < a.columns; ++c)
                store(scratch + c * 16 + part * kLanes,
                      fma((lane(scratch, c, part) - mean) * inverse, broadcast(scale[c]),
                          broadcast(shift[c])));
        }
        turn_back(count, a.columns, scratch, y + r * y_row, y_row);
    });
}

void layer_norm_gradient(const LayerNormArgs& a, const float* scale, const float* dy,
                         ptrdiff_t dy_row, float* dx, ptrdiff_t dx_row, float* products,
                         ptrdiff_t products_row, float* scratch) {
    float* const inputs = scratch;
    float* const gradients = scratch + 16 * a.columns;
    float* const weighted = scratch + 32 * a.columns;
    const vec size = broadcast(static_cast<float>(a.columns));
    for_row_blocks(a.rows, [&](ptrdiff_t r, int count) {
        turn_rows(count, a.columns, a.x + r * a.x_row, a.x_row, inputs);
        turn_rows(count, a.columns, dy + r * dy_row, dy_row, gradients);
        for (int part = 0; part < kVectorsPerBlock; ++part) {
            vec mean, inverse;
            row_moments(a.columns, a.epsilon, inputs, part, mean, inverse);
            // With g = dy * scale: dx = (g - mean of g - n * mean of g n) / deviation.
            vec sum = zero(), dot = zero();
            for (ptrdiff_t c = 0; c < a.columns; ++c) {
                const vec n = (lane(inputs, c, part) - mean) * inverse;
                const vec d = lane(gradients, c, part), g = d * broadcast(scale[c]);
                sum += g;
                dot = fma(g, n, dot);
                store(inputs + c * 16 + part * kLanes, n);
                store(gradients + c * 16 + part * kLanes, d * n);
                store(weighted + c * 16 + part * kLanes, g);
            }
            const vec mean_sum = sum / size, mean_dot = dot / size;
            for (ptrdiff_t c = 0; c < a.columns; ++c)
                store(weighted + c * 16 + part * kLanes,
                      fma(-lane(inputs, c, part), mean_dot, lane(weighted, c, part) - mean_sum) *
                          inverse);
        }
        turn_back(count, a.columns, weighted, dx + r * dx_row, dx_row);
        turn_back(count, a.columns, gradients, products + r * products_row, products_row);
    });
}

}  // namespace nncore::kernels::NNCORE_TARGET
