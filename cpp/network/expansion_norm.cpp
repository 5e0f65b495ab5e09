#include "expansion_norm.h"

#include <algorithm>
#include <cmath>

namespace nncore::network {

using kernels::Activation;

bool ExpansionNorm::suits(const Stage& convolution) {
    constexpr std::ptrdiff_t kFewestPixels = 256;
    const Shape& in = convolution.input_shape;
    const Shape& out = convolution.output_shape;
    if (convolution.parameters.size() != 1 || in.size() != 3 || out.size() != 3) return false;
    const Shape& kernel = convolution.parameters[0].shape;
    return kernel.size() == 4 && kernel[0] == 1 && kernel[1] == 1 && kernel[2] == in[2] &&
           in[0] == out[0] && in[1] == out[1] && in[2] <= kMostInputs && out[2] % kBlock == 0 &&
           in[0] * in[1] >= kFewestPixels;
}

ExpansionNorm::ExpansionNorm(const Stage& expansion, float epsilon)
    : expansion_(expansion),
      inputs_(expansion.input_shape[2]),
      pixels_(expansion.input_shape[0] * expansion.input_shape[1]),
      width_(expansion.output_shape[2]),
      epsilon_(static_cast<double>(epsilon)) {}

void ExpansionNorm::begin(float* shared) const {
    std::fill_n(row(shared, kOnes), inputs_, 1.0f);
    std::fill_n(row(shared, kZeros), inputs_, 0.0f);
}

void ExpansionNorm::take_sample(const Pass& pass, const Place& place, std::ptrdiff_t r,
                                float* moments) const {
    const std::ptrdiff_t stride = padded(inputs_);
    const float* const x = pass.workspace.activations[expansion_.index].row(r);
    float* const products = moments + stride;
    float* const own = place.scratch + 2 * stride;
    pass.kernels.channel_moments(pixels_, inputs_, x, place.scratch, place.scratch + stride);
    std::copy_n(place.scratch, inputs_, moments);
    std::fill_n(products, inputs_ * stride, 0.0f);
    for (std::ptrdiff_t first = 0; first < pixels_; first += kTogether) {
        const std::ptrdiff_t count = std::min(kTogether, pixels_ - first);
        pass.kernels.normalize(
            {count, inputs_, moments, row(place.shared, kOnes), row(place.shared, kZeros)},
            Activation::linear, x + first * inputs_, place.image);
        kernels::ConvWeightGradientArgs args{};
        args.kernel_rows = args.runs = args.rows = 1;
        args.run = args.x_pixel = args.d_pixel = inputs_;
        args.columns = count;
        args.x = args.d = place.image;
        args.x_row = args.d_row = count * inputs_;
        args.blocks = blocks_of(inputs_);
        args.gradient = own;
        args.first = true;
        pass.kernels.conv_weight_gradient(args);
        // Lanes beyond the last input hold products with the next pixel.
        for (std::ptrdiff_t i = 0; i < inputs_; ++i)
            for (std::ptrdiff_t j = 0; j < inputs_; ++j)
                products[i * stride + j] += own[i * stride + j];
    }
}

void ExpansionNorm::project(const float* weights, const Rows& moments, std::ptrdiff_t samples,
                            float* shared, float* mean, float* variance) const {
    const std::ptrdiff_t stride = padded(inputs_);
    float* const means = row(shared, kMean);
    for (std::ptrdiff_t k = 0; k < inputs_; ++k) {
        double sum = 0;
        for (std::ptrdiff_t r = 0; r < samples; ++r) sum += static_cast<double>(moments.row(r)[k]);
        means[k] = static_cast<float>(sum / static_cast<double>(samples));
    }
    // Within samples, and between their means (Chan, Golub and LeVeque, 1983).
    const double pixels = static_cast<double>(pixels_);
    float* const covariance = this->covariance(shared);
    for (std::ptrdiff_t i = 0; i < inputs_; ++i)
        for (std::ptrdiff_t j = 0; j < inputs_; ++j) {
            double sum = 0;
            for (std::ptrdiff_t r = 0; r < samples; ++r) {
                const float* const own = moments.row(r);
                const double between =
                    static_cast<double>(own[i] - means[i]) * static_cast<double>(own[j] - means[j]);
                sum += static_cast<double>(own[stride + i * stride + j]) + pixels * between;
            }
            covariance[i * stride + j] =
                static_cast<float>(sum / (pixels * static_cast<double>(samples)));
        }
    float* const product = covariance_of_weights(shared);
    for (std::ptrdiff_t c = 0; c < width_; c += kBlock) {
        double mean_of[kBlock] = {}, variance_of[kBlock] = {};
        for (std::ptrdiff_t k = 0; k < inputs_; ++k) {
            const float* const own = weights + k * width_ + c;
            double sum[kBlock] = {};
            for (std::ptrdiff_t j = 0; j < inputs_; ++j) {
                const double factor = static_cast<double>(covariance[k * stride + j]);
                const float* const w = weights + j * width_ + c;
                for (std::ptrdiff_t l = 0; l < kBlock; ++l)
                    sum[l] += factor * static_cast<double>(w[l]);
            }
            for (std::ptrdiff_t l = 0; l < kBlock; ++l) {
                const double w = static_cast<double>(own[l]);
                mean_of[l] += static_cast<double>(means[k]) * w;
                variance_of[l] += w * sum[l];
                product[k * width_ + c + l] = static_cast<float>(sum[l]);
            }
        }
        for (std::ptrdiff_t l = 0; l < kBlock; ++l) {
            mean[c + l] = static_cast<float>(mean_of[l]);
            variance[c + l] = static_cast<float>(std::max(variance_of[l], 0.0));
        }
    }
}

void ExpansionNorm::fold(const float* weights, const float* mean, const float* scale,
                         const float* beta, float* folded_weights, float* folded_bias) const {
    for (std::ptrdiff_t k = 0; k < inputs_; ++k)
        for (std::ptrdiff_t c = 0; c < width_; ++c)
            folded_weights[k * width_ + c] = weights[k * width_ + c] * scale[c];
    for (std::ptrdiff_t c = 0; c < width_; ++c)
        folded_bias[c] = std::fma(-mean[c], scale[c], beta[c]);
}

void ExpansionNorm::finish(const float* weights, const float* scale, const float* variance,
                           std::ptrdiff_t samples, float* shared,
                           const Gradients& gradients) const {
    const std::ptrdiff_t stride = padded(inputs_);
    const double count = static_cast<double>(samples * pixels_);
    const float* const means = row(shared, kMean);
    float* const products = sums(shared);  // P; becomes W s t / N
    const float* const sum = products + tall();
    const float* const of_weights = covariance_of_weights(shared);
    double offset[kMostInputs] = {};
    for (std::ptrdiff_t c = 0; c < width_; ++c) {
        double product = 0;
        for (std::ptrdiff_t k = 0; k < inputs_; ++k)
            product += static_cast<double>(weights[k * width_ + c]) *
                       static_cast<double>(products[k * width_ + c]);
        const double square = static_cast<double>(variance[c]) + epsilon_;
        const double ratio = product / square, s = static_cast<double>(scale[c]);
        const double total = static_cast<double>(sum[c]);
        gradients.gamma[c] = static_cast<float>(product / std::sqrt(square));
        gradients.beta[c] = sum[c];
        for (std::ptrdiff_t k = 0; k < inputs_; ++k) {
            const std::ptrdiff_t at = k * width_ + c;
            const double w = static_cast<double>(weights[at]);
            gradients.weights[at] =
                static_cast<float>(s * (static_cast<double>(products[at]) -
                                        ratio * static_cast<double>(of_weights[at])));
            offset[k] -= w * (s * total / count);
            products[at] = static_cast<float>(w * (s * ratio / count));
        }
    }
    float* const mixing = this->mixing(shared);
    for (std::ptrdiff_t j = 0; j < inputs_; ++j)
        for (std::ptrdiff_t k = 0; k < inputs_; ++k) {
            double part[kBlock] = {};
            for (std::ptrdiff_t c = 0; c < width_; c += kBlock)
                for (std::ptrdiff_t l = 0; l < kBlock; ++l)
                    part[l] += static_cast<double>(products[j * width_ + c + l]) *
                               static_cast<double>(weights[k * width_ + c + l]);
            double total = 0;
            for (const double one : part) total += one;
            mixing[j * stride + k] = static_cast<float>(-total);
            offset[k] += static_cast<double>(means[j]) * total;
        }
    for (std::ptrdiff_t k = 0; k < inputs_; ++k)
        row(shared, kOffset)[k] = static_cast<float>(offset[k]);
}

void ExpansionNorm::center(const Pass& pass, float* shared, const float* x, std::ptrdiff_t pixels,
                           float* centered) const {
    pass.kernels.normalize(
        {pixels, inputs_, row(shared, kMean), row(shared, kOnes), row(shared, kZeros)},
        Activation::linear, x, centered);
}

void ExpansionNorm::correct_input(const Pass& pass, const Place& place, std::ptrdiff_t r) const {
    const float* const x = pass.workspace.activations[expansion_.index].row(r);
    float* const dx = pass.workspace.deltas[expansion_.index].row(r);
    kernels::ConvArgs args{};
    args.kernel_rows = args.runs = args.rows = 1;
    args.run = args.x_pixel = args.y_pixel = args.activity_pixel = args.channels = inputs_;
    args.blocks = blocks_of(inputs_);
    args.weights = mixing(place.shared);
    args.weights_row = padded(inputs_);
    args.weights_block = kBlock;
    args.bias = row(place.shared, kOffset);
    args.activation = expansion_.input_activation;
    args.y = place.image;
    for (std::ptrdiff_t first = 0; first < pixels_; first += kTogether) {
        args.columns = std::min(kTogether, pixels_ - first);
        args.x = x + first * inputs_;
        args.x_row = args.y_row = args.activity_row = args.columns * inputs_;
        if (args.activation != Activation::linear) args.input_activity = args.x;
        pass.kernels.conv(args);
        const std::ptrdiff_t floats = args.columns * inputs_;
        pass.kernels.add(Activation::linear, floats, dx + first * inputs_, place.image,
                         dx + first * inputs_);
    }
}

}  // namespace nncore::network
