// Processes that share batches, by an object of Python with the methods of network::Exchange. It is
// asked by the thread that has called train_steps, which holds the GIL only then.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <utility>
#include <vector>

#include "../network/exchange.h"

namespace nncore::bindings {

namespace py = pybind11;

class PythonExchange final : public network::Exchange {
 public:
    explicit PythonExchange(py::object world)
        : world_(std::move(world)),
          rank_(world_.attr("rank").cast<std::ptrdiff_t>()),
          size_(world_.attr("size").cast<std::ptrdiff_t>()) {
        if (py::hasattr(world_, "overlaps")) overlaps_ = world_.attr("overlaps").cast<bool>();
        if (size_ < 1 || rank_ < 0 || rank_ >= size_)
            throw py::value_error("exchange must have a rank from 0 to size - 1, got rank " +
                                  std::to_string(rank_) + " of " + std::to_string(size_));
    }
    std::ptrdiff_t rank() const override { return rank_; }
    std::ptrdiff_t size() const override { return size_; }
    void sum(float* values, std::ptrdiff_t count) override {
        const py::gil_scoped_acquire held;
        world_.attr("sum")(view(values, {count}));
    }
    bool overlaps() const override { return overlaps_; }
    void begin_sum(float* values, std::ptrdiff_t count) override {
        const py::gil_scoped_acquire held;
        world_.attr(overlaps_ ? "begin_sum" : "sum")(view(values, {count}));
    }
    void finish_sums() override {
        const py::gil_scoped_acquire held;
        world_.attr("finish_sums")();
    }
    void gather(float* rows, std::ptrdiff_t floats, const std::ptrdiff_t* begins) override {
        const py::gil_scoped_acquire held;
        py::list places;
        for (std::ptrdiff_t rank = 0; rank <= size_; ++rank) places.append(begins[rank]);
        world_.attr("gather_rows")(view(rows, {begins[size_], floats}), places);
    }

 private:
    // The memory itself, writable; it is valid during the call alone, or until finish_sums.
    static py::array_t<float> view(float* data, const std::vector<std::ptrdiff_t>& shape) {
        return py::array_t<float>(shape, data, py::capsule(data, [](void*) {}));
    }

    py::object world_;
    std::ptrdiff_t rank_, size_;
    bool overlaps_ = false;
};

}  // namespace nncore::bindings
