// The works of bench/works.py as networks of the engine, and their whole steps as benchmarks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "network/builder.h"

namespace nncore::bench {

struct Work {
    std::string name;
    std::ptrdiff_t batch;
    std::unique_ptr<network::Network> network;
};

std::vector<std::string> work_names();
Work make_work(const std::string& name);

// Operations of one training step: see Work.step_flops in bench/works.py.
double step_flops(const Work& work);

void register_steps();

}  // namespace nncore::bench
