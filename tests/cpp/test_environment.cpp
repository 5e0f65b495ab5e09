// NNCORE_ISA and NNCORE_NUM_THREADS. A program of its own: a process takes each of them once, so
// the tests below depend on their order.
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "kernels/dispatch.h"
#include "network/builder.h"
#include "runtime/parallel.h"
#include "system.h"

using namespace nncore;

namespace {

TEST(thread_variable_is_checked_and_used) {
    for (const char* text : {"0", "-1", "1025", "two", "2x", " ", "1.5", "99999999999999999999"}) {
        set_variable("NNCORE_NUM_THREADS", text);
        CHECK_THROWS(std::invalid_argument, "NNCORE_NUM_THREADS", runtime::thread_limit());
        CHECK_THROWS(std::invalid_argument, std::string("\"") + text + "\"",
                     runtime::thread_limit());
    }
    set_variable("NNCORE_NUM_THREADS", "3");
    CHECK_EQUAL(3, runtime::thread_limit());
    runtime::set_thread_limit(5);
    CHECK_EQUAL(5, runtime::thread_limit());
}

TEST(unknown_isa_is_refused) {
    set_variable("NNCORE_ISA", "sse9");
    CHECK_THROWS(std::invalid_argument, "NNCORE_ISA", kernels::active());
    CHECK_THROWS(std::invalid_argument, "\"sse9\"", kernels::active());
    // The message lists what there is, the plain loops last.
    const std::vector<std::string> available = kernels::available_isas();
    CHECK_EQUAL(std::string("reference"), available.back());
    CHECK_THROWS(std::invalid_argument, available.front(), kernels::active());
    CHECK_THROWS(std::invalid_argument, ", reference", kernels::active());
    CHECK_THROWS(std::invalid_argument, "select_isa", kernels::select_isa("sse9"));
    CHECK_THROWS(std::invalid_argument, "select_isa", kernels::select_isa(""));
}

// No exception may leave a parallel region: it would end the process.
TEST(unknown_isa_is_refused_by_teams) {
    set_variable("NNCORE_ISA", "sse9");
    runtime::set_thread_limit(2);
    network::Builder builder({100});
    builder.add_dense("dense", 100, "linear", true);
    const auto network = builder.build(0);
    std::vector<float> x(200 * 100), y(200 * 100);
    const network::Images images{nullptr, x.data(), 200};
    CHECK_THROWS(std::invalid_argument, "NNCORE_ISA", network->forward(images, y.data()));
    const network::Targets targets{nullptr, y.data()};
    CHECK_THROWS(std::invalid_argument, "NNCORE_ISA",
                 network->compute_gradients(images, targets, network::Loss::mse));
    std::vector<std::int32_t> indices(200);
    CHECK_THROWS(std::invalid_argument, "NNCORE_ISA",
                 network->train_steps(images, targets, indices.data(), 200, 100, network::Loss::mse,
                                      network::Optimizer{0.1f}, {}));
}

TEST(best_isa_is_the_default_and_others_can_be_selected) {
    const auto isas = kernels::available_isas();
    CHECK(isas.size() >= 2);
    CHECK_EQUAL(std::string("reference"), isas.back());
    set_variable("NNCORE_ISA", "");  // the same as unset
    CHECK_EQUAL(isas.front(), std::string(kernels::active().isa));
    std::string list;
    for (const auto& isa : isas) {
        list += " " + isa;
        kernels::select_isa(isa);
        CHECK_EQUAL(isa, std::string(kernels::active().isa));
    }
    std::printf("instruction sets of this machine:%s\n", list.c_str());
    kernels::select_isa(isas.front());
}

}  // namespace
