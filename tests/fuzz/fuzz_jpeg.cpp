// Any bytes as a JPEG file, whole and reduced.
#include <cstdint>
#include <cstdlib>

#include "images/plain_jpeg.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    struct Request {
        std::int64_t pixels, side;
    };
    // The last allows fewer pixels than any file of the corpus has.
    for (const auto& [limit, side] :
         {Request{1 << 14, 0}, Request{1 << 14, 2}, Request{1 << 14, 9}, Request{300, 0}}) {
        const auto jpeg = nncore::images::plain_jpeg({data, size}, {limit, limit, side, true});
        if (!jpeg) continue;
        const auto& pixels = jpeg->pixels;
        if (jpeg->height * jpeg->width > limit ||
            static_cast<std::ptrdiff_t>(pixels.values.size()) !=
                pixels.height * pixels.width * pixels.channels)
            std::abort();
    }
    return 0;
}
