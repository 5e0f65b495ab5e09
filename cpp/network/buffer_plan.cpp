#include "buffer_plan.h"

#include <algorithm>
#include <numeric>

#include "parameter.h"

namespace nncore::network {

std::size_t BufferPlan::add(std::ptrdiff_t floats, std::ptrdiff_t first, std::ptrdiff_t last) {
    buffers_.push_back({padded(floats), first, last, 0});
    return buffers_.size() - 1;
}

std::ptrdiff_t BufferPlan::arrange() {
    std::vector<std::size_t> order(buffers_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        if (buffers_[a].floats != buffers_[b].floats)
            return buffers_[a].floats > buffers_[b].floats;
        return a < b;
    });
    std::ptrdiff_t total = 0;
    std::vector<std::size_t> placed;  // by place
    for (const std::size_t number : order) {
        Buffer& buffer = buffers_[number];
        buffer.place = 0;
        for (const std::size_t other : placed) {
            const Buffer& taken = buffers_[other];
            if (taken.last < buffer.first || taken.first > buffer.last) continue;
            if (taken.place >= buffer.place + buffer.floats) break;  // it fits before that one
            buffer.place = std::max(buffer.place, taken.place + taken.floats);
        }
        total = std::max(total, buffer.place + buffer.floats);
        placed.insert(std::upper_bound(placed.begin(), placed.end(), number,
                                       [&](std::size_t a, std::size_t b) {
                                           return buffers_[a].place < buffers_[b].place;
                                       }),
                      number);
    }
    return total;
}

}  // namespace nncore::network
