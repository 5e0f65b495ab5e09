// A step allocates nothing: a block of many steps asks for memory as often as a block of one.
//
// A program of its own, because it replaces operator new.
#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "check.h"
#include "kernels/dispatch.h"
#include "kernels/matmul.h"
#include "network/augmentation.h"
#include "network_data.h"
#include "reference_network.h"
#include "runtime/parallel.h"

namespace {
std::atomic<long> allocations{0};
// Larger pieces than this cannot be had.
std::atomic<std::size_t> largest_allowed{~std::size_t{0}};

// Pieces that are aligned must be given back as such.
constexpr bool is_wide(std::size_t alignment) { return alignment > alignof(std::max_align_t); }

void* allocate(std::size_t size, std::size_t alignment) {
    allocations.fetch_add(1);
    if (size > largest_allowed.load()) throw std::bad_alloc();
    void* place = nullptr;
    if (!is_wide(alignment))
        place = std::malloc(size == 0 ? 1 : size);
    else
#ifdef _WIN32  // which has no aligned_alloc
        place = ::_aligned_malloc(size == 0 ? 1 : size, alignment);
#else
        place = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
#endif
    if (place == nullptr) throw std::bad_alloc();
    return place;
}

void release(void* place, [[maybe_unused]] std::align_val_t alignment) noexcept {
#ifdef _WIN32
    if (is_wide(static_cast<std::size_t>(alignment))) return ::_aligned_free(place);
#endif
    std::free(place);
}

void* allocate_or_null(std::size_t size, std::size_t alignment) noexcept {
    try {
        return allocate(size, alignment);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}
}  // namespace

void* operator new(std::size_t size) { return allocate(size, 1); }
void* operator new[](std::size_t size) { return allocate(size, 1); }
void* operator new(std::size_t size, std::align_val_t a) {
    return allocate(size, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t size, std::align_val_t a) {
    return allocate(size, static_cast<std::size_t>(a));
}
// The standard library's own temporary buffers ask in this way.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return allocate_or_null(size, 1);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return allocate_or_null(size, 1);
}
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t a) noexcept { release(p, a); }
void operator delete[](void* p, std::align_val_t a) noexcept { release(p, a); }
void operator delete(void* p, std::size_t, std::align_val_t a) noexcept { release(p, a); }
void operator delete[](void* p, std::size_t, std::align_val_t a) noexcept { release(p, a); }

using namespace nncore;
using network::Loss;
using network::Optimizer;

namespace {

template <class Body>
long count_allocations(Body body) {
    const long before = allocations.load();
    body();
    return allocations.load() - before;
}

const NetworkSpec kSpec{100, {{84, "relu"}, {60, "sigmoid"}, {0, "tanh"}, {10, "softmax"}}};

const NetworkSpec kImages = image_network({12, 12, 3}, {conv(6, {3, 3}, "relu", "same"),
                                                        max_pool({2, 2}, {2, 2}),
                                                        conv(17, {3, 3}, "relu"),
                                                        max_pool({2, 2}, {1, 1}),
                                                        flatten(),
                                                        {0, "dropout", false, 0.5f},
                                                        {10, "softmax"}});

const NetworkSpec kNormalized =
    image_network({12, 12, 3}, {conv(6, {3, 3}, "linear", "same"),
                                batch_norm(),
                                {0, "relu"},
                                begin(),
                                conv(9, {3, 3}, "linear", "same", {2, 2}),
                                batch_norm(),
                                shortcut(),
                                conv(9, {1, 1}, "linear", "valid", {2, 2}),
                                end("relu"),
                                layer_norm(),
                                flatten(),
                                {10, "softmax"}});

TEST(counting_works) {
    // Called by name: a compiler may leave out a new expression whose object is not used.
    CHECK_EQUAL(1L, count_allocations([] { ::operator delete(::operator new(1)); }));
    CHECK_EQUAL(1L, count_allocations([] { runtime::AlignedBuffer buffer(100); }));
}

TEST(steps_do_not_allocate) {
    const std::ptrdiff_t batch = 33;
    const Data data(batch * 20, 12 * 12 * 3, 10, 1);
    for (const std::string& isa : kernels::available_isas())
        for (const int threads : {1, 2}) {
            kernels::select_isa(isa);
            runtime::set_thread_limit(threads);
            // The slow ones do the same, only fewer of them.
            const std::ptrdiff_t many = isa == "reference" || isa == "baseline" ? 3 : 20;
            for (const auto& [spec, loss] : {std::pair{kSpec, Loss::mse},
                                             {kSpec, Loss::cross_entropy},
                                             {kImages, Loss::cross_entropy},
                                             {kNormalized, Loss::cross_entropy}}) {
                for (const Optimizer& optimizer :
                     {Optimizer{1e-3f},
                      Optimizer{.learning_rate = 1e-3f, .momentum = 0.9, .global_clipnorm = 1.0},
                      Optimizer{.learning_rate = 1e-3f,
                                .method = network::Method::adam,
                                .clipnorm = 1.0,
                                .use_ema = true}}) {
                    const auto network = spec.build(1);
                    const auto steps = [&](std::ptrdiff_t number) {
                        return count_allocations([&] {
                            network->train_steps(data.images(), data.label_targets(),
                                                 data.order.data(), number * batch, batch, loss,
                                                 optimizer, {});
                        });
                    };
                    const long first = steps(1);  // plans the workspace
                    const long one = steps(1), all = steps(many);
                    CHECK_THAT(one == all, isa << ", " << threads << " threads: " << one
                                               << " allocations for a step, " << all << " for "
                                               << many);
                    CHECK(one < first);
                }
            }
        }
    kernels::select_isa(kernels::available_isas().front());
}

// Once its workspaces are planned, inference asks for none.
TEST(inference_does_not_allocate) {
    const Data data(70, 12 * 12 * 3, 10, 3);
    std::vector<float> outputs(70 * 10);
    for (const auto& [spec, threads] :
         {std::pair{kImages, 1}, {kImages, 2}, {kNormalized, 1}, {kNormalized, 2}}) {
        const auto network = spec.build(3);
        runtime::set_thread_limit(threads);
        const auto forward = [&] {
            return count_allocations([&] { network->forward(data.images(), outputs.data()); });
        };
        const long first = forward(), second = forward();
        CHECK(first > 0);
        CHECK_EQUAL(0L, second);
    }
    runtime::set_thread_limit(1);
}

// Nor does a look at a layer, but for the small map of each image.
TEST(explaining_again_plans_nothing) {
    const Data data(70, 12 * 12 * 3, 10, 7);
    std::vector<float> maps(70 * 12 * 12);
    for (const auto& [spec, threads] :
         {std::pair{kImages, 1}, {kImages, 2}, {kNormalized, 1}, {kNormalized, 2}}) {
        const auto network = spec.build(7);
        const auto probe = spec.build_probe(layer_name(0));
        runtime::set_thread_limit(threads);
        const auto explain = [&] {
            return count_allocations(
                [&] { network->explain(*probe, data.images(), data.labels.data(), maps.data()); });
        };
        const long first = explain(), second = explain();
        CHECK(first > 1);
        CHECK_EQUAL(1L, second);
    }
    runtime::set_thread_limit(1);
}

// Nor do augmented images with weights.
TEST(augmented_and_weighted_steps_do_not_allocate) {
    const std::ptrdiff_t batch = 9;
    const Data data(batch * 20, 12 * 12 * 3, 10, 5);
    const std::vector<float> weights(static_cast<std::size_t>(data.count), 0.5f);
    const network::Augmentation augmentation{
        .shift = 0.2, .rotation = 30, .contrast = 0.3, .erase = 0.5};
    for (const int threads : {1, 2}) {
        runtime::set_thread_limit(threads);
        for (network::Images images : {data.images(), data.byte_images()}) {
            images.augmentation = &augmentation;
            network::Targets targets = data.label_targets();
            targets.weights = weights.data();
            const auto network = kImages.build(1);
            const auto steps = [&](std::ptrdiff_t number) {
                return count_allocations([&] {
                    network->train_steps(images, targets, data.order.data(), number * batch, batch,
                                         Loss::cross_entropy, Optimizer{1e-3f}, {});
                });
            };
            steps(1);
            const long one = steps(1), twenty = steps(20);
            CHECK_EQUAL(one, twenty);
        }
    }
    runtime::set_thread_limit(1);
}

// Single steps: the second and all later ones ask for no more than the results need.
TEST(repeated_gradients_do_not_allocate) {
    runtime::set_thread_limit(1);
    const Data data(33, 100, 10, 2);
    const auto network = kSpec.build(2);
    const auto gradients = [&] {
        return count_allocations([&] {
            network->compute_gradients(data.images(), data.label_targets(), Loss::mse);
            network->apply_gradients(Optimizer{1e-3f});
        });
    };
    const long first = gradients(), second = gradients();
    CHECK(second < first);
    CHECK_EQUAL(0L, second);
    for (int i = 0; i < 5; ++i) CHECK_EQUAL(second, gradients());
}

TEST(chunks_of_inference_do_not_allocate) {
    runtime::set_thread_limit(1);
    const Data data(64 * 20, 100, 10, 3);
    const auto network = kSpec.build(3);
    std::vector<float> y(64 * 20 * 10);
    const auto chunks = [&](std::ptrdiff_t number) {
        return count_allocations(
            [&] { network->forward({nullptr, data.x.data(), number * 64}, y.data()); });
    };
    chunks(1);
    const long one = chunks(1);
    CHECK_EQUAL(one, chunks(20));
    CHECK_EQUAL(one, chunks(1));
}

TEST(matrices_of_a_batch_do_not_allocate) {
    runtime::set_thread_limit(1);
    const std::vector<float> a(40 * 20 * 30), b(40 * 30 * 25);
    std::vector<float> c(40 * 20 * 25);
    kernels::MatmulArgs args;
    args.M = 20, args.N = 25, args.K = 30;
    args.a = a.data(), args.a_row = 30, args.a_column = 1;
    args.b = b.data(), args.b_row = 25, args.b_column = 1;
    args.c = c.data(), args.c_row = 25;
    args.batch_shape = {1};
    args.a_batch = {600}, args.b_batch = {750}, args.c_batch = {500};
    const auto product = [&] { return count_allocations([&] { kernels::matmul(args); }); };
    product();
    const long one = product();
    args.batch_shape = {40};
    CHECK_EQUAL(one, product());
}

// Memory runs out: the error arrives, and the network goes on working as if nothing had been asked.
TEST(memory_runs_out) {
    for (const int threads : {1, 3}) {
        runtime::set_thread_limit(threads);
        for (const NetworkSpec& spec : {kSpec, kImages, kNormalized}) {
            const Data data(2000, spec.inputs, 10, 4);
            const auto network = spec.build(4), twin = spec.build(4);
            const auto some = [&](std::ptrdiff_t count) {
                return network::Images{nullptr, data.x.data(), count};
            };
            std::vector<float> y(20000), expected(20000);
            const auto step = [&](network::Network& trained, std::ptrdiff_t batch) {
                trained.train_steps(some(2000), data.label_targets(), data.order.data(), batch,
                                    batch, Loss::mse, Optimizer{0.1f}, {});
            };
            const auto look = [&](network::Network& inside, std::ptrdiff_t count) {
                return inside.compute_gradients(some(count), data.label_targets(), Loss::mse);
            };
            step(*network, 10);
            step(*twin, 10);
            network->forward(some(3), y.data());
            twin->forward(some(3), expected.data());
            largest_allowed = 20000;
            CHECK_THROWS(std::bad_alloc, "", step(*network, 2000));
            CHECK_THROWS(std::bad_alloc, "", look(*network, 2000));
            CHECK_THROWS(std::bad_alloc, "", network->forward(some(2000), y.data()));
            largest_allowed = ~std::size_t{0};
            // No larger than before: the old workspace must still be sound.
            step(*network, 10);
            step(*twin, 10);
            CHECK(identical(weights_of(*twin), weights_of(*network)));
            CHECK_EQUAL(look(*twin, 10), look(*network, 10));
            network->forward(some(3), y.data());
            twin->forward(some(3), expected.data());
            CHECK(identical(expected, y));
            network->forward(some(2000), y.data());
            twin->forward(some(2000), expected.data());
            CHECK(identical(expected, y));
        }
    }
    runtime::set_thread_limit(1);
}

}  // namespace
