// A convolution of 3x3 weights by Winograd's minimal filtering, forward and both gradients, with
// fused bias and activation.
//
// The weights go through a transform first: once per change for inference, once per step and
// direction for training. Work is split by tiles of all samples and by channels; weight gradients
// are summed in chunks of samples, as in conv_stage.cpp.
#include "winograd_stage.h"

#include <algorithm>

#include "conv_parts.h"

namespace nncore::network {
namespace {

using kernels::Activation;
using kernels::kWinogradPlaces;
using kernels::WinogradTiles;

class WinogradStage final : public Stage {
 public:
    WinogradStage(const std::string& name, const ConvGeometry& geometry, Activation activation,
                  bool use_bias, std::ptrdiff_t offset)
        : g_(geometry),
          use_bias_(use_bias),
          out_blocks_(blocks_of(g_.out_channels)),
          blocks_(blocks_of(g_.channels)) {
        input_shape = {g_.height, g_.width, g_.channels};
        output_shape = {g_.out_height, g_.out_width, g_.out_channels};
        output_activation = activation;
        parameters = conv_parameters(name, g_, Parameter::Layout::rows, use_bias, offset);
    }

    std::string describe() const override {
        return describe_conv(g_, output_activation, use_bias_) + " by Winograd's F(2x2, 3x3)";
    }
    // As the layer has them, whatever this way saves.
    double multiply_adds() const override {
        return static_cast<double>(g_.out_height * g_.out_width) *
               static_cast<double>(element_count(parameters[0].shape));
    }
    Border input_border() const override { return g_.padding; }

    std::ptrdiff_t prepared_floats() const override { return winograd_floats(g_); }
    void prepare(const kernels::Kernels& kernels, const float* weights,
                 float* prepared) const override {
        kernels.winograd_weights(winograd_weights(g_, weights + parameters[0].offset, prepared));
    }

    Sizes sizes(std::ptrdiff_t largest, bool backward) const override {
        Sizes sizes;
        sizes.image = kernels::winograd_scratch(g_.channels, out_blocks_);
        if (!backward) return sizes;
        sizes.prepared = prepared_floats();
        if (needs_input_gradient) {
            sizes.prepared = std::max(sizes.prepared, turned_panel() * blocks_);
            sizes.image =
                std::max(sizes.image, kernels::winograd_scratch(g_.out_channels, blocks_));
        }
        if (trains) {
            sizes.scratch = out_blocks_ * kBlock;
            sizes.partials = chunk_count(largest) * chunk_floats();
        }
        return sizes;
    }
    std::ptrdiff_t image_for_chunk(std::ptrdiff_t rows) const override {
        if (!trains) return 0;
        const std::ptrdiff_t tiles = rows * kernels::winograd_tiles(g_.out_height, g_.out_width);
        return kernels::winograd_gradient_scratch(tiles, g_.channels, out_blocks_);
    }

    void forward(const Pass& pass) const override {
        const Rows& y = output(pass);
        kernels::WinogradArgs args{};
        args.tiles = forward_tiles(pass);
        args.blocks = out_blocks_;
        args.channels = g_.out_channels;
        args.weights = transformed_weights(pass, g_, weights(pass), prepared_offset);
        args.bias = bias(pass, use_bias_);
        args.activation = activation(pass);
        args.y = y.row(0);
        args.y_image = y.stride();
        args.y_row = y.layout.line;
        args.y_pixel = g_.out_channels;
        convolve(pass, args);
    }

    void backward_data(const BackwardPass& all) const override {
        if (needs_input_gradient) input_gradient(all);
        if (!trains) return;
        const Share share = all.share();
        for_each(all, share.chunks, [&](const BackwardPass& pass, std::ptrdiff_t chunk) {
            const std::ptrdiff_t first = share.begin(chunk), last = share.begin(chunk + 1);
            weight_gradient(pass, first, last, partials(pass, chunk));
            if (!use_bias_) return;
            float* const total = partials(pass, chunk) + parameters[0].size();
            std::fill_n(total, out_blocks_ * kBlock, 0.0f);
            for (std::ptrdiff_t r = first; r < last; ++r)
                add_bias_gradient(pass.kernels, {g_.out_height * g_.out_width}, g_.out_channels,
                                  output_delta(pass).row(r), g_.out_channels, r == first,
                                  scratch(pass), total);
        });
    }

    void backward_weights(const BackwardPass& pass) const override {
        const std::ptrdiff_t chunks = pass.share().chunks;
        const Parameter& kernel = parameters[0];
        const auto sum = [&](std::ptrdiff_t first, std::ptrdiff_t count, float* total) {
            pass.kernels.sum_partials(count, chunks, chunk_floats(), partials(pass, 0) + first,
                                      total);
        };
        for_floats(pass, kernel.size(),
                   [&](const BackwardPass&, std::ptrdiff_t first, std::ptrdiff_t count) {
                       sum(first, count, pass.gradients + kernel.offset + first);
                       update(pass, kernel, first, count);
                   });
        if (use_bias_) {
            sum(kernel.size(), out_blocks_ * kBlock, pass.gradients + parameters[1].offset);
            update(pass, parameters[1], 0, out_blocks_ * kBlock);
        }
    }

 private:
    // ---- the transformed weights
    const float* weights(const Pass& pass) const { return values(pass) + parameters[0].offset; }
    std::ptrdiff_t turned_panel() const { return kWinogradPlaces * g_.out_channels * kBlock; }

    const float* turned(const Pass& all) const {
        for_each(all, blocks_, [&](const Pass& pass, std::ptrdiff_t block) {
            kernels::WinogradWeightsArgs args =
                winograd_weights(g_, weights(pass), pass.workspace.prepared);
            args.turned = true;
            args.inputs = g_.out_channels;
            args.rows = g_.channels - block * kBlock;
            args.weights += block * kBlock * args.weights_row;
            args.blocks = 1;
            args.transformed += block * turned_panel();
            pass.kernels.winograd_weights(args);
        });
        return all.workspace.prepared;
    }

    // ---- the tiles
    // Of the output, from the image with its border.
    WinogradTiles forward_tiles(const Pass& pass) const {
        const Rows& x = input(pass);
        WinogradTiles tiles{};
        tiles.rows = g_.out_height;
        tiles.columns = g_.out_width;
        tiles.inputs = g_.channels;
        tiles.x = corner(g_, x, 0);
        tiles.x_image = x.stride();
        tiles.x_row = x.layout.line;
        tiles.x_pixel = g_.channels;
        tiles.x_rows = g_.padding.top + g_.height + g_.padding.bottom;
        tiles.x_columns = g_.padding.left + g_.width + g_.padding.right;
        tiles.last = pass.rows * kernels::winograd_tiles(tiles.rows, tiles.columns);
        return tiles;
    }

    // Deals out the tiles of all samples; and channels, where these are few and those are many.
    void convolve(const Pass& all, const kernels::WinogradArgs& args) const {
        constexpr std::ptrdiff_t kEnough = 4;        // pieces for each thread
        constexpr std::ptrdiff_t kFewestBlocks = 4;  // of channels that are worth a transform
        const std::ptrdiff_t tiles = args.tiles.last, threads = all.team.used();
        if (tiles == 0) return;
        const std::ptrdiff_t strip = kernels::winograd_strip(args.tiles.inputs, args.blocks);
        const std::ptrdiff_t wanted = threads == 1 ? 1 : kEnough * threads;
        const std::ptrdiff_t strips = std::min((tiles + strip - 1) / strip, wanted);
        const std::ptrdiff_t parts =
            std::clamp((wanted + strips - 1) / strips, std::ptrdiff_t{1},
                       std::max(args.blocks / kFewestBlocks, std::ptrdiff_t{1}));
        for_each(all, strips * parts, [&](const Pass& pass, std::ptrdiff_t piece) {
            const std::ptrdiff_t number = piece / parts, part = piece % parts;
            const std::ptrdiff_t first = args.blocks * part / parts;
            const std::ptrdiff_t last = args.blocks * (part + 1) / parts;
            kernels::WinogradArgs own = args;
            own.tiles.first = tiles * number / strips;
            own.tiles.last = tiles * (number + 1) / strips;
            own.blocks = last - first;
            own.channels = std::min(last * kBlock, args.channels) - first * kBlock;
            own.weights += first * kWinogradPlaces * args.tiles.inputs * kBlock;
            if (own.bias != nullptr) own.bias += first * kBlock;
            if (own.input_activity != nullptr) own.input_activity += first * kBlock;
            own.y += first * kBlock;
            own.scratch = use_image(pass);
            pass.kernels.winograd_conv(own);
        });
    }

    // A convolution of the output gradient with the turned weights.
    void input_gradient(const Pass& pass) const {
        const Rows &x = input(pass), &d = output_delta(pass), &dx = input_delta(pass);
        kernels::WinogradArgs args{};
        args.tiles.rows = g_.height;
        args.tiles.columns = g_.width;
        args.tiles.last = pass.rows * kernels::winograd_tiles(g_.height, g_.width);
        args.tiles.inputs = args.tiles.x_pixel = g_.out_channels;
        args.tiles.x = d.row(0);
        args.tiles.x_image = d.stride();
        args.tiles.x_row = d.layout.line;
        args.tiles.x_rows = g_.out_height;
        args.tiles.x_columns = g_.out_width;
        args.tiles.top = g_.kernel_height - 1 - g_.padding.top;
        args.tiles.left = g_.kernel_width - 1 - g_.padding.left;
        args.blocks = blocks_;
        args.channels = args.y_pixel = g_.channels;
        args.weights = turned(pass);
        args.activation = input_activation;
        if (input_activation != Activation::linear) {
            args.input_activity = x.row(0);
            args.activity_image = x.stride();
            args.activity_row = x.layout.line;
            args.activity_pixel = g_.channels;
        }
        args.y = dx.row(0);
        args.y_image = dx.stride();
        args.y_row = dx.layout.line;
        convolve(pass, args);
    }

    // Of samples [first, last).
    void weight_gradient(const Pass& pass, std::ptrdiff_t first, std::ptrdiff_t last,
                         float* gradient) const {
        const Rows& d = output_delta(pass);
        const std::ptrdiff_t tiles = kernels::winograd_tiles(g_.out_height, g_.out_width);
        kernels::WinogradWeightGradientArgs args{};
        args.tiles = forward_tiles(pass);
        args.tiles.first = first * tiles;
        args.tiles.last = last * tiles;
        args.blocks = out_blocks_;
        args.channels = args.d_pixel = g_.out_channels;
        args.d = d.row(0);
        args.d_image = d.stride();
        args.d_row = d.layout.line;
        args.gradient = gradient;
        args.scratch = use_image(pass);
        pass.kernels.winograd_weight_gradient(args);
    }

    std::ptrdiff_t chunk_floats() const { return parameters[0].size() + out_blocks_ * kBlock; }
    float* partials(const Pass& pass, std::ptrdiff_t chunk) const {
        return pass.workspace.partials[index] + chunk * chunk_floats();
    }

    ConvGeometry g_;
    bool use_bias_;
    std::ptrdiff_t out_blocks_, blocks_;
};

}  // namespace

std::unique_ptr<Stage> make_winograd_stage(const std::string& name, const ConvGeometry& geometry,
                                           Activation activation, bool use_bias,
                                           std::ptrdiff_t parameter_offset) {
    return std::make_unique<WinogradStage>(name, geometry, activation, use_bias, parameter_offset);
}

}  // namespace nncore::network
