// Random changes of images. One source serves all instruction sets, so that what is to be seen is
// that no pixel outside of the image is touched.
#include "kernels/augment.h"

#include "kernels.h"

namespace boundary {
using namespace nncore::kernels;

namespace {

template <class T>
void change(Call& call, GuardedArray<T> (*image)(Call&, ptrdiff_t)) {
    AugmentArgs p{};
    p.height = call.size(40), p.width = call.size(40), p.channels = call.size(5);
    p.fill = call.kind<Fill>(3);
    p.fill_value = 77.0f;
    const auto position = [&](float most) {
        return static_cast<std::int64_t>(call.random.uniform(-most, most) *
                                         static_cast<float>(kWarpOne));
    };
    p.x_column = p.y_row = kWarpOne;
    if (call.maybe()) p.x_column = -kWarpOne;
    if (call.maybe()) {
        p.x_column = position(1.5f), p.x_row = position(1.0f);
        p.y_column = position(1.0f), p.y_row = position(1.5f);
    }
    p.x_origin = position(2.0f * static_cast<float>(p.width));
    p.y_origin = position(2.0f * static_cast<float>(p.height));
    if (call.maybe()) {  // whole pixels
        p.x_origin = p.x_origin / kWarpOne * kWarpOne;
        p.y_origin = p.y_origin / kWarpOne * kWarpOne;
    }
    p.brightness = call.maybe() ? 1.0 : 1.3;
    p.contrast = call.maybe() ? 1.0 : 0.6;
    p.erase_height = call.random.below(p.height + 1),
    p.erase_width = call.random.below(p.width + 1);
    p.erase_top = call.random.below(p.height - p.erase_height + 1);
    p.erase_left = call.random.below(p.width - p.erase_width + 1);
    const auto x = image(call, p.height * p.width * p.channels);
    call.compare([&](const Kernels&,
                     GuardedArray<T>& y) { nncore::kernels::augment(p, x.data(), y.data()); },
                 image(call, x.size()));
}

}  // namespace

void augment_bytes(Call& call) {
    change<std::uint8_t>(
        call, [](Call& c, ptrdiff_t count) { return c.integers<std::uint8_t>(count, 256); });
}
void augment_floats(Call& call) {
    change<float>(call, [](Call& c, ptrdiff_t count) { return c.floats(count); });
}

}  // namespace boundary
