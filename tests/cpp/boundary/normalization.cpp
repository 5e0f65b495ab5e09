// Random calls of the normalization of channels.
#include "kernels.h"

namespace boundary {
using namespace nncore::kernels;

namespace {

struct Channels {
    ptrdiff_t pixels, channels;
    Floats mean, scale, shift, constant;

    explicit Channels(Call& call)
        : pixels(call.size(30)),
          channels(call.size(100)),
          mean(call.floats(channels)),
          scale(call.floats(channels)),
          shift(call.floats(channels)),
          constant(call.floats(channels)) {}
    ptrdiff_t floats() const { return pixels * channels; }
    NormalizeArgs args() const {
        return {pixels, channels, mean.data(), scale.data(), shift.data()};
    }
    NormalizeGradientArgs gradient_args() const {
        return {pixels, channels, mean.data(), scale.data(), shift.data(), constant.data()};
    }
};

}  // namespace

void channel_moments(Call& call) {
    const ptrdiff_t pixels = call.size(40), channels = call.size(100);
    const Floats x = call.floats(pixels * channels, -3.0f, 5.0f);
    call.compare(
        [&](const Kernels& table, Floats& means, Floats& squares) {
            table.channel_moments(pixels, channels, x.data(), means.data(), squares.data());
        },
        call.untouched(channels), call.untouched(channels));
}

void combine_moments(Call& call) {
    const ptrdiff_t samples = call.size(20), channels = call.size(100),
                    stride = channels + call.gap();
    const Floats means = call.floats(extent(samples, stride, channels)),
                 squares = call.floats(means.size(), 0.0f, 9.0f);
    call.compare(
        [&](const Kernels& table, Floats& mean, Floats& variance) {
            table.combine_moments(samples, stride, 49, channels, means.data(), squares.data(),
                                  mean.data(), variance.data());
        },
        call.untouched(channels), call.untouched(channels));
}

void normalize(Call& call) {
    const Channels c(call);
    const auto kind = call.activation();
    const Floats x = call.floats(c.floats(), -4.0f, 4.0f);
    call.compare([&](const Kernels& table,
                     Floats& y) { table.normalize(c.args(), kind, x.data(), y.data()); },
                 call.untouched(c.floats()));
}

void normalize_gradient_chains(Call& call) {
    const Channels c(call);
    const Floats x = call.floats(c.floats(), -4.0f, 4.0f), dy = call.floats(c.floats());
    const ptrdiff_t before = call.random.below(9);
    call.compare(
        [&](const Kernels& table, Floats& chains) {
            table.normalize_gradient_chains(c.args(), before, x.data(), dy.data(), chains.data());
        },
        call.floats(2 * kNormalizeChains * padded(c.channels)));
}

void normalize_gradient(Call& call) {
    const Channels c(call);
    const auto kind = call.activation();
    const Floats x = call.rectified(c.floats()), dy = call.floats(c.floats());
    call.compare(
        [&](const Kernels& table, Floats& dx) {
            table.normalize_gradient(c.gradient_args(), kind, x.data(), dy.data(), dx.data());
        },
        call.untouched(c.floats()));
}

}  // namespace boundary
