// Which of its ways a convolution computes its gradients in: what the choice follows from.
#include "check.h"
#include "network/conv_geometry.h"
#include "network/conv_ways.h"

using namespace nncore::network;
using Weights = ConvWays::Weights;
using Input = ConvWays::Input;

namespace {

ConvWays ways(const Shape& image, const Conv2D& layer, bool pooled) {
    return choose_conv_ways(conv_geometry("test", image, layer), pooled);
}

Conv2D conv(std::ptrdiff_t filters, std::ptrdiff_t kernel) {
    return {.filters = filters, .kernel = {kernel, kernel}, .padding = "same"};
}

TEST(whole_blocks_of_channels_are_gathered) {
    CHECK(ways({14, 14, 32}, conv(64, 3), false) == (ConvWays{Weights::pixels, Input::gathered}));
    CHECK(ways({14, 14, 16}, conv(16, 1), false) == (ConvWays{Weights::pixels, Input::gathered}));
}

// Three channels would fill 3 of 16 lanes, a kernel row of five pixels 15.
TEST(few_channels_are_scattered) {
    CHECK(ways({32, 32, 3}, conv(32, 5), false) == (ConvWays{Weights::pixels, Input::scattered}));
    // One kernel column: a kernel row is but one pixel, and scattering fills no more lanes.
    CHECK(ways({32, 32, 3}, conv(32, 1), false) == (ConvWays{Weights::pixels, Input::gathered}));
    // Scattering knows no stride.
    Conv2D strided = conv(32, 5);
    strided.strides = {1, 2};
    CHECK(ways({32, 32, 3}, strided, false).input == Input::gathered);
    strided.strides = {2, 1};
    CHECK(ways({32, 32, 3}, strided, false).input == Input::gathered);
}

TEST(winners_are_visited_behind_a_pool) {
    CHECK(ways({32, 32, 3}, conv(32, 5), true) == (ConvWays{Weights::winners, Input::winners}));
    CHECK(ways({14, 14, 32}, conv(64, 3), true) == (ConvWays{Weights::winners, Input::winners}));
    // A kernel row of one value leaves 15 of 16 lanes empty: the pixels are cheaper.
    CHECK(ways({28, 28, 1}, conv(32, 1), true).weights == Weights::pixels);
}

TEST(dilation_leaves_gaps_in_a_kernel_row) {
    for (const Extent dilation : {Extent{2, 1}, Extent{1, 2}})
        for (const bool pooled : {false, true}) {
            Conv2D layer = conv(32, 5);
            layer.dilation = dilation;
            CHECK(ways({32, 32, 3}, layer, pooled) == (ConvWays{Weights::pixels, Input::gathered}));
        }
}

// Fewer multiplications by more than the transforms cost.
TEST(many_channels_are_filtered_minimally) {
    const auto suits = [](const Shape& image, const Conv2D& layer) {
        return suits_winograd(conv_geometry("test", image, layer));
    };
    CHECK(suits({56, 56, 64}, conv(64, 3)));
    CHECK(suits({7, 7, 512}, conv(512, 3)));
    CHECK(suits({4, 4, 32}, conv(32, 3)));
    CHECK(!suits({56, 56, 31}, conv(64, 3)));
    CHECK(!suits({56, 56, 64}, conv(31, 3)));
    CHECK(!suits({56, 56, 64}, conv(64, 5)));
    Conv2D other = conv(64, 3);
    other.kernel = {3, 1};
    CHECK(!suits({56, 56, 64}, other));
    for (const Extent two : {Extent{1, 2}, Extent{2, 1}}) {
        other = conv(64, 3);
        other.strides = two;
        CHECK(!suits({56, 56, 64}, other));
        other = conv(64, 3);
        other.dilation = two;
        CHECK(!suits({56, 56, 64}, other));
    }
    other = conv(64, 3);
    other.groups = 2;
    CHECK(!suits({56, 56, 64}, other));
    // Tiles of which little is there.
    CHECK(!suits({1, 56, 64}, conv(64, 3)));
    CHECK(!suits({3, 3, 64}, conv(64, 3)));
}

// The bounds themselves: a way over a kernel row must be more than a fifth cheaper.
TEST(bounds) {
    // 5 * 4 filters * 1 block against 4 * 4 * 1 value * 1 block: 20 > 16; three filters: 15 < 16.
    CHECK(ways({8, 8, 1}, conv(4, 1), true).weights == Weights::pixels);
    CHECK(ways({8, 8, 1}, conv(3, 1), true).weights == Weights::winners);
}

}  // namespace
