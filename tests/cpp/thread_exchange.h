// Processes that share batches, played by threads of this one: what one wants to tell the others
// it posts, and each reads from all.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "network/exchange.h"

// As std::barrier, which in GCC 12's library for Windows now and then never wakes who waits.
class Meeting {
 public:
    explicit Meeting(std::ptrdiff_t size) : size_(size) {}

    void arrive_and_wait() {
        std::unique_lock<std::mutex> lock(mutex_);
        const long round = round_;
        if (++arrived_ == size_) {
            arrived_ = 0;
            ++round_;
            all_here_.notify_all();
        } else {
            all_here_.wait(lock, [&] { return round_ != round; });
        }
    }

 private:
    std::ptrdiff_t size_, arrived_ = 0;
    long round_ = 0;
    std::mutex mutex_;
    std::condition_variable all_here_;
};

class ThreadExchange {
 public:
    explicit ThreadExchange(std::ptrdiff_t size)
        : meeting_(size), posted_(static_cast<std::size_t>(size)) {}

    // One of them; calls are counted, and the one with this number fails in all of them.
    class Member final : public nncore::network::Exchange {
     public:
        Member(ThreadExchange& all, std::ptrdiff_t rank, long fails = -1)
            : all_(all), rank_(rank), fails_(fails) {}
        std::ptrdiff_t rank() const override { return rank_; }
        std::ptrdiff_t size() const override {
            return static_cast<std::ptrdiff_t>(all_.posted_.size());
        }
        void sum(float* values, std::ptrdiff_t count) override {
            post(values);
            std::vector<float> result(static_cast<std::size_t>(count));
            for (std::ptrdiff_t i = 0; i < count; ++i)
                result[static_cast<std::size_t>(i)] = tree(0, size(), i);
            all_.meeting_.arrive_and_wait();
            std::copy(result.begin(), result.end(), values);
            all_.meeting_.arrive_and_wait();
        }
        void gather(float* rows, std::ptrdiff_t floats, const std::ptrdiff_t* begins) override {
            post(rows);
            for (std::ptrdiff_t other = 0; other < size(); ++other) {
                if (other == rank_) continue;
                const float* const from = all_.posted_[static_cast<std::size_t>(other)];
                std::copy(from + begins[other] * floats, from + begins[other + 1] * floats,
                          rows + begins[other] * floats);
            }
            all_.meeting_.arrive_and_wait();
        }
        long calls() const { return calls_; }

     private:
        void post(const float* data) {
            if (calls_++ == fails_) throw std::runtime_error("the others are gone");
            all_.posted_[static_cast<std::size_t>(rank_)] = data;
            all_.meeting_.arrive_and_wait();
        }
        // As exchange.h says it.
        float tree(std::ptrdiff_t first, std::ptrdiff_t count, std::ptrdiff_t i) const {
            if (count == 1) return all_.posted_[static_cast<std::size_t>(first)][i];
            const std::ptrdiff_t half = (count + 1) / 2;
            return tree(first, half, i) + tree(first + half, count - half, i);
        }

        ThreadExchange& all_;
        std::ptrdiff_t rank_;
        long fails_, calls_ = 0;
    };

    // body(rank) in a thread for each.
    static void for_all(std::ptrdiff_t size, const std::function<void(std::ptrdiff_t)>& body) {
        std::vector<std::thread> threads;
        for (std::ptrdiff_t rank = 0; rank < size; ++rank) threads.emplace_back(body, rank);
        for (std::thread& thread : threads) thread.join();
    }

 private:
    Meeting meeting_;
    std::vector<const float*> posted_;
};
