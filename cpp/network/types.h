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

enum class Loss { mse, sse, cross_entropy };

// Rows and columns: of a kernel, a window or a stride.
struct Extent {
    std::ptrdiff_t rows, columns;
};

// Throws std::invalid_argument that lists the known names.
Loss loss_from_name(const std::string& name);

// Images of a whole data set, C-contiguous samples; exactly one pointer is set. Bytes are scaled to
// [0, 1] (and normalised, if the network says so) while they are loaded; floats are used as they
// are. Image i is sample rows[i] of the array, or sample i without rows: a part of a data set that
// is too large to be copied.
struct Images {
    const std::uint8_t* bytes = nullptr;
    const float* floats = nullptr;
    std::ptrdiff_t count = 0;
    const std::int32_t* rows = nullptr;
};

// One target per image; exactly one pointer is set. Labels stand for one-hot rows.
struct Targets {
    const std::int32_t* labels = nullptr;
    const float* rows = nullptr;  // count x output_size
};

// Plain stochastic gradient descent: w = w - learning_rate * gradient.
struct Optimizer {
    float learning_rate = 0.0f;
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
