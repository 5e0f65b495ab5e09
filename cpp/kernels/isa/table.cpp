// The kernel table of one instruction set.
#include "conv.h"
#include "dense.h"
#include "depthwise.h"
#include "dropout.h"
#include "elementwise.h"
#include "gemm.h"
#include "normalization.h"
#include "optimizers.h"
#include "pool.h"
#include "rowwise.h"
#include "self_gated.h"

#define NNCORE_STRING_(x) #x
#define NNCORE_STRING(x) NNCORE_STRING_(x)

namespace nncore::kernels::NNCORE_TARGET {

const Kernels& table() {
    static const Kernels kernels{
        .isa = NNCORE_STRING(NNCORE_TARGET),
        .gemm_scratch_floats = gemm_scratch_floats,
        .gemm = gemm,
        .add_bias = add_bias,
        .bias_gradient = bias_gradient,
        .activation = activation,
        .activation_gradient = activation_gradient,
        .self_gated = self_gated,
        .self_gated_gradient = self_gated_gradient,
        .softmax = softmax,
        .softmax_gradient = softmax_gradient,
        .squared_error = squared_error,
        .softmax_cross_entropy = softmax_cross_entropy,
        .softmax_focal = softmax_focal,
        .sgd_update = sgd_update,
        .optimizer_update = optimizer_update,
        .sum_of_squares = sum_of_squares,
        .sum_of_magnitudes = sum_of_magnitudes,
        .penalty_gradient = penalty_gradient,
        .add = add,
        .channel_moments = channel_moments,
        .combine_moments = combine_moments,
        .normalize = normalize,
        .normalize_gradient_sums = normalize_gradient_sums,
        .normalize_gradient = normalize_gradient,
        .layer_norm = layer_norm,
        .layer_norm_gradient = layer_norm_gradient,
        .bytes_to_floats = bytes_to_floats,
        .dropout_mask = dropout_mask,
        .multiply = multiply,
        .multiply_add = multiply_add,
        .dense_product = dense_product,
        .dense_weight_gradient = dense_weight_gradient,
        .transpose_panels = transpose_panels,
        .conv = conv,
        .conv_pool_2x2 = conv_pool_2x2,
        .conv_weight_gradient = conv_weight_gradient,
        .pooled_weight_gradient = pooled_weight_gradient,
        .pooled_input_gradient = pooled_input_gradient,
        .conv_scatter = conv_scatter,
        .depthwise_conv = depthwise_conv,
        .depthwise_weight_gradient = depthwise_weight_gradient,
        .split_groups = split_groups,
        .merge_groups = merge_groups,
        .transpose = transpose,
        .sum_partials = sum_partials,
        .max_pool_2x2 = max_pool_2x2,
        .unpool_2x2 = unpool_2x2,
        .max_pool = max_pool,
        .max_pool_gradient = max_pool_gradient,
        .average_pool = average_pool,
        .average_pool_gradient = average_pool_gradient,
    };
    return kernels;
}

}  // namespace nncore::kernels::NNCORE_TARGET
