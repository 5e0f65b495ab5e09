// Batch normalization of what a 1x1 convolution makes of few inputs, from these inputs alone.
//
// An expansion z = W'x has several times as many channels as its input, so that to write z, to
// measure it and to read it again takes longer than to compute it. But over all pixels of a batch
//   mean(z) = W' mean(x)    and    variance(z_c) = w_c' covariance(x) w_c,
// so with these few numbers known, convolution and normalization are one convolution with other
// weights and a bias, whose lines whoever needs them can make at any time. Nor does the gradient
// need z: with dy the gradient by the normalized values, s = gamma / deviation, N pixels,
//   S = sum of dy,   P = sum of (x - mean(x)) dy',   t = (sum over k of w_k P_k) / variance,
// (t times the variance is the sum of dy (z - mean(z))),
//   dW_k = s (P_k - t (covariance(x) W)_k)
//   dx   = W s dy  -  W (s t / N) W' (x - mean(x))  -  W (s S / N):
// the first term is the gradient through that one convolution, and the others are added when all
// of the batch's sums are known, as a convolution of x with a small square of weights.
//
// Sums over the pixels of a sample are those of the kernels, of inputs without their means; what
// follows is summed in double precision. Where the inputs have much in common, these sums cancel
// each other: if all but a hundredth of each is the same, gradients differ from exact ones by 3e-5
// of their size instead of 3e-6. With a mean of a hundred deviations it is 4e-5 instead of 1e-3.
#pragma once

#include "stage.h"

namespace nncore::network {

class ExpansionNorm {
 public:
    // Whether a convolution is one: 1x1, few inputs, no bias, and pixels enough to be worth it.
    static constexpr std::ptrdiff_t kMostInputs = 48;
    static bool suits(const Stage& convolution);

    ExpansionNorm(const Stage& expansion, float epsilon);

    // Floats that are needed for each sample of the batch, by all threads together, and by each.
    std::ptrdiff_t moment_floats() const { return padded(inputs_) + inputs_ * padded(inputs_); }
    std::ptrdiff_t shared_floats() const { return kSquares * square() + kTalls * tall() + width_; }
    std::ptrdiff_t scratch_floats() const { return 2 * padded(inputs_) + square(); }
    std::ptrdiff_t image_floats() const { return padded(kTogether * inputs_) + kBlock; }

    // What one thread needs: its scratch and image, of those sizes, and the shared place.
    struct Place {
        float *shared, *scratch, *image;
    };
    // Before the samples are taken.
    void begin(float* shared) const;
    // The moments of one sample's inputs: means, and products of what remains without them.
    void take_sample(const Pass& pass, const Place& place, std::ptrdiff_t row,
                     float* moments) const;
    // From those of all samples, `rows.stride()` apart: each channel's mean and variance.
    void project(const float* weights, const Rows& moments, std::ptrdiff_t samples, float* shared,
                 float* mean, float* variance) const;
    // The weights and the bias of the one convolution that is both; scale: gamma / deviation.
    void fold(const float* weights, const float* mean, const float* scale, const float* beta,
              float* folded_weights, float* folded_bias) const;

    // Where P and S are to be put: of the whole batch, [input][channel], the latter behind.
    float* sums(float* shared) const { return shared + kSquares * square(); }
    std::ptrdiff_t sum_floats() const { return tall() + width_; }
    // From these: the gradients of the weights, of gamma and of beta; and what correct_input adds.
    struct Gradients {
        float *weights, *gamma, *beta;
    };
    void finish(const float* weights, const float* scale, const float* variance,
                std::ptrdiff_t samples, float* shared, const Gradients& gradients) const;
    // Adds the other terms of dx for one sample.
    void correct_input(const Pass& pass, const Place& place, std::ptrdiff_t row) const;

    // The inputs of some pixels without their means over the batch.
    void center(const Pass& pass, float* shared, const float* x, std::ptrdiff_t pixels,
                float* centered) const;

 private:
    // Pixels of which products are summed as one chain.
    static constexpr std::ptrdiff_t kTogether = 1024;

    // The shared place: the mean of each input, ones, zeros, and the bias that corrects dx, a row
    // of a square each; the covariance; the weights that correct dx. Then P, S, and the product of
    // covariance and weights.
    enum Row { kMean, kOnes, kZeros, kOffset };
    static constexpr std::ptrdiff_t kSquares = 3, kTalls = 2;
    std::ptrdiff_t square() const { return std::max<std::ptrdiff_t>(inputs_, 4) * padded(inputs_); }
    std::ptrdiff_t tall() const { return inputs_ * width_; }
    float* row(float* shared, Row which) const { return shared + which * padded(inputs_); }
    float* covariance(float* shared) const { return shared + square(); }
    float* mixing(float* shared) const { return shared + 2 * square(); }
    float* covariance_of_weights(float* shared) const { return sums(shared) + sum_floats(); }

    const Stage& expansion_;
    std::ptrdiff_t inputs_, pixels_, width_;  // width_: channels, a multiple of kBlock
    double epsilon_;
};

}  // namespace nncore::network
