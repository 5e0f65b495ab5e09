// What callers of the network engine pass in and get back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace nncore::network {

// The shape of one sample, without the batch: (height, width, channels) or (features).
using Shape = std::vector<std::ptrdiff_t>;

std::ptrdiff_t element_count(const Shape& shape);
std::string to_string(const Shape& shape);

enum class Loss { mse, sse, cross_entropy, focal };

// Whether the loss takes logits, with the softmax inside.
inline bool takes_logits(Loss loss) { return loss == Loss::cross_entropy || loss == Loss::focal; }

// Rows and columns: of a kernel, a window or a stride.
struct Extent {
    std::ptrdiff_t rows, columns;
};

// Throws std::invalid_argument that lists the known names.
Loss loss_from_name(const std::string& name);

// Images of a whole data set, C-contiguous samples; exactly one pointer is set. Bytes are scaled to
// [0, 1] (and normalised, if the network says so) while they are loaded; floats are used as they
// are. Image i is sample rows[i] of the array, or sample i without rows: a part of a data set that
// is too large to be copied. With an augmentation, training sees a changed copy of each, another
// one in each epoch.
struct Augmentation;
struct Images {
    const std::uint8_t* bytes = nullptr;
    const float* floats = nullptr;
    std::ptrdiff_t count = 0;
    const Augmentation* augmentation = nullptr;
    const std::int32_t* rows = nullptr;
    // The samples are no images but what Network::extract made of them: floats alone.
    bool extracted = false;
};

// One target per image; either labels, which stand for one-hot rows, or rows. With weights, the
// loss of each image and its gradient are multiplied by the image's weight; the mean over a batch
// still divides by the number of images.
struct Targets {
    const std::int32_t* labels = nullptr;
    const float* rows = nullptr;     // count x output_size
    const float* weights = nullptr;  // count, or nullptr: all are 1
    // Targets become (1 - label_smoothing) * target + label_smoothing / classes.
    float label_smoothing = 0.0f;
};

enum class Method { sgd, rmsprop, adam };

// Throws std::invalid_argument that lists the known names.
Method method_from_name(const std::string& name);
const char* name_of(Method method);

// How gradients become new weights; the formulas are at UpdateArgs in ../kernels/kernels.h. By
// default plain stochastic gradient descent: w = w - learning_rate * gradient.
struct Optimizer {
    float learning_rate = 0.0f;
    Method method = Method::sgd;
    double momentum = 0.0;                // sgd, rmsprop
    bool nesterov = false;                // sgd
    double rho = 0.9;                     // rmsprop: of the mean square
    double beta_1 = 0.9, beta_2 = 0.999;  // adam: of the mean and the mean square
    double epsilon = 1e-7;                // rmsprop, adam
    // Decoupled: each step begins with w = w - learning_rate * weight_decay * w.
    double weight_decay = 0.0;
    // The largest norm of the gradient of each parameter, or of all together; 0: any.
    double clipnorm = 0.0, global_clipnorm = 0.0;
    // Whether an exponential moving average of the weights is kept.
    bool use_ema = false;
    double ema_momentum = 0.99;

    // Nothing but w = w - learning_rate * gradient, which stages do as soon as they can.
    bool is_plain() const {
        return method == Method::sgd && momentum == 0.0 && weight_decay == 0.0 && clipnorm == 0.0 &&
               global_clipnorm == 0.0 && !use_ema;
    }
};

// What the random numbers of a training step depend on, besides the image and the layer.
struct Randomness {
    std::uint64_t seed = 0;
    std::uint32_t epoch = 0;
};

struct StepResults {
    std::vector<double> losses;         // per step: mean over the batch (sse: sum over the batch)
    std::vector<std::int64_t> correct;  // per step: samples whose largest output is their class
};

}  // namespace nncore::network
