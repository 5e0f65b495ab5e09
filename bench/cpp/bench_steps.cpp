// Whole training steps of the works: batch assembly, forward, loss, backward, update.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "floats.h"
#include "limits.h"
#include "runtime/parallel.h"
#include "works.h"

namespace nncore::bench {
namespace {

// One iteration is a block of steps, as a training loop asks for them.
void steps(benchmark::State& state, const std::string& name, int threads) {
    const int before = runtime::thread_limit();
    runtime::set_thread_limit(threads);
    const Work work = make_work(name);
    const double flops = step_flops(work);
    const auto block = std::clamp<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(2e8 / flops), 1, 64);
    const std::ptrdiff_t images = 2 * block * work.batch;
    const std::ptrdiff_t floats = network::element_count(work.network->input_shape());
    const auto pixels = random_floats(images * floats);
    std::vector<std::int32_t> labels(static_cast<std::size_t>(images)), order(labels.size());
    for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int32_t>(i % 10);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), std::mt19937(3));

    network::Images x;
    x.floats = pixels.data();
    x.count = images;
    network::Targets y;
    y.labels = labels.data();
    network::Optimizer optimizer;
    optimizer.learning_rate = 1e-5f;  // numbers must stay ordinary for any number of steps
    const auto run = [&](std::ptrdiff_t first) {
        const auto results =
            work.network->train_steps(x, y, order.data() + first * work.batch, block * work.batch,
                                      work.batch, network::Loss::cross_entropy, optimizer, {});
        if (static_cast<std::ptrdiff_t>(results.losses.size()) != block)
            state.SkipWithError("the loss is not finite");
    };
    run(0);  // allocates the workspace
    for (auto _ : state) {
        run(0);
        run(block);
    }
    const double count = static_cast<double>(2 * block);
    count_flops(state, count * flops, threads);
    state.counters["us/step"] = benchmark::Counter(
        count * 1e-6, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
    runtime::set_thread_limit(before);
}

}  // namespace

void register_steps() {
    for (const std::string& name : work_names())
        for (const int threads : {1, 2}) {
            if (threads > runtime::thread_limit()) continue;
            const std::string label = "steps/" + name + "/threads:" + std::to_string(threads);
            auto* const benchmark = benchmark::RegisterBenchmark(
                label.c_str(),
                [name, threads](benchmark::State& state) { steps(state, name, threads); });
            benchmark->Unit(benchmark::kMicrosecond);
            // One thread's CPU time says more than the clock on a machine that does other work.
            if (threads > 1) benchmark->UseRealTime();
        }
}

}  // namespace nncore::bench
