// A convolution with fused bias and activation, and fused with a 2x2 max pool where one follows.
//
// Work is split by sample, and weight gradients are summed as chunks.h says.
#include "conv_stage.h"

#include <algorithm>

#include "conv_parts.h"
#include "conv_phases.h"
#include "conv_ways.h"
#include "expansion_norm.h"

namespace nncore::network {
namespace {

using kernels::Activation;

class ConvStage final : public Stage {
 public:
    ConvStage(const std::string& name, const ConvGeometry& geometry, Activation activation,
              bool use_bias, bool pooled, std::ptrdiff_t offset)
        : g_(geometry), use_bias_(use_bias), pooled_(pooled) {
        input_shape = {g_.height, g_.width, g_.channels};
        output_shape = {pooled ? g_.out_height / 2 : g_.out_height,
                        pooled ? g_.out_width / 2 : g_.out_width, g_.out_channels};
        output_activation = activation;
        parameters = conv_parameters(name, g_, Parameter::Layout::rows, use_bias, offset);
        // Rows and columns of the unpooled output that count: a 2x2 pool drops an odd last one.
        rows_ = pooled ? output_shape[0] * 2 : g_.out_height;
        columns_ = pooled ? output_shape[1] * 2 : g_.out_width;
        out_padded_ = padded(g_.out_channels);
        run_ = g_.kernel_width * g_.channels;
        const ConvWays ways = choose_conv_ways(g_, pooled);
        visits_winners_ = ways.weights == ConvWays::Weights::winners;
        scatters_ = ways.input == ConvWays::Input::scattered;
        spreads_winners_ = ways.input == ConvWays::Input::winners;
        filters_minimally_ = pooled && suits_winograd(g_);
        has_panels_ = !pooled && !has_few_weights();
        sees_pixels_alone_ = g_.kernel_height == 1 && g_.kernel_width == 1 && g_.stride_rows == 1 &&
                             g_.stride_columns == 1 && g_.padding == Border{};
    }

    std::string describe() const override {
        std::string text = describe_conv(g_, output_activation, use_bias_);
        if (pooled_) text += " + max pool 2x2";
        if (filters_minimally_) text += " by Winograd's F(2x2, 3x3)";
        if (visits_winners_) text += "; weight gradient from the pool's winners";
        if (needs_input_gradient && spreads_winners_)
            text += "; input gradient from the pool's winners";
        if (needs_input_gradient && scatters_) text += "; input gradient scattered";
        return text;
    }
    double multiply_adds() const override {
        return static_cast<double>(rows_ * columns_) *
               static_cast<double>(element_count(parameters[0].shape));
    }
    Border input_border() const override { return g_.padding; }
    std::ptrdiff_t prepared_floats() const override {
        return filters_minimally_ ? winograd_floats(g_) : has_panels_ ? parameters[0].size() : 0;
    }
    void prepare(const kernels::Kernels& kernels, const float* weights,
                 float* prepared) const override {
        if (filters_minimally_)
            kernels.winograd_weights(
                winograd_weights(g_, weights + parameters[0].offset, prepared));
        if (has_panels_) fill_panels(weights + parameters[0].offset, 0, taps_of_all(), prepared);
    }

    Sizes sizes(std::ptrdiff_t largest, bool backward) const override {
        Sizes sizes;
        if (pooled_) {
            sizes.scratch = unpooled_lines();
            sizes.inner = g_.out_height * g_.out_width * g_.out_channels;
        }
        if (filters_minimally_)
            sizes.image = kernels::winograd_scratch(g_.channels, out_padded_ / kBlock);
        if (!backward) return sizes;
        sizes.prepared = prepared_floats();
        if (pooled_) sizes.saved = (element_count(output_shape) + 3) / 4;  // one byte each
        sizes.image =
            std::max(sizes.image, (reads_delta() || backward_is_left ? 0 : unpooled_floats()) +
                                      (ahead == nullptr ? 0 : band() * input_line()));
        sizes.scratch = scratch_before_spread();
        if (backward_is_left && !reads_delta()) sizes.scratch += unpooled_floats();
        if (measured_by != nullptr) sizes.scratch += padded(kCentered * g_.channels);
        sizes.shared = turned_floats();
        if (trains) sizes.partials = chunk_count(largest) * chunk_floats();
        return sizes;
    }

    bool takes_last_step() const override { return !pooled_ && !use_bias_; }
    bool takes_output() const override {
        return sees_pixels_alone_ && !pooled_ && measured_by == nullptr;
    }
    // Only to a stage that needs a few lines at a time. Where an output has few inputs, it takes
    // less time to compute it twice, backward as well, than to write it and read it again.
    bool leaves_output_to(const Stage& next, bool in_training) const override {
        return !pooled_ && has_few_weights() && (goes_by_lines() || !in_training) &&
               next.hands_gradient_on() && taps_of_all() <= ExpansionNorm::kMostInputs;
    }
    bool takes_gradient_from(const Stage& next) const override {
        return goes_by_lines() && next.hands_gradient_on() && takes_part_backward() &&
               next.needs_input_gradient;
    }
    void output_lines(const Pass& pass, std::ptrdiff_t row, std::ptrdiff_t first,
                      std::ptrdiff_t last, float* values, std::ptrdiff_t line) const override {
        kernels::ConvArgs args = forward_args(pass);
        args.rows = last - first;
        args.x = corner(g_, input(pass), row) + first * args.x_row;
        args.y = values;
        args.y_row = line;
        pass.kernels.conv(args);
    }
    void take_gradient(const BackwardPass& pass, std::ptrdiff_t chunk, std::ptrdiff_t row,
                       std::ptrdiff_t first, std::ptrdiff_t last,
                       const float* gradient) const override {
        go_backward(pass, chunk, row, {first, last, gradient});
    }
    bool leaves_backward_to(const Stage& before) const override {
        return !pooled_ && has_few_weights() && sees_pixels_alone_ && ahead == nullptr &&
               behind == nullptr && !takes_gradient && needs_input_gradient &&
               before.hands_gradient_on() && before.takes_last_step();
    }
    void last_step(const BackwardPass& pass, std::ptrdiff_t chunk, std::ptrdiff_t row,
                   std::ptrdiff_t first, std::ptrdiff_t last, float* gradient,
                   std::ptrdiff_t line) const override {
        for (; first < last; first += band(), gradient += band() * line)
            go_backward(pass, chunk, row,
                        {first, std::min(first + band(), last), nullptr, gradient, line});
    }

    void forward(const Pass& pass) const override {
        if (measured_by != nullptr && is_folded(pass) && pass.purpose != Purpose::inference)
            measured_by->measure(pass);
        if (filters_minimally_) {
            filter_minimally(pass);
            return;
        }
        if (leaves_output(pass)) return;
        const Rows& x = input(pass);
        const Rows& y = output(pass);
        kernels::ConvArgs args = forward_args(pass);
        args.rows = 2;
        if (has_panels_) {
            args.weights = panels(pass);
            args.weights_row = kBlock;
            args.weights_block = parameters[0].size() / args.blocks;
        }
        args.y_row = pooled_ ? columns_ * g_.out_channels : y.layout.line;
        // Where several threads have few samples, they share the lines of each; or its channels,
        // where reading the weights for each few lines would take longer than the work.
        if (has_panels_) {
            for_bands(
                pass, args.blocks,
                [&](const Pass& own, std::ptrdiff_t r, std::ptrdiff_t first, std::ptrdiff_t last) {
                    kernels::ConvArgs part = args;
                    const std::ptrdiff_t channel = first * kBlock;
                    part.blocks = last - first;
                    part.channels = std::min(last * kBlock, g_.out_channels) - channel;
                    part.weights += first * part.weights_block;
                    if (part.bias != nullptr) part.bias += channel;
                    part.y = y.row(r) + channel;
                    forward_lines(own, part, r, 0, g_.out_height);
                    tell_behind(own, r);
                });
            return;
        }
        for_bands(
            pass, output_shape[0],
            [&](const Pass& own, std::ptrdiff_t r, std::ptrdiff_t first, std::ptrdiff_t last) {
                kernels::ConvArgs band = args;
                if (pooled_) {
                    band.x = corner(g_, x, r);
                    forward_pooled(own, band, r, first, last);
                    if (pass.purpose == Purpose::gradients && first == 0)
                        keep_unpooled(own, band, r);
                    return;
                }
                band.y = y.row(r);
                forward_lines(own, band, r, first, last);
                tell_behind(own, r);
            });
    }

    void prepare_backward(const Pass& pass) const override {
        if (!needs_input_gradient) return;
        if (scatters_ || spreads_winners_) {
            // Per kernel row, to be scattered from the last to the first: [output channel][inputs
            // of the row].
            for_each(pass, g_.kernel_height, [&](const Pass&, std::ptrdiff_t k) {
                pass.kernels.transpose(
                    run_, g_.out_channels,
                    values(pass) + parameters[0].offset + k * run_ * out_padded_, out_padded_,
                    pass.workspace.shared[index] +
                        (scatters_ ? g_.kernel_height - 1 - k : k) * g_.out_channels * padded(run_),
                    padded(run_));
            });
            return;
        }
        // Weights turned by 180 degrees, input and output channels swapped; one kernel position at
        // a time. Rows and columns of padding stay the zeros that the workspace began with.
        const ConvPhases phases = this->phases();
        const std::ptrdiff_t taps = g_.kernel_height * g_.kernel_width;
        for_each(pass, taps, [&](const Pass&, std::ptrdiff_t tap) {
            const std::ptrdiff_t place =
                phases.place(g_, tap / g_.kernel_width, tap % g_.kernel_width);
            const float* from =
                values(pass) + parameters[0].offset + tap * g_.channels * out_padded_;
            for (std::ptrdiff_t block = 0; block < blocks_of(g_.channels); ++block) {
                pass.kernels.transpose(std::min(kBlock, g_.channels - block * kBlock),
                                       g_.out_channels, from, out_padded_,
                                       turned(pass, place) + block * turned_panel(), kBlock);
                from += kBlock * out_padded_;
            }
        });
    }

    void backward_data(const BackwardPass& all) const override {
        if (takes_gradient) return;  // and has gone backward
        const Share share = all.share();
        for_each(all, share.chunks, [&](const BackwardPass& pass, std::ptrdiff_t chunk) {
            if (!reads_delta()) {
                prepare_image(pass, unpooled_floats());
            } else if (makes_input(pass)) {
                use_image(pass);
            }
            for (std::ptrdiff_t r = share.begin(chunk); r < share.begin(chunk + 1); ++r)
                for (std::ptrdiff_t line = 0; line < lines(); line += band())
                    go_backward(pass, chunk, r, {line, std::min(line + band(), lines())});
        });
    }

    bool adds_up() const override { return measured_by == nullptr; }
    void backward_weights(const BackwardPass& pass) const override {
        if (measured_by != nullptr) return;  // its gradient is not that sum alone
        const std::ptrdiff_t chunks = pass.share().chunks;
        const Parameter& kernel = parameters[0];
        float* const gradient = pass.gradients + kernel.offset;
        float* const partials = this->partials(pass, 0);
        const auto sum = [&](std::ptrdiff_t first, std::ptrdiff_t count, float* total) {
            pass.kernels.sum_partials(count, chunks, chunk_floats(), partials + first, total);
        };
        if (visits_winners_) {
            // Partials are [output channel][kernel row][inputs of the row]: sum them in place, then
            // turn them, block by block of 16 inputs, each of which one thread alone handles.
            const std::ptrdiff_t line = padded(run_), blocks = line / kBlock;
            const std::ptrdiff_t channel = g_.kernel_height * line;
            for_each(pass, g_.kernel_height * blocks, [&](const BackwardPass&, std::ptrdiff_t b) {
                const std::ptrdiff_t from = b * kBlock;
                const std::ptrdiff_t input = b % blocks * kBlock;
                const std::ptrdiff_t to = (b / blocks * run_ + input) * out_padded_;
                const std::ptrdiff_t count = std::min(kBlock, run_ - input);
                for (std::ptrdiff_t o = 0; o < g_.out_channels; ++o)
                    sum(o * channel + from, kBlock, partials + o * channel + from);
                pass.kernels.transpose(g_.out_channels, count, partials + from, channel,
                                       gradient + to, out_padded_);
                if (pass.learning_rate != nullptr)
                    pass.kernels.sgd_update(count * out_padded_, *pass.learning_rate, gradient + to,
                                            pass.weights + kernel.offset + to);
            });
        } else {
            for_floats(pass, kernel.size(),
                       [&](const BackwardPass&, std::ptrdiff_t first, std::ptrdiff_t count) {
                           sum(first, count, gradient + first);
                           update(pass, kernel, first, count);
                       });
        }
        if (use_bias_) {
            sum(kernel_partial_floats(), out_padded_, pass.gradients + parameters[1].offset);
            update(pass, parameters[1], 0, out_padded_);
        }
    }

 private:
    // How an output pixel's inputs lie in the image.
    template <class Args>
    Args taps(std::ptrdiff_t line) const {
        Args args{};
        args.kernel_rows = g_.kernel_height;
        args.kernel_row = g_.dilation_rows * line;
        walk_kernel_row(args, g_.kernel_width, g_.channels);
        args.x_row = g_.stride_rows * line;
        args.x_pixel = g_.stride_columns * g_.channels;
        return args;
    }

    // The inputs of a kernel row, of so many pixels of `channels` floats: one run, or, where
    // dilation leaves pixels out, one for each column.
    template <class Args>
    void walk_kernel_row(Args& args, std::ptrdiff_t columns, std::ptrdiff_t channels) const {
        const bool apart = g_.dilation_columns > 1;
        args.runs = apart ? columns : 1;
        args.run = apart ? channels : columns * channels;
        args.run_step = g_.dilation_columns * channels;
    }

    std::uint8_t* winners(const Pass& pass, std::ptrdiff_t row) const {
        return reinterpret_cast<std::uint8_t*>(pass.workspace.saved[index].row(row));
    }

    // Forward, but for the lines.
    kernels::ConvArgs forward_args(const Pass& pass) const {
        kernels::ConvArgs args = taps<kernels::ConvArgs>(input(pass).layout.line);
        args.columns = pooled_ ? columns_ : g_.out_width;
        args.blocks = out_padded_ / kBlock;
        args.channels = args.y_pixel = g_.out_channels;
        args.weights = values(pass) + parameters[0].offset;
        args.weights_row = out_padded_;
        args.weights_block = kBlock;
        args.bias = bias(pass, use_bias_);
        args.activation = pooled_ ? Activation::linear : activation(pass);
        return args;
    }
    // Of one sample, all but the lines given by `args`, which begins at line 0 of the output.
    void forward_lines(const Pass& pass, kernels::ConvArgs args, std::ptrdiff_t r,
                       std::ptrdiff_t first, std::ptrdiff_t last) const {
        const std::ptrdiff_t step = makes_input(pass) ? band() : last - first;
        float* const y = args.y;
        for (std::ptrdiff_t line = first; line < last; line += step) {
            const std::ptrdiff_t end = std::min(line + step, last);
            args.rows = end - line;
            args.x = makes_input(pass) ? input_lines(pass, r, line, end, use_image(pass))
                                       : corner(g_, input(pass), r) + line * args.x_row;
            args.y = y + line * args.y_row;
            pass.kernels.conv(args);
        }
    }

    // ---- weights in panels, where they are many: a tile reads those of a few channels, which
    // would be in few lines of the caches, and which nobody would guess, if they stood far apart.
    // Fewer stay in the second cache beside those of a stage before or behind.
    bool has_few_weights() const { return parameters[0].size() <= std::ptrdiff_t{1} << 16; }
    std::ptrdiff_t taps_of_all() const { return g_.kernel_height * g_.kernel_width * g_.channels; }
    const float* panels(const Pass& all) const {
        if (all.prepared != nullptr) return all.prepared + prepared_offset;
        constexpr std::ptrdiff_t kTogether = 32;
        const float* const weights = values(all) + parameters[0].offset;
        for_ranges(all, taps_of_all(), kTogether,
                   [&](const Pass& pass, std::ptrdiff_t first, std::ptrdiff_t last) {
                       fill_panels(weights, first, last, pass.workspace.prepared);
                   });
        return all.workspace.prepared;
    }
    // With the weights of inputs [first, last) of the chain.
    void fill_panels(const float* weights, std::ptrdiff_t first, std::ptrdiff_t last,
                     float* panels) const {
        const std::ptrdiff_t panel = taps_of_all() * kBlock;
        for (std::ptrdiff_t tap = first; tap < last; ++tap)
            for (std::ptrdiff_t block = 0; block < out_padded_ / kBlock; ++block)
                std::copy_n(weights + tap * out_padded_ + block * kBlock, kBlock,
                            panels + block * panel + tap * kBlock);
    }

    // Pooled rows [first, last): two rows at a time into scratch, from there the pooled one.
    void forward_pooled(const Pass& pass, kernels::ConvArgs args, std::ptrdiff_t r,
                        std::ptrdiff_t first, std::ptrdiff_t last) const {
        const Rows& y = output(pass);
        args.y = scratch(pass);
        args.x += 2 * first * args.x_row;
        kernels::ConvPoolArgs pooled{args, output_activation, nullptr, nullptr};
        for (std::ptrdiff_t row = first; row < last; ++row) {
            pooled.y = y.line(r, row);
            if (pass.purpose != Purpose::inference)
                pooled.winners = winners(pass, r) + row * output_shape[1] * g_.out_channels;
            pass.kernels.conv_pool_2x2(pooled);
            pooled.conv.x += 2 * args.x_row;
        }
    }

    // ---- by Winograd's minimal filtering, with a pool behind
    // So many pooled rows at a time that weights are not read for a few pixels each.
    std::ptrdiff_t pooled_rows() const {
        constexpr std::ptrdiff_t kEnoughTiles = 32;
        return filters_minimally_
                   ? std::min(output_shape[0], (kEnoughTiles + columns_ / 2 - 1) / (columns_ / 2))
                   : 1;
    }
    std::ptrdiff_t unpooled_lines() const {
        return padded(pooled_rows() * 2 * columns_ * out_padded_);
    }

    void filter_minimally(const Pass& all) const {
        const float* const weights =
            transformed_weights(all, g_, values(all) + parameters[0].offset, prepared_offset);
        for_bands(
            all, output_shape[0],
            [&](const Pass& pass, std::ptrdiff_t r, std::ptrdiff_t first, std::ptrdiff_t last) {
                for (std::ptrdiff_t row = first; row < last; row += pooled_rows())
                    pool_filtered(pass, weights, r, row, std::min(pooled_rows(), last - row));
                if (pass.purpose == Purpose::gradients && first == 0)
                    filter(pass, weights, r, 0, g_.out_height, g_.out_width, output_activation,
                           pass.workspace.inner[index].row(r));
            });
    }
    // Pooled rows [first, first + rows) of one sample.
    void pool_filtered(const Pass& pass, const float* weights, std::ptrdiff_t r,
                       std::ptrdiff_t first, std::ptrdiff_t rows) const {
        const Rows& y = output(pass);
        filter(pass, weights, r, 2 * first, 2 * rows, columns_, Activation::linear, scratch(pass));
        kernels::PoolArgs pool{};
        pool.rows = rows;
        pool.columns = output_shape[1];
        pool.channels = pool.x_pixel = pool.y_pixel = g_.out_channels;
        pool.x_row = columns_ * g_.out_channels;
        pool.window_rows = pool.window_columns = pool.step_rows = pool.step_columns = 2;
        pool.y_row = y.layout.line;
        std::uint8_t* const places =
            pass.purpose == Purpose::inference
                ? nullptr
                : winners(pass, r) + first * output_shape[1] * g_.out_channels;
        pass.kernels.max_pool_2x2(pool, output_activation, scratch(pass), y.line(r, first), places);
    }
    // Rows [first, first + rows) of the convolution of one sample, without gaps.
    void filter(const Pass& pass, const float* weights, std::ptrdiff_t r, std::ptrdiff_t first,
                std::ptrdiff_t rows, std::ptrdiff_t columns, Activation activation,
                float* y) const {
        const Rows& x = input(pass);
        kernels::WinogradArgs args{};
        args.tiles.rows = rows;
        args.tiles.columns = columns;
        args.tiles.last = kernels::winograd_tiles(rows, columns);
        args.tiles.inputs = args.tiles.x_pixel = g_.channels;
        args.tiles.x = corner(g_, x, r) + first * x.layout.line;
        args.tiles.x_row = x.layout.line;
        args.tiles.x_rows = rows + 2;
        args.tiles.x_columns = columns + 2;
        args.blocks = out_padded_ / kBlock;
        args.channels = args.y_pixel = g_.out_channels;
        args.weights = weights;
        args.bias = bias(pass, use_bias_);
        args.activation = activation;
        args.y = y;
        args.y_row = columns * g_.out_channels;
        args.scratch = use_image(pass);
        pass.kernels.winograd_conv(args);
    }

    // For people who look inside: the convolution's whole output, with its activation.
    void keep_unpooled(const Pass& pass, kernels::ConvArgs args, std::ptrdiff_t r) const {
        args.rows = g_.out_height;
        args.columns = g_.out_width;
        args.activation = output_activation;
        args.y = pass.workspace.inner[index].row(r);
        args.y_row = g_.out_width * g_.out_channels;
        pass.kernels.conv(args);
    }

    // Lines [first, last) of the output, which go through the pass backward together: all of a
    // sample; or, where each line comes from one line of the input, so few that they stay in the
    // second cache. Their gradient without gaps, where the stage behind hands it on.
    struct Band {
        std::ptrdiff_t first, last;
        const float* gradient = nullptr;
        // Where the gradient of their input goes, if the stage before asks for it.
        float* input_gradient = nullptr;
        std::ptrdiff_t input_line = 0;
    };
    bool is_part(const Band& band) const { return band.last - band.first < lines(); }
    const float* gradient(const Pass& pass, std::ptrdiff_t r, const Band& band) const {
        return band.gradient != nullptr ? band.gradient
                                        : output_delta(pass).row(r) + band.first * output_line();
    }
    // Whether lines go through both passes alone, as they come, with nothing but weights, a bias
    // and an activation.
    bool goes_by_lines() const {
        return has_few_weights() && ahead == nullptr && behind == nullptr && is_spread_out() &&
               (sees_pixels_alone_ || !needs_input_gradient);
    }

    void go_backward(const BackwardPass& pass, std::ptrdiff_t chunk, std::ptrdiff_t r,
                     const Band& band) const {
        const bool first = r == pass.share().begin(chunk);
        const float* const dense = unpooled(pass, chunk, r, band);
        const float* const x = seen(pass, r, band);
        if (needs_input_gradient) {
            if (spreads_winners_) {
                spread_input_gradient(pass, r, x);
            } else if (scatters_) {
                scattered_input_gradient(pass, r, band, x);
            } else {
                input_gradient(pass, r, band, x);
            }
            if (ahead != nullptr)
                ahead->take_gradient(pass, chunk, r, band.first, band.last,
                                     input_delta(pass).row(r) + band.first * input_line());
        }
        if (!trains) return;
        if (first && band.first == 0)
            std::fill_n(partials(pass, chunk) + kernel_partial_floats(), out_padded_, 0.0f);
        if (measured_by != nullptr) {
            centered_weight_gradient(pass, band, x, chunk, first && band.first == 0);
        } else {
            weight_gradient(pass, r, band, x, dense, chunk, first && band.first == 0);
        }
        if (use_bias_ || measured_by != nullptr) bias_gradient(pass, r, band, chunk, first);
    }

    // ---- backward, over the spread output gradient (conv_phases.h), in which pixels have whole
    // blocks of channels.
    ConvPhases phases() const { return ConvPhases::of(g_, needs_input_gradient); }
    // In panels.
    float* turned(const Pass& pass, std::ptrdiff_t tap) const {
        return pass.workspace.shared[index] + tap * out_padded_ * kBlock;
    }
    std::ptrdiff_t turned_panel() const {
        return g_.kernel_height * g_.kernel_width * out_padded_ * kBlock;
    }
    // Of a band.
    std::ptrdiff_t unpooled_floats() const {
        const Spread s = phases().spread;
        return padded((band() < lines() ? band() : s.height) * s.width * out_padded_);
    }
    // Where it is spread out already, the gradient as it came.
    bool is_spread_out() const {
        const Spread spread = phases().spread;
        return !pooled_ && spread.height == g_.out_height && spread.width == g_.out_width &&
               g_.out_channels == out_padded_;
    }
    bool reads_delta() const { return behind == nullptr && is_spread_out(); }
    const float* spread_image(const Pass& pass, std::ptrdiff_t r, const Band& band) const {
        return reads_delta() ? gradient(pass, r, band) : spread_place(pass);
    }
    // A thread's image; but another stage has that, where this one goes backward with it.
    float* spread_place(const Pass& pass) const {
        return backward_is_left ? scratch(pass) + scratch_before_spread() : image(pass);
    }
    std::ptrdiff_t scratch_before_spread() const {
        std::ptrdiff_t floats = (pooled_ ? unpooled_lines() : 0) +
                                padded(behind != nullptr ? output_line() : out_padded_);
        if (needs_input_gradient && scatters_) floats += padded(g_.height * scatter_line());
        if (needs_input_gradient && spreads_winners_)
            floats += padded(spread_lines() * scatter_line()) +
                      kernels::pooled_input_gradient_scratch(g_.out_channels);
        return floats;
    }
    std::ptrdiff_t input_line() const { return g_.width * g_.channels; }
    std::ptrdiff_t output_line() const { return g_.out_width * g_.out_channels; }

    std::ptrdiff_t lines() const { return g_.out_height; }
    // The input from the line on that a band begins with.
    const float* seen(const Pass& pass, std::ptrdiff_t r, const Band& band) const {
        float* const place = image(pass) + (reads_delta() ? 0 : unpooled_floats());
        const std::ptrdiff_t first = band.first * g_.stride_rows;
        return input_lines(pass, r, first, first + band.last - band.first, place);
    }
    std::ptrdiff_t band() const {
        // So many pixels at least, since each band reads all weights; and where nothing is left to
        // this stage, no bands of what stays in the second cache anyway.
        constexpr std::ptrdiff_t kFloats = std::ptrdiff_t{1} << 16, kFewestPixels = 128;
        if (!sees_pixels_alone_) return lines();
        const std::ptrdiff_t line = g_.out_width * (out_padded_ + g_.channels);
        if (behind == nullptr && ahead == nullptr && lines() * line <= 4 * kFloats) return lines();
        const std::ptrdiff_t fewest = (kFewestPixels + g_.out_width - 1) / g_.out_width;
        return std::clamp(std::max(kFloats / line, fewest), std::ptrdiff_t{1}, lines());
    }
    // The scratch that backward uses: a bias gradient, then what the input gradient wants.
    float* behind_forward(const Pass& pass) const {
        return scratch(pass) + (pooled_ ? unpooled_lines() : 0);
    }

    // Spreads a band of sample r's output gradient out; returns the place of its first pixel.
    const float* unpooled(const BackwardPass& pass, std::ptrdiff_t chunk, std::ptrdiff_t r,
                          const Band& band) const {
        if (visits_winners_ && (!needs_input_gradient || spreads_winners_))
            return nullptr;  // nobody needs it
        if (reads_delta()) return spread_image(pass, r, band);
        const ConvPhases phases = this->phases();
        const Spread& s = phases.spread;
        const std::ptrdiff_t down = phases.row_step(g_), across = phases.column_step(g_);
        const std::ptrdiff_t line = s.width * out_padded_;
        float* const place = spread_place(pass) + s.top * line + s.left * out_padded_;
        if (pooled_) {
            pass.kernels.unpool_2x2(output_shape[0], output_shape[1], g_.out_channels,
                                    output_delta(pass).row(r), winners(pass, r), place, down * line,
                                    across * out_padded_);
            return place;
        }
        const bool whole_lines = across == 1 && g_.out_channels == out_padded_;
        for (std::ptrdiff_t y = band.first; y < band.last; ++y) {
            float* to = place + (y - band.first) * down * line;
            const float* d =
                output_gradient(pass, chunk, r, y, y + 1, whole_lines ? to : behind_forward(pass));
            if (whole_lines) {
                if (d != to) std::copy_n(d, output_line(), to);
                continue;
            }
            for (std::ptrdiff_t x = 0; x < g_.out_width; ++x) {
                std::copy_n(d, g_.out_channels, to);
                d += g_.out_channels;
                to += across * out_padded_;
            }
        }
        return place;
    }

    void input_gradient(const Pass& pass, std::ptrdiff_t r, const Band& band,
                        const float* seen) const {
        const ConvPhases phases = this->phases();
        std::ptrdiff_t taps = 0;
        for (std::ptrdiff_t i = 0; i < phases.rows; ++i)
            for (std::ptrdiff_t j = 0; j < phases.columns; ++j) {
                ConvPhase row = phases.row(g_, i);
                const ConvPhase column = phases.column(g_, j);
                if (is_part(band)) {
                    row.first = band.first;
                    row.count = band.last - band.first;
                }
                if (row.count > 0 && column.count > 0)
                    input_gradient(pass, r, band, phases, row, column, turned(pass, taps), seen);
                taps += row.taps * column.taps;
            }
    }
    // Of the inputs of one phase; zeros, where it sees no weight.
    void input_gradient(const Pass& pass, std::ptrdiff_t r, const Band& band,
                        const ConvPhases& phases, const ConvPhase& row, const ConvPhase& column,
                        const float* weights, const float* seen) const {
        const std::ptrdiff_t input_line = input(pass).layout.line;
        kernels::ConvArgs args{};
        args.kernel_rows = row.taps;
        args.x_row = phases.spread.width * out_padded_;
        args.kernel_row = g_.dilation_rows * args.x_row;
        walk_kernel_row(args, column.taps, out_padded_);
        // Behind the channels of a pixel that is alone there is nothing to go on with.
        if (g_.kernel_height * g_.kernel_width == 1) args.run = std::min(args.run, g_.out_channels);
        args.x_pixel = out_padded_;
        args.rows = row.count;
        args.columns = column.count;
        args.x =
            spread_image(pass, r, band) + row.window * args.x_row + column.window * out_padded_;
        args.blocks = blocks_of(g_.channels);
        args.weights_row = kBlock;
        args.weights_block = turned_panel();
        args.channels = g_.channels;
        args.weights = weights;
        args.activation = input_activation;
        if (input_activation != Activation::linear) {
            args.input_activity =
                seen + (row.first - band.first) * input_line + column.first * g_.channels;
            args.activity_row = phases.rows * input_line;
            args.activity_pixel = phases.columns * g_.channels;
        }
        const InputGradient dx = input_gradient_of(pass, r, band);
        args.y = dx.place + (row.first - band.first) * dx.line + column.first * g_.channels;
        args.y_row = phases.rows * dx.line;
        args.y_pixel = phases.columns * g_.channels;
        pass.kernels.conv(args);
    }

    // The place of line band.first.
    struct InputGradient {
        float* place;
        std::ptrdiff_t line;
    };
    InputGradient input_gradient_of(const Pass& pass, std::ptrdiff_t r, const Band& band) const {
        if (band.input_gradient != nullptr) return {band.input_gradient, band.input_line};
        return {input_delta(pass).row(r) + band.first * input_line(), input_line()};
    }

    std::ptrdiff_t scatter_line() const {
        return padded((g_.padding.left + g_.width + g_.padding.right) * g_.channels) + padded(run_);
    }

    // There is no stride.
    void scattered_input_gradient(const Pass& pass, std::ptrdiff_t r, const Band& band,
                                  const float* seen) const {
        const bool part = is_part(band);
        const ConvPhases phases = this->phases();
        const Spread& s = phases.spread;
        kernels::ConvScatterArgs args{};
        args.kernel_rows = g_.kernel_height;
        args.kernel_row = s.width * out_padded_;
        args.channels = g_.out_channels;
        args.rows = part ? band.last - band.first : g_.height;
        args.columns = g_.out_width;
        args.x = spread_image(pass, r, band) + phases.row(g_, 0).window * args.kernel_row +
                 s.left * out_padded_;
        args.x_pixel = out_padded_;
        args.weights = pass.workspace.shared[index];
        args.blocks = blocks_of(run_);
        args.step = g_.channels;
        args.lines = behind_forward(pass) + out_padded_;
        args.line = scatter_line();
        pass.kernels.conv_scatter(args);
        finish_lines(pass, input_gradient_of(pass, r, band), args.rows, args.lines, seen);
    }

    // The image with its border, all of which the windows see.
    std::ptrdiff_t spread_lines() const { return g_.padding.top + g_.height + g_.padding.bottom; }

    void spread_input_gradient(const Pass& pass, std::ptrdiff_t r, const float* seen) const {
        float* const image = behind_forward(pass) + out_padded_;
        const std::ptrdiff_t floats = padded(spread_lines() * scatter_line());
        std::fill_n(image, floats, 0.0f);
        kernels::PooledInputGradientArgs args{};
        args.kernel_rows = g_.kernel_height;
        args.padded_run = padded(run_);
        args.rows = output_shape[0];
        args.columns = output_shape[1];
        args.channels = g_.out_channels;
        args.d = output_delta(pass).row(r);
        args.winners = winners(pass, r);
        args.weights = pass.workspace.shared[index];
        args.image = image;
        args.line = scatter_line();
        args.x_row = g_.stride_rows * args.line;
        args.x_pixel = g_.stride_columns * g_.channels;
        args.scratch = image + floats;
        pass.kernels.pooled_input_gradient(args);
        finish_lines(pass, input_gradient_of(pass, r, {0, lines()}), g_.height,
                     image + g_.padding.top * args.line, seen);
    }

    // From `count` lines with a border to those of the input gradient, which the input `seen`
    // belongs to.
    void finish_lines(const Pass& pass, InputGradient dx, std::ptrdiff_t count, const float* lines,
                      const float* seen) const {
        for (std::ptrdiff_t y = 0; y < count; ++y) {
            pass.kernels.activation_gradient(input_activation, input_line(), seen,
                                             lines + g_.padding.left * g_.channels, dx.place);
            seen += input(pass).layout.line;
            lines += scatter_line();
            dx.place += dx.line;
        }
    }

    // From a band of the output gradient, which begins at `d`.
    void weight_gradient(const Pass& pass, std::ptrdiff_t r, const Band& band, const float* seen,
                         const float* d, std::ptrdiff_t chunk, bool first) const {
        const Rows& x = input(pass);
        if (visits_winners_) {
            kernels::PooledWeightGradientArgs args{};
            args.kernel_rows = g_.kernel_height;
            args.kernel_row = x.layout.line;
            args.padded_run = padded(run_);
            args.rows = output_shape[0];
            args.columns = output_shape[1];
            args.x_row = g_.stride_rows * x.layout.line;
            args.x_pixel = g_.stride_columns * g_.channels;
            args.x = corner(g_, x, r);
            args.channels = g_.out_channels;
            args.d = output_delta(pass).row(r);
            args.winners = winners(pass, r);
            args.gradient = partials(pass, chunk);
            args.first = first;
            pass.kernels.pooled_weight_gradient(args);
            return;
        }
        const ConvPhases phases = this->phases();
        auto args = taps<kernels::ConvWeightGradientArgs>(x.layout.line);
        args.rows = pooled_ ? rows_ : band.last - band.first;
        args.columns = columns_;
        args.x = seen - g_.padding.top * x.layout.line - g_.padding.left * g_.channels;
        args.blocks = out_padded_ / kBlock;
        args.d = d;
        args.d_row = phases.row_step(g_) * phases.spread.width * out_padded_;
        args.d_pixel = phases.column_step(g_) * out_padded_;
        args.gradient = partials(pass, chunk);
        args.first = first;
        pass.kernels.conv_weight_gradient(args);
    }

    // Of so many pixels at a time, from the inputs without their means.
    static constexpr std::ptrdiff_t kCentered = 1024;
    void centered_weight_gradient(const Pass& pass, const Band& band, const float* x,
                                  std::ptrdiff_t chunk, bool first) const {
        float* const centered = scratch(pass) + scratch_before_spread();
        const std::ptrdiff_t pixels = (band.last - band.first) * g_.out_width;
        auto args = taps<kernels::ConvWeightGradientArgs>(0);
        args.rows = 1;
        args.x = centered;
        args.blocks = out_padded_ / kBlock;
        args.d_pixel = out_padded_;
        args.gradient = partials(pass, chunk);
        for (std::ptrdiff_t pixel = 0; pixel < pixels; pixel += kCentered) {
            args.columns = std::min(kCentered, pixels - pixel);
            args.x_row = args.columns * g_.channels;
            args.d_row = args.columns * out_padded_;
            args.d = band.gradient + pixel * out_padded_;
            args.first = first && pixel == 0;
            measured_by->center_inputs(pass, x + pixel * g_.channels, args.columns, centered);
            pass.kernels.conv_weight_gradient(args);
        }
    }

    // From the output gradient as it came: pooling left zeros out that add nothing.
    void bias_gradient(const Pass& pass, std::ptrdiff_t r, const Band& band, std::ptrdiff_t chunk,
                       bool first) const {
        const bool begins = band.first == 0, ends = band.last == lines();
        const std::ptrdiff_t all = output_shape[0] * output_shape[1];
        const std::ptrdiff_t part = (band.last - band.first) * g_.out_width;
        add_bias_gradient(pass.kernels, {begins && ends ? all : part, begins, ends},
                          g_.out_channels, gradient(pass, r, band), g_.out_channels, first,
                          behind_forward(pass), partials(pass, chunk) + kernel_partial_floats());
    }

    // ---- the shared place, turned weights, and partial gradients by chunk
    std::ptrdiff_t turned_floats() const {
        if (!needs_input_gradient) return 0;
        if (scatters_ || spreads_winners_)
            return padded(g_.kernel_height * g_.out_channels * padded(run_));
        return turned_panel() * blocks_of(g_.channels);
    }
    std::ptrdiff_t kernel_partial_floats() const {
        return visits_winners_ ? g_.out_channels * g_.kernel_height * padded(run_)
                               : parameters[0].size();
    }
    std::ptrdiff_t chunk_floats() const { return kernel_partial_floats() + out_padded_; }
    float* partials(const Pass& pass, std::ptrdiff_t chunk) const {
        return pass.workspace.partials[index] + chunk * chunk_floats();
    }

    ConvGeometry g_;
    bool use_bias_, pooled_, filters_minimally_, has_panels_;
    bool visits_winners_, scatters_, spreads_winners_, sees_pixels_alone_;
    std::ptrdiff_t rows_, columns_, out_padded_, run_;
};

}  // namespace

std::unique_ptr<Stage> make_conv_stage(const std::string& name, const ConvGeometry& geometry,
                                       Activation activation, bool use_bias, bool pooled,
                                       std::ptrdiff_t parameter_offset) {
    return std::make_unique<ConvStage>(name, geometry, activation, use_bias, pooled,
                                       parameter_offset);
}

}  // namespace nncore::network
