// Places in one stretch of memory for buffers that are not needed all the time: those that are
// never needed at the same time may share theirs.
#pragma once

#include <cstddef>
#include <vector>

namespace nncore::network {

class BufferPlan {
 public:
    // A buffer of `floats` floats that is needed from the moment `first` to the moment `last`, both
    // included. Returns its number.
    std::size_t add(std::ptrdiff_t floats, std::ptrdiff_t first, std::ptrdiff_t last);
    // Gives each a place, the largest first, as low as those allow that are needed when it is.
    // Returns the floats of all together.
    std::ptrdiff_t arrange();
    // From the start of the memory; after arrange().
    std::ptrdiff_t place(std::size_t buffer) const { return buffers_[buffer].place; }

 private:
    struct Buffer {
        std::ptrdiff_t floats, first, last, place;
    };
    std::vector<Buffer> buffers_;
};

}  // namespace nncore::network
