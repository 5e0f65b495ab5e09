#include "grouped_conv_stage.h"

#include <algorithm>

#include "depthwise_conv_stage.h"

namespace nncore::network {

using kernels::Activation;

GroupedConvStage::GroupedConvStage(const std::string& name, const ConvGeometry& geometry,
                                   Activation activation, bool use_bias, Parameter::Layout layout,
                                   std::ptrdiff_t outputs, std::ptrdiff_t offset)
    : g_(geometry),
      use_bias_(use_bias),
      group_inputs_(geometry.channels / geometry.groups),
      group_outputs_(geometry.out_channels / geometry.groups),
      outputs_(outputs) {
    input_shape = {g_.height, g_.width, g_.channels};
    output_shape = {g_.out_height, g_.out_width, g_.out_channels};
    output_activation = activation;
    parameters = conv_parameters(name, g_, layout, use_bias, offset);
}

std::string GroupedConvStage::describe() const {
    return describe_conv(g_, output_activation, use_bias_) + "; " + way();
}

double GroupedConvStage::multiply_adds() const {
    return static_cast<double>(g_.out_height * g_.out_width) *
           static_cast<double>(element_count(parameters[0].shape));
}

// A sample goes through the pass backward in bands of so many input rows, which stay in the second
// cache from the spreading to the weight gradient. Whole steps of the stride, so that each band has
// inputs of all phases.
std::ptrdiff_t GroupedConvStage::band_rows(const ConvPhases& phases) const {
    // Lines of zeros between those of the output gradient must stand in the same places for all.
    if (!needs_input_gradient || !has_bands() || phases.row_step(g_) > 1) return g_.height;
    constexpr std::ptrdiff_t kFloats = std::ptrdiff_t{1} << 15;
    const std::ptrdiff_t step = 4 * g_.stride_rows;
    const std::ptrdiff_t rows =
        kFloats * phases.rows / (phases.spread.width * outputs_) / step * step;
    return std::min(g_.height, std::max(rows, step));
}

// Calls body(band) for all bands of a sample, in order.
template <class Body>
void GroupedConvStage::for_bands_backward(const ConvPhases& phases, const Body& body) const {
    const std::ptrdiff_t step = band_rows(phases);
    const std::ptrdiff_t down = phases.row_step(g_);
    std::ptrdiff_t known = 0;  // lines of the spread gradient that earlier bands had
    Band band{};
    for (band.first = 0; band.first < g_.height; band.first += step) {
        band.last = std::min(band.first + step, g_.height);
        band.first_line = known;
        band.last_line = known;
        for (std::ptrdiff_t i = 0; i < phases.rows; ++i) {
            const ConvPhase phase = phases.row(g_, i);
            const std::ptrdiff_t begin = phase.before(band.first, phases.rows);
            const std::ptrdiff_t end = phase.before(band.last, phases.rows);
            if (phase.taps == 0 || begin == end) continue;
            const std::ptrdiff_t reach = (phase.taps - 1) * g_.dilation_rows;
            band.first_line = std::min(band.first_line, phase.window + begin);
            band.last_line = std::max(band.last_line, phase.window + end + reach);
        }
        if (band.last == g_.height) band.last_line = phases.spread.height;
        known = band.last_line;
        const std::ptrdiff_t line = phases.spread.top + band.outputs * down;
        band.output_rows = line >= known ? 0
                                         : std::min(g_.out_height - band.outputs,
                                                    (known - line + down - 1) / down);
        band.first_seen = band.first;
        band.last_seen = band.last;
        if (band.output_rows > 0) {
            const std::ptrdiff_t above = band.outputs * g_.stride_rows - g_.padding.top;
            band.first_seen = std::min(band.first, above);
            band.last_seen = std::max(
                band.last, above + (band.output_rows - 1) * g_.stride_rows + g_.reach_rows());
        }
        body(static_cast<const Band&>(band));
        band.outputs += band.output_rows;
    }
}

std::ptrdiff_t GroupedConvStage::spread_floats() const {
    const ConvPhases phases = this->phases();
    std::ptrdiff_t lines = 0;
    for_bands_backward(phases, [&](const Band& band) {
        lines = std::max(lines, band.last_line - band.first_line);
    });
    // Lanes beyond the last group may be read.
    return padded(lines * phases.spread.width * outputs_ + kBlock);
}

std::ptrdiff_t GroupedConvStage::forward_rows() const {
    constexpr std::ptrdiff_t kFloats = std::ptrdiff_t{1} << 16, kTogether = 4;
    const std::ptrdiff_t rows = kFloats / (seen_line() * g_.stride_rows) / kTogether * kTogether;
    return std::clamp(rows, std::min(kTogether, g_.out_height), g_.out_height);
}

// What a band sees, forward or backward.
std::ptrdiff_t GroupedConvStage::seen_floats(bool backward) const {
    if (backward ? ahead == nullptr || !ahead->leaves_in_training : ahead_in_inference == nullptr)
        return 0;
    std::ptrdiff_t lines = forward_rows() * g_.stride_rows + g_.reach_rows();
    if (backward)
        for_bands_backward(phases(), [&](const Band& band) {
            lines = std::max(lines, band.last_seen - band.first_seen);
        });
    return padded(lines * seen_line() + kBlock);
}

// A band of the input gradient that is handed on.
std::ptrdiff_t GroupedConvStage::handed_floats() const {
    return hands_gradient() ? band_rows(phases()) * input_line() : 0;
}

std::ptrdiff_t GroupedConvStage::MadeLines::move_on(std::ptrdiff_t begin, std::ptrdiff_t end) {
    const std::ptrdiff_t kept =
        begin < first ? 0 : std::clamp<std::ptrdiff_t>(last - begin, 0, end - begin);
    if (begin != first && kept > 0) std::copy_n(at(begin), kept * line, place);
    first = begin;
    last = end;
    return begin + kept;
}

GroupedConvStage::Seen GroupedConvStage::seen(const Pass& pass, std::ptrdiff_t r,
                                              std::ptrdiff_t first, std::ptrdiff_t last,
                                              MadeLines& made) const {
    if (!makes_input(pass)) return {input(pass).row(r), 0, input(pass).layout.line};
    const std::ptrdiff_t left = g_.padding.left * g_.channels, inner = g_.width * g_.channels;
    const std::ptrdiff_t begin = made.move_on(first, last);
    for (std::ptrdiff_t i = begin; i < last; ++i) {
        float* const to = made.at(i);
        if (i < 0 || i >= g_.height) {
            std::fill_n(to, seen_line(), 0.0f);
            continue;
        }
        std::fill_n(to, left, 0.0f);
        std::fill_n(to + left + inner, seen_line() - left - inner, 0.0f);
    }
    const std::ptrdiff_t from = std::max<std::ptrdiff_t>(begin, 0), to = std::min(last, g_.height);
    if (from < to) make_input(pass, r, from, to, made.at(from) + left, seen_line());
    return {made.place + left, first, seen_line()};
}

GroupedConvStage::Seen GroupedConvStage::seen_by(const Pass& pass, std::ptrdiff_t r,
                                                 std::ptrdiff_t first, std::ptrdiff_t last,
                                                 MadeLines& made) const {
    const std::ptrdiff_t above = g_.padding.top;
    return seen(pass, r, first * g_.stride_rows - above,
                (last - 1) * g_.stride_rows - above + g_.reach_rows(), made);
}

std::ptrdiff_t GroupedConvStage::shared_scratch(bool backward) const {
    if (!backward) return padded(outputs_);
    return padded(outputs_) + padded(g_.out_channels) +
           (behind != nullptr ? padded(output_line()) : 0);
}

std::ptrdiff_t GroupedConvStage::chunk_floats() const {
    return parameters[0].size() + padded(g_.out_channels);
}

Stage::Sizes GroupedConvStage::sizes(std::ptrdiff_t largest, bool backward) const {
    Sizes sizes;
    sizes.scratch = shared_scratch(backward) + own_floats(backward);
    sizes.image = seen_floats(backward);
    if (!backward) return sizes;
    sizes.image += spread_floats() + handed_floats();
    sizes.shared = needs_input_gradient ? padded(turned_floats()) : 0;
    if (trains) sizes.partials = chunk_count(largest) * chunk_floats();
    return sizes;
}

const float* GroupedConvStage::bias_in_lanes(const Pass& pass) const {
    const float* const bias = this->bias(pass, use_bias_);
    if (bias == nullptr) return nullptr;
    float* const place = scratch(pass);
    spread_pixels(pass, 1, bias, place, outputs_);
    return place;
}

void GroupedConvStage::forward(const Pass& pass) const {
    for_bands(pass, most_bands(),
              [&](const Pass& own, std::ptrdiff_t r, std::ptrdiff_t first, std::ptrdiff_t last) {
                  const std::ptrdiff_t lines = g_.out_height / most_bands();
                  forward_lines(own, r, first * lines, last * lines, bias_in_lanes(own));
                  tell_behind(own, r);
              });
}

// A band's lines of sample r's spread output gradient. Between the lines of the output gradient, if
// a dilated kernel's stride leaves some out, the image is zero and stays so.
void GroupedConvStage::spread_out(const BackwardPass& pass, std::ptrdiff_t chunk, std::ptrdiff_t r,
                                  const ConvPhases& phases, const Band& band,
                                  MadeLines& image) const {
    const Spread& s = phases.spread;
    const std::ptrdiff_t down = phases.row_step(g_), across = phases.column_step(g_);
    float* const own_line = scratch(pass) + padded(outputs_) + padded(g_.out_channels);
    const bool in_place = behind != nullptr && across == 1 && spreads_plainly();
    const std::ptrdiff_t begin = image.move_on(band.first_line, band.last_line);
    for (std::ptrdiff_t i = begin; i < band.last_line; ++i) {
        const std::ptrdiff_t below = i - s.top;
        if (below % down != 0) continue;
        const std::ptrdiff_t row = below / down;
        float* const to = image.at(i);
        if (row < 0 || row >= g_.out_height) {
            std::fill_n(to, image.line, 0.0f);
        } else if (!in_place) {
            spread_pixels(pass, g_.out_width,
                          output_gradient(pass, chunk, r, row, row + 1, own_line),
                          to + s.left * outputs_, across * outputs_);
        }
    }
    if (!in_place) return;
    const std::ptrdiff_t first = (std::max(begin - s.top, std::ptrdiff_t{0}) + down - 1) / down;
    const std::ptrdiff_t end = (band.last_line - s.top + down - 1) / down;
    const std::ptrdiff_t last = std::min(end, g_.out_height);
    if (first < last)
        behind->last_step(pass, chunk, r, first, last,
                          image.at(s.top + first * down) + s.left * outputs_, down * image.line);
}

void GroupedConvStage::input_gradients(const Pass& pass, std::ptrdiff_t r, const ConvPhases& phases,
                                       const Band& band, const Seen& x, const MadeLines& image,
                                       float* dx) const {
    Inputs inputs{};
    inputs.row_step = phases.rows;
    inputs.column_step = phases.columns;
    inputs.line = image.line;
    for (std::ptrdiff_t i = 0; i < phases.rows; ++i)
        for (std::ptrdiff_t j = 0; j < phases.columns; ++j) {
            const ConvPhase row = phases.row(g_, i), column = phases.column(g_, j);
            const std::ptrdiff_t begin = row.before(band.first, phases.rows);
            inputs.rows = row.before(band.last, phases.rows) - begin;
            inputs.columns = column.count;
            inputs.first_row = row.first + begin * phases.rows;
            inputs.first_column = column.first;
            inputs.kernel_rows = row.taps;
            inputs.kernel_columns = column.taps;
            // Zeros, where a phase sees no weight.
            inputs.image = row.taps == 0 || column.taps == 0
                               ? image.place
                               : image.at(row.window + begin) + column.window * outputs_;
            inputs.dx = dx + (inputs.first_row - band.first) * input_line() +
                        inputs.first_column * g_.channels;
            if (inputs.rows > 0 && inputs.columns > 0) input_gradient(pass, r, x, inputs);
            inputs.tap += row.taps * column.taps;
        }
}

// What a band reads and writes is asked for line by line, as it lies in memory: the input
// gradient's kernels go down it channel by channel, and phase by phase, an order that nobody
// guesses.
void GroupedConvStage::ask_for_band(const Pass& pass, std::ptrdiff_t r, const Band& band) const {
    // A function that only asks has no effect, as GCC sees it: it would not be called.
    __asm__ volatile("");
    constexpr std::ptrdiff_t kLine = 16;
    const std::ptrdiff_t line = input_line();
    if (!hands_gradient()) {
        const float* const dx = input_delta(pass).row(r) + band.first * line;
        for (std::ptrdiff_t i = 0; i < (band.last - band.first) * line; i += kLine)
            __builtin_prefetch(dx + i, 1, 2);
    }
    if (makes_input(pass) || input_activation == Activation::linear) return;
    const Rows& x = input(pass);
    for (std::ptrdiff_t y = band.first; y < band.last; ++y)
        for (std::ptrdiff_t i = 0; i < line; i += kLine) __builtin_prefetch(x.line(r, y) + i, 0, 2);
}

// Adds that of a band's outputs: from the output gradient as it came, or, where only the spread one
// has it, from that, line by line.
void GroupedConvStage::bias_gradient(const Pass& pass, std::ptrdiff_t r, const Outputs& outputs,
                                     bool begins, float* total) const {
    float* const own = scratch(pass) + padded(outputs_);
    const std::ptrdiff_t last = outputs.first + outputs.rows;
    if (behind == nullptr) {
        add_bias_gradient(
            pass.kernels, {outputs.rows * g_.out_width, outputs.first == 0, last == g_.out_height},
            g_.out_channels, output_delta(pass).row(r) + outputs.first * output_line(),
            g_.out_channels, begins, own, total);
        return;
    }
    for (std::ptrdiff_t i = 0; i < outputs.rows; ++i)
        add_bias_gradient(
            pass.kernels,
            {g_.out_width, outputs.first + i == 0, outputs.first + i + 1 == g_.out_height},
            g_.out_channels, outputs.d + i * outputs.d_row, outputs.d_pixel, begins, own, total);
}

void GroupedConvStage::backward_data(const BackwardPass& all) const {
    const Share share = all.share();
    const ConvPhases phases = this->phases();
    const std::ptrdiff_t line = phases.spread.width * outputs_, spread = spread_floats();
    const std::ptrdiff_t seen_floats = this->seen_floats(true);
    for_each(all, share.chunks, [&](const BackwardPass& pass, std::ptrdiff_t chunk) {
        prepare_image(pass, spread);
        float* const gradient =
            trains ? pass.workspace.partials[index] + chunk * chunk_floats() : nullptr;
        if (trains) std::fill_n(gradient, chunk_floats(), 0.0f);
        const std::ptrdiff_t first_row = share.begin(chunk), end = share.begin(chunk + 1);
        for (std::ptrdiff_t r = first_row; r < end; ++r) {
            const bool begins = r == first_row;
            MadeLines image{this->image(pass), line};
            MadeLines made{image.place + spread, seen_line()};
            for_bands_backward(phases, [&](const Band& band) {
                spread_out(pass, chunk, r, phases, band, image);
                const Seen x = seen(pass, r, band.first_seen, band.last_seen, made);
                if (needs_input_gradient) {
                    ask_for_band(pass, r, band);
                    float* const dx = hands_gradient()
                                          ? made.place + seen_floats
                                          : input_delta(pass).row(r) + band.first * input_line();
                    input_gradients(pass, r, phases, band, x, image, dx);
                    if (ahead != nullptr)
                        ahead->take_gradient(pass, chunk, r, band.first, band.last, dx);
                }
                if (!trains || band.output_rows == 0) return;
                const std::ptrdiff_t place = phases.spread.top + band.outputs * phases.row_step(g_);
                const Outputs outputs{
                    band.outputs, band.output_rows, image.at(place) + phases.spread.left * outputs_,
                    phases.row_step(g_) * line, phases.column_step(g_) * outputs_};
                weight_gradient(pass, r, x, outputs, gradient, begins && band.outputs == 0);
                if (use_bias_)
                    bias_gradient(pass, r, outputs, begins, gradient + parameters[0].size());
            });
        }
    });
}

void GroupedConvStage::backward_weights(const BackwardPass& pass) const {
    const float* partials = pass.workspace.partials[index];
    for (const Parameter& parameter : parameters) {
        for_floats(pass, parameter.size(),
                   [&](const BackwardPass&, std::ptrdiff_t first, std::ptrdiff_t count) {
                       pass.kernels.sum_partials(count, pass.share().chunks, chunk_floats(),
                                                 partials + first,
                                                 pass.gradients + parameter.offset + first);
                       update(pass, parameter, first, count);
                   });
        partials += parameter.size();
    }
}

namespace {

// One group after another by the kernels of an ordinary convolution; each group's output channels
// are padded to whole blocks.
class GroupByGroupStage final : public GroupedConvStage {
 public:
    GroupByGroupStage(const std::string& name, const ConvGeometry& g, Activation activation,
                      bool use_bias, std::ptrdiff_t offset)
        : GroupedConvStage(name, g, activation, use_bias, Parameter::Layout::groups,
                           g.groups * padded(g.out_channels / g.groups), offset) {}

    void prepare_backward(const Pass& pass) const override {
        if (!needs_input_gradient) return;
        // As in conv_stage.cpp: [kernel position, phase by phase][output channel][input channel].
        const ConvPhases phases = this->phases();
        const std::ptrdiff_t from = group_inputs_ * padded(group_outputs_);
        const std::ptrdiff_t to = group_outputs_ * padded(group_inputs_);
        for_each(pass, g_.groups * taps(), [&](const Pass&, std::ptrdiff_t i) {
            const std::ptrdiff_t group = i / taps(), tap = i % taps();
            const std::ptrdiff_t place =
                phases.place(g_, tap / g_.kernel_width, tap % g_.kernel_width);
            pass.kernels.transpose(
                group_inputs_, group_outputs_, weights(pass) + i * from, padded(group_outputs_),
                turned(pass) + (group * taps() + place) * to, padded(group_inputs_));
        });
    }

 protected:
    const char* way() const override { return "group by group"; }
    std::ptrdiff_t turned_floats() const override {
        return taps() * g_.out_channels * padded(group_inputs_);
    }

    void spread_pixels(const Pass&, std::ptrdiff_t pixels, const float* channels, float* to,
                       std::ptrdiff_t step) const override {
        for (std::ptrdiff_t i = 0; i < pixels; ++i, to += step)
            for (std::ptrdiff_t group = 0; group < g_.groups; ++group, channels += group_outputs_)
                std::copy_n(channels, group_outputs_, to + group * padded(group_outputs_));
    }

    void forward_lines(const Pass& pass, std::ptrdiff_t r, std::ptrdiff_t first,
                       std::ptrdiff_t last, const float* bias) const override {
        const Rows& x = input(pass);
        const Rows& y = output(pass);
        auto args = walk<kernels::ConvArgs>(g_.kernel_height, g_.kernel_width, x.layout.line,
                                            g_.channels, group_inputs_);
        args.rows = last - first;
        args.columns = g_.out_width;
        args.x_row = g_.stride_rows * x.layout.line;
        args.x_pixel = g_.stride_columns * g_.channels;
        args.blocks = blocks_of(group_outputs_);
        args.weights_row = padded(group_outputs_);
        args.weights_block = kBlock;
        args.channels = group_outputs_;
        args.activation = activation(pass);
        args.y_row = y.layout.line;
        args.y_pixel = g_.out_channels;
        for (std::ptrdiff_t group = 0; group < g_.groups; ++group) {
            args.x = corner(g_, x, r) + first * args.x_row + group * group_inputs_;
            args.weights = weights(pass) + group * group_weights();
            args.bias = bias == nullptr ? nullptr : bias + group * padded(group_outputs_);
            args.y = y.line(r, first) + group * group_outputs_;
            pass.kernels.conv(args);
        }
    }

    void input_gradient(const Pass& pass, std::ptrdiff_t r, const Seen&,
                        const Inputs& inputs) const override {
        const Rows& x = input(pass);
        const std::ptrdiff_t dx_line = g_.width * g_.channels;
        auto args = walk<kernels::ConvArgs>(inputs.kernel_rows, inputs.kernel_columns, inputs.line,
                                            outputs_, group_outputs_);
        args.rows = inputs.rows;
        args.columns = inputs.columns;
        args.x_row = inputs.line;
        args.x_pixel = outputs_;
        args.blocks = blocks_of(group_inputs_);
        args.weights_row = padded(group_inputs_);
        args.weights_block = kBlock;
        args.channels = group_inputs_;
        args.activation = input_activation;
        args.activity_row = inputs.row_step * x.layout.line;
        args.y_row = inputs.row_step * dx_line;
        args.activity_pixel = args.y_pixel = inputs.column_step * g_.channels;
        const std::ptrdiff_t first = inputs.first_column * g_.channels;
        const std::ptrdiff_t tap_floats = group_outputs_ * padded(group_inputs_);
        for (std::ptrdiff_t group = 0; group < g_.groups; ++group) {
            args.x = inputs.image + group * padded(group_outputs_);
            args.weights = turned(pass) + (group * taps() + inputs.tap) * tap_floats;
            if (input_activation != Activation::linear)
                args.input_activity = x.line(r, inputs.first_row) + first + group * group_inputs_;
            args.y = inputs.dx + group * group_inputs_;
            pass.kernels.conv(args);
        }
    }

    void weight_gradient(const Pass& pass, std::ptrdiff_t r, const Seen&, const Outputs& outputs,
                         float* gradient, bool begins) const override {
        const Rows& x = input(pass);
        auto args = walk<kernels::ConvWeightGradientArgs>(
            g_.kernel_height, g_.kernel_width, x.layout.line, g_.channels, group_inputs_);
        args.rows = outputs.rows;
        args.columns = g_.out_width;
        args.x_row = g_.stride_rows * x.layout.line;
        args.x_pixel = g_.stride_columns * g_.channels;
        args.blocks = blocks_of(group_outputs_);
        args.d_row = outputs.d_row;
        args.d_pixel = outputs.d_pixel;
        args.first = begins;
        for (std::ptrdiff_t group = 0; group < g_.groups; ++group) {
            args.x = corner(g_, x, r) + outputs.first * args.x_row + group * group_inputs_;
            args.d = outputs.d + group * padded(group_outputs_);
            args.gradient = gradient + group * group_weights();
            pass.kernels.conv_weight_gradient(args);
        }
    }

 private:
    std::ptrdiff_t group_weights() const { return parameters[0].size() / g_.groups; }

    // A kernel over an image of such lines and pixels, of each of which `run` floats count.
    template <class Args>
    Args walk(std::ptrdiff_t kernel_rows, std::ptrdiff_t kernel_columns, std::ptrdiff_t line,
              std::ptrdiff_t pixel, std::ptrdiff_t run) const {
        Args args{};
        args.kernel_rows = kernel_rows;
        args.kernel_row = g_.dilation_rows * line;
        args.runs = kernel_columns;
        args.run = run;
        args.run_step = g_.dilation_columns * pixel;
        return args;
    }
};

}  // namespace

std::unique_ptr<Stage> make_grouped_conv_stage(const std::string& name, const ConvGeometry& g,
                                               Activation activation, bool use_bias,
                                               std::ptrdiff_t parameter_offset) {
    const std::ptrdiff_t inputs = g.channels / g.groups, outputs = g.out_channels / g.groups;
    // Vectors of products, per input of a group: lanes over the groups fill best where groups are
    // many and small, but several inputs have to be brought into that order first.
    const std::ptrdiff_t over_groups = outputs * blocks_of(g.groups);
    const std::ptrdiff_t over_outputs = g.groups * blocks_of(outputs);
    const bool depthwise =
        inputs == 1 ? over_groups <= over_outputs : 4 * over_groups <= 3 * over_outputs;
    if (depthwise)
        return make_depthwise_conv_stage(name, g, activation, use_bias, parameter_offset);
    return std::make_unique<GroupByGroupStage>(name, g, activation, use_bias, parameter_offset);
}

}  // namespace nncore::network
