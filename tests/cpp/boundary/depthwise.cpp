// Random calls of convolutions in many groups.
#include "kernels.h"

namespace boundary {
using namespace nncore::kernels;

namespace {

constexpr ptrdiff_t kOverread = kBlock - 1;  // floats beyond the last plane that may be read

// x in planes, pixels and lines apart by a little more than they need, and how a kernel walks it;
// the number of floats that it needs.
template <class Args>
ptrdiff_t walk(Call& call, Args& p) {
    p.groups = call.size(70);
    p.kernel_rows = call.size(5), p.runs = call.size(5);
    p.run = call.maybe() ? 1 : call.size(3);
    p.rows = call.size(4), p.columns = call.size(12);
    p.plane = p.groups + call.gap();
    const ptrdiff_t stride = call.random.below(4) == 0 ? call.size(3) : 1,
                    dilation = call.random.below(4) == 0 ? call.size(3) : 1;
    const ptrdiff_t width = (p.columns - 1) * stride + (p.runs - 1) * dilation + 1;
    // One input lies as in an image, perhaps without padding between the pixels.
    const ptrdiff_t pixel = p.run * p.plane + call.gap();
    const ptrdiff_t line = width * pixel + call.gap();
    p.run_step = dilation * pixel, p.x_pixel = stride * pixel;
    p.kernel_row = dilation * line, p.x_row = stride * line;
    return (p.rows - 1) * p.x_row + (p.columns - 1) * p.x_pixel +
           (p.kernel_rows - 1) * p.kernel_row + (p.runs - 1) * p.run_step +
           extent(p.run, p.plane, p.groups) + kOverread;
}

template <class Args>
ptrdiff_t weights_of(const Args& p) {
    return p.kernel_rows * p.runs * p.run * p.outputs * padded(p.groups);
}

}  // namespace

void depthwise_conv(Call& call) {
    DepthwiseConvArgs p{};
    const Floats x = call.floats(walk(call, p));
    const bool backward = call.maybe();
    p.outputs = backward || call.maybe() ? 1 : call.size(7);
    p.y_plane = p.groups + call.gap();
    p.y_pixel = p.outputs * p.y_plane + call.gap();
    p.y_row = p.columns * p.y_pixel + call.gap();
    p.activity_pixel = p.groups + call.gap();
    p.activity_row = p.columns * p.activity_pixel + call.gap();
    const Floats weights = call.floats(weights_of(p)),
                 bias = call.floats(p.outputs * padded(p.groups)),
                 activity = call.rectified(
                     extent(p.rows, p.activity_row, extent(p.columns, p.activity_pixel, p.groups)));
    p.x = x.data(), p.weights = weights.data();
    p.bias = call.maybe() ? bias.data() : nullptr;
    p.activation = call.activation();
    p.input_activity = backward ? activity.data() : nullptr;
    call.compare(
        [&](const Kernels& table, Floats& y) {
            p.y = y.data();
            table.depthwise_conv(p);
        },
        call.untouched(
            extent(p.rows, p.y_row,
                   extent(p.columns, p.y_pixel, extent(p.outputs, p.y_plane, p.groups)))));
}

void depthwise_weight_gradient(Call& call) {
    DepthwiseWeightGradientArgs p{};
    const Floats x = call.floats(walk(call, p));
    p.outputs = call.maybe() ? 1 : call.size(7);
    p.d_plane = p.groups + call.gap();
    p.d_pixel = p.outputs * p.d_plane + call.gap();
    p.d_row = p.columns * p.d_pixel + call.gap();
    p.first = call.maybe();
    const Floats d =
        call.floats(extent(p.rows, p.d_row,
                           extent(p.columns, p.d_pixel, extent(p.outputs, p.d_plane, p.groups))) +
                    kOverread);
    p.x = x.data(), p.d = d.data();
    call.compare(
        [&](const Kernels& table, Floats& gradient) {
            p.gradient = gradient.data();
            table.depthwise_weight_gradient(p);
        },
        call.floats(weights_of(p)));
}

void split_groups(Call& call) {
    const ptrdiff_t pixels = call.size(6), groups = call.size(70), parts = call.size(17);
    const ptrdiff_t plane = groups + call.gap(), pixel = parts * plane + call.gap();
    const Floats x = call.floats(pixels * groups * parts);
    call.compare(
        [&](const Kernels& table, Floats& y) {
            table.split_groups(pixels, groups, parts, x.data(), y.data(), pixel, plane);
        },
        call.untouched(extent(pixels, pixel, extent(parts, plane, groups))));
}

void merge_groups(Call& call) {
    const ptrdiff_t pixels = call.size(6), groups = call.size(70), parts = call.size(17);
    const ptrdiff_t plane = groups + call.gap(), pixel = parts * plane + call.gap();
    const Floats y = call.floats(extent(pixels, pixel, extent(parts, plane, groups)));
    call.compare(
        [&](const Kernels& table, Floats& x) {
            table.merge_groups(pixels, groups, parts, y.data(), pixel, plane, x.data());
        },
        call.untouched(pixels * groups * parts));
}

}  // namespace boundary
