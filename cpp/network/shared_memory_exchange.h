// Processes of one machine that train one network: what they tell each other goes through memory
// that all of them see. Who brings that memory along is a caller's affair.
//
// It begins with a line for each process, in which it says how often it has arrived, and then has a
// slot of each, where it shows what it has to tell; everything longer goes piece by piece. Between
// showing and reading all meet. There are two sets of slots that take turns: who shows the next
// piece cannot disturb those who still read the last one, and who shows the one after that has met
// all of them since.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "../kernels/kernels.h"
#include "exchange.h"

namespace nncore::network {

class SharedMemoryExchange final : public Exchange {
 public:
    // How much memory so many processes need.
    static std::size_t bytes(std::ptrdiff_t size);
    // `memory` holds zeros before the first of them is made, and all meet before the first call.
    SharedMemoryExchange(std::byte* memory, std::ptrdiff_t rank, std::ptrdiff_t size);

    std::ptrdiff_t rank() const override { return rank_; }
    std::ptrdiff_t size() const override { return size_; }
    void sum(float* values, std::ptrdiff_t count) override;
    void gather(float* rows, std::ptrdiff_t floats, const std::ptrdiff_t* begins) override;

 private:
    struct Arrivals;

    Arrivals& arrivals(std::ptrdiff_t rank) const;
    float* slot(std::ptrdiff_t rank) const;
    float* sums() const { return slot(size_); }
    void meet();
    void take_turn() { turn_ = 1 - turn_; }
    // Floats [at, at + count) of what processes [first, first + processes) show, summed.
    void sum_of(std::ptrdiff_t first, std::ptrdiff_t processes, std::ptrdiff_t at,
                std::ptrdiff_t count, float* result) const;

    std::byte* memory_;
    std::ptrdiff_t rank_, size_;
    const kernels::Kernels& kernels_;
    std::ptrdiff_t turn_ = 0;
    std::uint64_t meetings_ = 0;
};

}  // namespace nncore::network
