// Several processes that train one network, each with a share of the samples of every batch: what
// the engine asks them for. It knows nothing of how they talk; a caller brings that along.
//
// All hold the same weights and compute the same bits, for whatever is summed over the samples of a
// batch is summed as one process would: by the tree of chunks.h, whose upper part `sum` is, or of
// the rows of all, which `gather` brings together.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "chunks.h"
#include "trace.h"

namespace nncore::network {

class Exchange {
 public:
    virtual ~Exchange() = default;

    virtual std::ptrdiff_t rank() const = 0;
    virtual std::ptrdiff_t size() const = 0;

    // Called by all, in the same order. What these throw ends the step, with the weights of before.

    // Replaces `count` values by their sum over all processes: that of the first half of them,
    // rounded up, plus that of the others, and so on within these. One that has nothing to add
    // gives -0.0, which changes no number.
    virtual void sum(float* values, std::ptrdiff_t count) = 0;
    // Where such sums can go on while this process computes: begins one, of values that nobody else
    // touches until finish_sums, which returns when all that were begun are there.
    virtual bool overlaps() const { return false; }
    virtual void begin_sum(float* values, std::ptrdiff_t count) { sum(values, count); }
    virtual void finish_sums() {}
    // Completes rows of `floats` each, of which process p has begins[p] to begins[p + 1].
    virtual void gather(float* rows, std::ptrdiff_t floats, const std::ptrdiff_t* begins) = 0;
};

// A batch as the processes share it.
class SharedBatch {
 public:
    explicit SharedBatch(Exchange& exchange, Trace* trace = nullptr)
        : exchange_(exchange),
          trace_(trace),
          begins_(static_cast<std::size_t>(exchange.size()) + 1) {}
    void set(std::ptrdiff_t batch) {
        const std::ptrdiff_t size = exchange_.size();
        own_ = share_of(batch, exchange_.rank(), size);
        for (std::ptrdiff_t rank = 0; rank < size; ++rank)
            begins_[static_cast<std::size_t>(rank)] = share_of(batch, rank, size).first_row();
        begins_.back() = batch;
    }
    const Share& own() const { return own_; }

    // Replaces what the own samples add up to by what all do.
    void sum(float* values, std::ptrdiff_t count) const {
        if (own_.chunks == 0) std::fill_n(values, count, -0.0f);
        const Traced span(trace_, "sum");
        exchange_.sum(values, count);
    }
    bool overlaps() const { return exchange_.overlaps(); }
    void begin_sum(float* values, std::ptrdiff_t count) const {
        if (own_.chunks == 0) std::fill_n(values, count, -0.0f);
        const Traced span(trace_, overlaps() ? "begin sum" : "sum");
        exchange_.begin_sum(values, count);
    }
    void finish_sums() const {
        if (!overlaps()) return;
        const Traced span(trace_, "finish sums");
        exchange_.finish_sums();
    }
    // Of the rows of the whole batch, `floats` each, the own ones are there; then all are.
    void gather(float* rows, std::ptrdiff_t floats) const {
        const Traced span(trace_, "gather");
        exchange_.gather(rows, floats, begins_.data());
    }

 private:
    Exchange& exchange_;
    Trace* trace_;
    Share own_;
    std::vector<std::ptrdiff_t> begins_;
};

}  // namespace nncore::network
