#include "shared_memory_exchange.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>

#include "../kernels/dispatch.h"
#include "../runtime/sleep.h"

namespace nncore::network {

namespace {

constexpr std::ptrdiff_t kLine = 128;         // bytes that no two processes write into
constexpr std::ptrdiff_t kSlot = 1 << 16;     // floats: what is shown stays in a processor's cache
constexpr std::ptrdiff_t kShort = 1 << 11;    // floats that each sums for itself
constexpr std::ptrdiff_t kTogether = 1 << 9;  // floats that are summed together: on the stack

// Whoever is waited for has nearly the same to do, so that it comes soon. Else somebody else may
// need this CPU, perhaps that very process; and one that is later still has been stopped.
template <class IsDue>
void wait_until(const IsDue& is_due) {
    constexpr int kSpins = 1000;
    constexpr std::chrono::milliseconds kSoon{2};
    constexpr std::chrono::microseconds kNap{50};
    for (int spin = 0; spin < kSpins; ++spin) {
        if (is_due()) return;
        runtime::pause();
    }
    const auto began = std::chrono::steady_clock::now();
    while (!is_due()) {
        if (std::chrono::steady_clock::now() - began < kSoon)
            std::this_thread::yield();
        else
            std::this_thread::sleep_for(kNap);
    }
}

}  // namespace

struct alignas(kLine) SharedMemoryExchange::Arrivals {
    std::atomic<std::uint64_t> count;
    static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "locks are a process's own");
};

std::size_t SharedMemoryExchange::bytes(std::ptrdiff_t size) {
    const std::ptrdiff_t slots =
        2 * (size + 1) * kSlot * static_cast<std::ptrdiff_t>(sizeof(float));
    return static_cast<std::size_t>(kLine + size * kLine + slots);
}

SharedMemoryExchange::SharedMemoryExchange(std::byte* memory, std::ptrdiff_t rank,
                                           std::ptrdiff_t size)
    : memory_(memory), rank_(rank), size_(size), kernels_(kernels::active()) {
    // Pages begin at the same places in all processes, so that this is the same byte for all.
    const auto past = reinterpret_cast<std::uintptr_t>(memory) % kLine;
    if (past != 0) memory_ += kLine - static_cast<std::ptrdiff_t>(past);
}

SharedMemoryExchange::Arrivals& SharedMemoryExchange::arrivals(std::ptrdiff_t rank) const {
    return reinterpret_cast<Arrivals*>(memory_)[rank];
}

float* SharedMemoryExchange::slot(std::ptrdiff_t rank) const {
    float* const slots = reinterpret_cast<float*>(memory_ + size_ * kLine);
    return slots + (turn_ * (size_ + 1) + rank) * kSlot;
}

// What one has written before, all can read behind.
void SharedMemoryExchange::meet() {
    ++meetings_;
    arrivals(rank_).count.store(meetings_, std::memory_order_release);
    for (std::ptrdiff_t other = 0; other < size_; ++other)
        wait_until(
            [&] { return arrivals(other).count.load(std::memory_order_acquire) >= meetings_; });
}

void SharedMemoryExchange::sum_of(std::ptrdiff_t first, std::ptrdiff_t processes, std::ptrdiff_t at,
                                  std::ptrdiff_t count, float* result) const {
    if (processes == 1) {
        std::copy_n(slot(first) + at, count, result);
        return;
    }
    const std::ptrdiff_t half = (processes + 1) / 2;
    for (std::ptrdiff_t done = 0; done < count; done += kTogether) {
        const std::ptrdiff_t now = std::min(kTogether, count - done);
        float others[kTogether];
        sum_of(first, half, at + done, now, result + done);
        sum_of(first + half, processes - half, at + done, now, others);
        kernels_.add(kernels::Activation::linear, now, result + done, others, result + done);
    }
}

void SharedMemoryExchange::sum(float* values, std::ptrdiff_t count) {
    for (; count > 0; values += kSlot, count -= kSlot, take_turn()) {
        const std::ptrdiff_t now = std::min(kSlot, count);
        std::copy_n(values, now, slot(rank_));
        meet();
        if (now <= kShort) {
            sum_of(0, size_, 0, now, values);
            continue;
        }
        const std::ptrdiff_t first = now * rank_ / size_, last = now * (rank_ + 1) / size_;
        sum_of(0, size_, first, last - first, sums() + first);
        meet();
        std::copy_n(sums(), now, values);
    }
}

void SharedMemoryExchange::gather(float* rows, std::ptrdiff_t floats,
                                  const std::ptrdiff_t* begins) {
    // What is left of a process's rows when `done` floats of each have been told.
    const auto left = [&](std::ptrdiff_t process, std::ptrdiff_t done) {
        const std::ptrdiff_t all = (begins[process + 1] - begins[process]) * floats;
        return std::clamp(all - done, std::ptrdiff_t{0}, kSlot);
    };
    std::ptrdiff_t most = 0;
    for (std::ptrdiff_t process = 0; process < size_; ++process)
        most = std::max(most, (begins[process + 1] - begins[process]) * floats);
    for (std::ptrdiff_t done = 0; done < most; done += kSlot, take_turn()) {
        std::copy_n(rows + begins[rank_] * floats + done, left(rank_, done), slot(rank_));
        meet();
        for (std::ptrdiff_t other = 0; other < size_; ++other)
            if (other != rank_)
                std::copy_n(slot(other), left(other, done), rows + begins[other] * floats + done);
    }
}

}  // namespace nncore::network
