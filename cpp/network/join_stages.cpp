#include "join_stages.h"

#include <algorithm>
#include <stdexcept>

#include "activations.h"

namespace nncore::network {
namespace {

using kernels::Activation;

class JoinStage : public Stage {
 public:
    JoinStage(const std::vector<Branch>& branches, const Shape& shape, Activation activation)
        : branches_(branches) {
        input_shape = branches.back().shape;
        output_shape = shape;
        output_activation = activation;
    }
    std::string describe() const override {
        std::string text = std::string("} ") + kind();
        if (output_activation != Activation::linear)
            text += std::string(" + ") + name_of(output_activation);
        return text;
    }
    std::vector<std::size_t> inputs() const override {
        std::vector<std::size_t> buffers;
        for (const Branch& branch : branches_) buffers.push_back(branch.values);
        return buffers;
    }
    std::vector<std::size_t> deltas_written() const override {
        std::vector<std::size_t> buffers;
        for (const Branch& branch : branches_)
            if (branch.gradient) buffers.push_back(*branch.gradient);
        return buffers;
    }

    void forward(const Pass& pass) const override {
        for_bands(pass, lines(),
                  [&](const Pass& own, std::ptrdiff_t r, std::ptrdiff_t first,
                      std::ptrdiff_t last) { forward_lines(own, r, first, last); });
    }
    void backward_data(const BackwardPass& all) const override {
        for_each(all, all.rows, [&](const BackwardPass& pass, std::ptrdiff_t r) {
            for (std::size_t b = 0; b < branches_.size(); ++b) {
                if (!is_wanted(pass, b)) continue;
                float* const dx = pass.workspace.deltas[*branches_[b].gradient].row(r);
                gradient(pass, r, b, dx);
                const Rows& x = values(pass, b);
                float* d = dx;
                if (branches_[b].activation != Activation::linear)
                    for (std::ptrdiff_t y = 0; y < x.layout.height; ++y, d += x.layout.run)
                        pass.kernels.activation_gradient(branches_[b].activation, x.layout.run,
                                                         x.line(r, y), d, d);
            }
        });
    }

 protected:
    virtual const char* kind() const = 0;
    // Of the lines of an image; a flat sample is one line.
    virtual void forward_lines(const Pass& pass, std::ptrdiff_t r, std::ptrdiff_t first,
                               std::ptrdiff_t last) const = 0;
    std::ptrdiff_t lines() const { return output_shape.size() == 3 ? output_shape[0] : 1; }
    // The gradient of one branch's values, from that of the joined values.
    virtual void gradient(const Pass& pass, std::ptrdiff_t r, std::size_t branch,
                          float* dx) const = 0;

    const Rows& values(const Pass& pass, std::size_t branch) const {
        return pass.workspace.activations[branches_[branch].values];
    }
    // Whether anything below that branch is trained.
    bool is_wanted(const Pass& pass, std::size_t branch) const {
        const auto& to = branches_[branch].gradient;
        return to && pass.workspace.deltas[*to].data != nullptr;
    }

    std::vector<Branch> branches_;
};

class SumStage final : public JoinStage {
 public:
    using JoinStage::JoinStage;

 private:
    const char* kind() const override { return "sum"; }
    void forward_lines(const Pass& pass, std::ptrdiff_t r, std::ptrdiff_t first,
                       std::ptrdiff_t last_line) const override {
        const Rows& y = output(pass);
        const auto add = [&](const Rows& a, const Rows& b, Activation activation) {
            for (std::ptrdiff_t l = first; l < last_line; ++l)
                pass.kernels.add(activation, y.layout.run, a.line(r, l), b.line(r, l),
                                 y.line(r, l));
        };
        const std::size_t last = branches_.size() - 1;
        for (std::size_t b = 1; b <= last; ++b)
            add(b == 1 ? values(pass, 0) : y, values(pass, b),
                b == last ? output_activation : Activation::linear);
    }
    void gradient(const Pass& pass, std::ptrdiff_t r, std::size_t, float* dx) const override {
        std::copy_n(output_delta(pass).row(r), element_count(output_shape), dx);
    }
};

class ConcatenationStage final : public JoinStage {
 public:
    ConcatenationStage(const std::vector<Branch>& branches, const Shape& shape,
                       Activation activation)
        : JoinStage(branches, shape, activation),
          lines_(shape.size() == 3 ? shape[0] : 1),
          pixels_(shape.size() == 3 ? shape[1] : 1),
          channels_(shape.back()) {
        std::ptrdiff_t first = 0;
        for (const Branch& branch : branches) {
            first_channels_.push_back(first);
            first += branch.shape.back();
        }
    }

 private:
    const char* kind() const override { return "concatenation"; }
    void forward_lines(const Pass& pass, std::ptrdiff_t r, std::ptrdiff_t first_line,
                       std::ptrdiff_t last_line) const override {
        for (std::size_t b = 0; b < branches_.size(); ++b)
            for (std::ptrdiff_t l = first_line; l < last_line; ++l)
                copy(values(pass, b).line(r, l), count(b), output(pass).line(r, l) + first(b),
                     channels_, count(b));
        if (output_activation == Activation::linear) return;
        const Rows& y = output(pass);
        for (std::ptrdiff_t l = first_line; l < last_line; ++l)
            pass.kernels.activation(output_activation, pixels_ * channels_, y.line(r, l),
                                    y.line(r, l));
    }
    void gradient(const Pass& pass, std::ptrdiff_t r, std::size_t b, float* dx) const override {
        const float* const d = output_delta(pass).row(r) + first(b);
        for (std::ptrdiff_t l = 0; l < lines_; ++l)
            copy(d + l * pixels_ * channels_, channels_, dx + l * pixels_ * count(b), count(b),
                 count(b));
    }

    std::ptrdiff_t first(std::size_t branch) const { return first_channels_[branch]; }
    std::ptrdiff_t count(std::size_t branch) const { return branches_[branch].shape.back(); }
    // `count` channels of each pixel of a line.
    void copy(const float* from, std::ptrdiff_t from_step, float* to, std::ptrdiff_t to_step,
              std::ptrdiff_t count) const {
        for (std::ptrdiff_t p = 0; p < pixels_; ++p, from += from_step, to += to_step)
            std::copy_n(from, count, to);
    }

    std::ptrdiff_t lines_, pixels_, channels_;
    std::vector<std::ptrdiff_t> first_channels_;
};

// Line by line of the output; what has fewer values than that is spread out over a line first, and
// its gradient is summed over what it was spread to, pixel by pixel in row-major order.
class ProductStage final : public JoinStage {
 public:
    ProductStage(const std::vector<Branch>& branches, const Shape& shape, Activation activation)
        : JoinStage(branches, shape, activation), whole_(extents(shape)) {
        for (const Branch& branch : branches) parts_.push_back(extents(branch.shape));
    }
    Sizes sizes(std::ptrdiff_t, bool) const override {
        // A line of each branch, and one of a product.
        return {.scratch = static_cast<std::ptrdiff_t>(branches_.size() + 1) * padded(line())};
    }

 private:
    // A flat sample is an image of one pixel.
    struct Extents {
        std::ptrdiff_t rows, columns, channels;

        bool operator==(const Extents&) const = default;
    };
    static Extents extents(const Shape& shape) {
        return shape.size() == 3 ? Extents{shape[0], shape[1], shape[2]} : Extents{1, 1, shape[0]};
    }

    const char* kind() const override { return "product"; }
    void forward_lines(const Pass& pass, std::ptrdiff_t r, std::ptrdiff_t first,
                       std::ptrdiff_t last) const override {
        for (std::ptrdiff_t l = first; l < last; ++l) {
            float* const y = output(pass).line(r, l);
            const float* product = factors(pass, r, 0, l);
            for (std::size_t b = 1; b < branches_.size(); ++b) {
                pass.kernels.multiply(line(), product, factors(pass, r, b, l), y);
                product = y;
            }
            if (output_activation != Activation::linear)
                pass.kernels.activation(output_activation, line(), y, y);
        }
    }
    void gradient(const Pass& pass, std::ptrdiff_t r, std::size_t b, float* dx) const override {
        const Extents& part = parts_[b];
        const bool is_whole = part == whole_;
        float* const own = scratch_line(pass, branches_.size());
        if (!is_whole) std::fill_n(dx, element_count(branches_[b].shape), 0.0f);
        for (std::ptrdiff_t l = 0; l < whole_.rows; ++l) {
            float* const to = is_whole ? dx + l * line() : own;
            const float* product = output_delta(pass).row(r) + l * line();
            for (std::size_t other = 0; other < branches_.size(); ++other) {
                if (other == b) continue;
                pass.kernels.multiply(line(), product, factors(pass, r, other, l), to);
                product = to;
            }
            if (!is_whole)
                add_up(pass, part, own,
                       dx + (part.rows > 1 ? l * part.columns * part.channels : 0));
        }
    }

    // A line of products onto the values that they were made with.
    void add_up(const Pass& pass, const Extents& part, const float* products, float* to) const {
        for (std::ptrdiff_t p = 0; p < whole_.columns; ++p, products += whole_.channels) {
            float* const pixel = part.columns > 1 ? to + p * part.channels : to;
            if (part.channels == whole_.channels) {
                pass.kernels.add(Activation::linear, part.channels, pixel, products, pixel);
            } else {
                for (std::ptrdiff_t c = 0; c < whole_.channels; ++c) *pixel += products[c];
            }
        }
    }

    // What line l of the output is multiplied by for that branch.
    const float* factors(const Pass& pass, std::ptrdiff_t r, std::size_t b,
                         std::ptrdiff_t l) const {
        const Extents& part = parts_[b];
        const float* const x = values(pass, b).line(r, part.rows > 1 ? l : 0);
        if (part.columns == whole_.columns && part.channels == whole_.channels) return x;
        float* const spread = scratch_line(pass, b);
        for (std::ptrdiff_t p = 0; p < whole_.columns; ++p) {
            const float* const from = part.columns > 1 ? x + p * part.channels : x;
            float* const to = spread + p * whole_.channels;
            if (part.channels == whole_.channels) {
                std::copy_n(from, part.channels, to);
            } else {
                std::fill_n(to, whole_.channels, *from);
            }
        }
        return spread;
    }

    std::ptrdiff_t line() const { return whole_.columns * whole_.channels; }
    float* scratch_line(const Pass& pass, std::size_t number) const {
        return scratch(pass) + static_cast<std::ptrdiff_t>(number) * padded(line());
    }

    Extents whole_;
    std::vector<Extents> parts_;
};

[[noreturn]] void fail(const std::string& what, const std::vector<Shape>& shapes,
                       const std::string& problem) {
    std::string list;
    for (std::size_t i = 0; i < shapes.size(); ++i)
        list += (i == 0 ? "" : i + 1 == shapes.size() ? " and " : ", ") + to_string(shapes[i]);
    throw std::invalid_argument(what + ": the branches give " + list + "; " + problem);
}

}  // namespace

Join join_from_name(const std::string& name) {
    if (name == "add") return Join::sum;
    if (name == "concatenate") return Join::concatenation;
    if (name == "multiply") return Join::product;
    throw std::invalid_argument("unknown join \"" + name + "\"; known: add, concatenate, multiply");
}

Shape joined_shape(const std::string& what, Join join, const std::vector<Shape>& shapes) {
    Shape joined = shapes.front();
    if (join == Join::sum) {
        for (const Shape& shape : shapes)
            if (shape != joined) fail(what, shapes, "they must be equal to be added");
        return joined;
    }
    if (join == Join::concatenation) {
        joined.back() = 0;
        for (const Shape& shape : shapes) {
            if (!std::equal(shape.begin(), shape.end() - 1, joined.begin(), joined.end() - 1))
                fail(what, shapes, "only the last size may differ where they are concatenated");
            joined.back() += shape.back();
        }
        return joined;
    }
    // Flat ones count from the back.
    for (const Shape& shape : shapes)
        if (shape.size() > joined.size()) joined = shape;
    for (const Shape& shape : shapes)
        for (std::size_t i = 1; i <= shape.size(); ++i) {
            std::ptrdiff_t& size = joined[joined.size() - i];
            const std::ptrdiff_t own = shape[shape.size() - i];
            if (size == 1) size = own;
            if (own != size && own != 1)
                fail(what, shapes, "their sizes must be equal or 1 to be multiplied");
        }
    return joined;
}

std::unique_ptr<Stage> make_join_stage(Join join, const std::vector<Branch>& branches,
                                       const Shape& shape, Activation activation) {
    switch (join) {
        case Join::concatenation:
            return std::make_unique<ConcatenationStage>(branches, shape, activation);
        case Join::product:
            return std::make_unique<ProductStage>(branches, shape, activation);
        case Join::sum:
            break;
    }
    return std::make_unique<SumStage>(branches, shape, activation);
}

}  // namespace nncore::network
