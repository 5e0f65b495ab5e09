#include "conv_ways.h"

#include "../kernels/kernels.h"
#include "parameter.h"

namespace nncore::network {

// Costs are vectors of products. A way with lanes over a kernel row must be a fifth cheaper to be
// taken: it loads and stores more for each of them.
ConvWays choose_conv_ways(const ConvGeometry& g, bool pooled) {
    ConvWays ways{ConvWays::Weights::pixels, ConvWays::Input::gathered};
    // Lanes over the inputs of a kernel row want them to be contiguous.
    if (g.dilation_rows != 1 || g.dilation_columns != 1) return ways;
    const std::ptrdiff_t run = g.kernel_width * g.channels;
    const std::ptrdiff_t out_blocks = blocks_of(g.out_channels);

    // After a max pool three quarters of the output gradient are zeros: visiting the winners
    // only pays unless the lanes, which then run over the inputs of a kernel row, stay empty.
    const std::ptrdiff_t by_pixel = 4 * run * out_blocks;
    const std::ptrdiff_t by_winner = g.out_channels * blocks_of(run);
    if (pooled && 5 * by_winner < 4 * by_pixel) ways.weights = ConvWays::Weights::winners;

    // Lanes over the input channels, or over the inputs of a kernel row where channels are few.
    const bool sees_pixels_alone = g.kernel_height * g.kernel_width == 1;
    const std::ptrdiff_t outputs = sees_pixels_alone ? g.out_channels : padded(g.out_channels);
    const std::ptrdiff_t by_gathering = g.width * g.kernel_width * outputs * blocks_of(g.channels);
    const std::ptrdiff_t by_scattering = g.out_width * g.out_channels * blocks_of(run);
    const bool scatters =
        g.stride_rows == 1 && g.stride_columns == 1 && 5 * by_scattering < 4 * by_gathering;
    if (scatters) ways.input = ConvWays::Input::scattered;

    // After a max pool, again the winners alone: a quarter of the pixels, at half the speed.
    const std::ptrdiff_t by_spreading =
        (g.out_height / 2) * (g.out_width / 2) * g.out_channels * blocks_of(run);
    const std::ptrdiff_t otherwise = g.height * (scatters ? by_scattering : by_gathering);
    if (pooled && 2 * by_spreading < otherwise) ways.input = ConvWays::Input::winners;
    return ways;
}

bool suits_winograd(const ConvGeometry& g) {
    constexpr std::ptrdiff_t kFewestChannels = 32;
    if (g.kernel_height != 3 || g.kernel_width != 3 || g.stride_rows != 1 ||
        g.stride_columns != 1 || g.dilation_rows != 1 || g.dilation_columns != 1 || g.groups != 1 ||
        g.channels < kFewestChannels || g.out_channels < kFewestChannels)
        return false;
    // Products of a tile's 16 places against 9 for each of its pixels that there are; the
    // transforms of pixels cost as much as products with some 6 channels each way, and a fifth must
    // be left for those of the weights.
    const double places =
        16.0 * static_cast<double>(kernels::winograd_tiles(g.out_height, g.out_width));
    const double transforms =
        1.0 + 6.0 / static_cast<double>(g.channels) + 6.0 / static_cast<double>(g.out_channels);
    const double products = 9.0 * static_cast<double>(g.out_height * g.out_width);
    return 1.25 * places * transforms < products;
}

}  // namespace nncore::network
