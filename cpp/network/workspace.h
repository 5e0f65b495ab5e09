// The buffers of one pass through a network, planned for a number of rows and allocated once.
#pragma once

#include <vector>

#include "../runtime/aligned_buffer.h"
#include "types.h"

namespace nncore::network {

// Zeros around an image that a convolution wants to find in its input buffer, in pixels.
struct Border {
    std::ptrdiff_t top = 0, left = 0, bottom = 0, right = 0;

    bool operator==(const Border&) const = default;
};

// How one sample lies in a buffer: `height` lines of `run` contiguous floats each (an image's
// width * channels; all features of a flat sample are one line), `line` floats apart.
struct Layout {
    std::ptrdiff_t height = 1, run = 0, line = 0;
    std::ptrdiff_t origin = 0;  // of the first value, from the start of the sample
    std::ptrdiff_t stride = 0;  // from sample to sample

    static Layout of(const Shape& shape, const Border& border = {});
};

// Samples of one layout, one after another.
struct Rows {
    float* data = nullptr;
    Layout layout{};

    // The first value of sample r; the others follow without gaps unless there is a border.
    float* row(std::ptrdiff_t r) const { return data + r * layout.stride + layout.origin; }
    float* line(std::ptrdiff_t r, std::ptrdiff_t y) const { return row(r) + y * layout.line; }
    std::ptrdiff_t stride() const { return layout.stride; }
};

// Zeros all that lies around the values of sample r.
void clear_border(const Rows& rows, std::ptrdiff_t r);

struct Workspace {
    std::ptrdiff_t capacity = 0;  // rows
    std::ptrdiff_t batch = 0;     // rows of all processes that share a batch
    bool gathers = false;         // room for what these tell each other
    int threads = 0;
    bool has_backward = false;  // room for gradients and for what backward needs
    bool keeps_inner = false;
    std::size_t first = 0;  // stage; there is no room for what those before it need
    // Buffer i is the input of stage i; the last one is the network's output.
    std::vector<Rows> activations;
    // Whether buffer i is written into memory that others use at other times, so that its border
    // has to be cleared each time.
    std::vector<bool> shares_memory;
    // Loss gradients by what produced buffer i, before its activation; never with a border.
    std::vector<Rows> deltas;
    // Per stage: what forward keeps for backward (per sample), what the stage needs besides
    // (once), a place of its own for each thread, and, for people who look inside, the output of
    // a layer that was fused away (per sample).
    std::vector<Rows> saved;
    // Per stage and sample of the whole batch: what forward wants to know of all of them; and, one
    // stage's beside the other's, what they want to know after the pass backward. The first
    // kLossFloats of that are the sample's loss, and whether it was answered rightly.
    std::vector<Rows> moments;
    Rows gathered;
    std::vector<std::ptrdiff_t> gathered_places;
    static constexpr std::ptrdiff_t kLossFloats = 2;
    Rows gathered_by(std::size_t stage) const {
        return {gathered.data + gathered_places[stage], gathered.layout};
    }
    // What is to be summed over the processes, one behind the other.
    std::vector<float> sums;
    std::vector<float*> shared;
    // Per stage, for the partial sums of its weight gradients, and per thread, for one image of the
    // stage that is at work: what stands there does not last beyond the stage's steps backward.
    std::vector<float*> partials;
    std::vector<float*> images;
    // For the stage at work in either direction: the form of its weights that it computes with.
    float* prepared = nullptr;
    std::vector<std::size_t> image_users;  // the stage that has last had each; none: their number
    std::vector<std::vector<float*>> scratch;  // [stage][thread]
    std::vector<Rows> inner;
    Rows targets;
    float* losses = nullptr;              // per row
    std::vector<std::int32_t> predicted;  // per row
    std::vector<std::int32_t> labels;     // per row
    std::vector<float> weights;           // per row, where the targets have weights
    std::vector<double> penalties;        // the parts of the sum of penalties, with backward
    std::vector<float*> rowwise_scratch;  // per thread
    std::vector<float*> augmented;        // per thread: one image, with backward
    runtime::AlignedBuffer storage;
};

}  // namespace nncore::network
