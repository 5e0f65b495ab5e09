// Inference: the same stages and kernels as training, over chunks of images.
#include <algorithm>

#include "../kernels/dispatch.h"
#include "network.h"

namespace nncore::network {
namespace {

// Rows that go through the network together: enough for full register tiles of the dense layers,
// few enough that the activations of all stages stay in the cache.
constexpr std::ptrdiff_t kLargestChunk = 64, kSmallestChunk = 4;
constexpr std::ptrdiff_t kChunkFloats = 1 << 18;

}  // namespace

void Network::forward(const Images& images, float* outputs) const {
    infer(images, nullptr, Loss::mse, outputs, nullptr);
}

void Network::evaluate(const Images& images, const Targets& targets, Loss loss, float* outputs,
                       float* losses) const {
    infer(images, &targets, loss, outputs, losses);
}

void Network::infer(const Images& images, const Targets* targets, Loss loss, float* outputs,
                    float* losses) const {
    const std::shared_lock lock(mutex_);
    if (images.count == 0) return;
    const kernels::Kernels& kernels = kernels::active();  // may throw: not inside the team
    std::ptrdiff_t floats = element_count(input_shape_);
    for (const auto& stage : stages_) floats += element_count(stage->output_shape);
    const std::ptrdiff_t chunk_rows =
        std::min(images.count, std::clamp(kChunkFloats / floats, kSmallestChunk, kLargestChunk));
    const std::ptrdiff_t chunks = (images.count + chunk_rows - 1) / chunk_rows;
    const int threads = static_cast<int>(
        std::min<std::ptrdiff_t>(std::max<std::ptrdiff_t>(1, chunks),
                                 threads_for(multiply_adds() * static_cast<double>(images.count))));

    std::vector<std::unique_ptr<Workspace>> workspaces;
    {
        const std::lock_guard guard(idle_mutex_);
        while (!idle_workspaces_.empty() && static_cast<int>(workspaces.size()) < threads) {
            workspaces.push_back(std::move(idle_workspaces_.back()));
            idle_workspaces_.pop_back();
        }
    }
    while (static_cast<int>(workspaces.size()) < threads)
        workspaces.push_back(std::make_unique<Workspace>());
    for (auto& workspace : workspaces) plan(*workspace, chunk_rows, false, 1, false);

    const std::size_t loss_buffer = stages_.size() - (fuses_softmax(loss) ? 1 : 0);
    const std::ptrdiff_t pixels = element_count(input_shape_), classes = output_size();
    runtime::run_team(threads, [&](const runtime::Member& team) {
        // Each thread takes whole chunks: no barrier, and a row's bits do not depend on its chunk.
        Workspace& workspace = *workspaces[static_cast<std::size_t>(team.thread)];
        runtime::Barrier nobody_else;
        const runtime::Member alone{0, 1, nobody_else};
        const auto share = team.share(chunks);
        for (std::ptrdiff_t chunk = share.first; chunk < share.last; ++chunk) {
            const std::ptrdiff_t first = chunk * chunk_rows;
            const std::ptrdiff_t rows = std::min(chunk_rows, images.count - first);
            // Inference only reads the parameters; Pass is shared with training, which writes.
            const Pass pass{.kernels = kernels,
                            .member = alone,
                            .workspace = workspace,
                            .rows = rows,
                            .parameters = const_cast<float*>(parameters_.data()),
                            .gradients = nullptr,
                            .training = false,
                            .randomness = {},
                            .samples = nullptr,
                            .optimizer = nullptr};
            Images part = images;
            if (part.rows != nullptr) {
                part.rows += first;
            } else if (part.bytes != nullptr) {
                part.bytes += first * pixels;
            } else {
                part.floats += first * pixels;
            }
            load_images(pass, part, nullptr);
            for (const auto& stage : stages_) stage->forward(pass);
            const Rows& y = workspace.activations.back();
            for (std::ptrdiff_t r = 0; r < rows; ++r)
                std::copy_n(y.row(r), classes, outputs + (first + r) * classes);
            if (targets == nullptr) continue;
            Targets part_targets = *targets;
            if (part_targets.labels != nullptr) part_targets.labels += first;
            if (part_targets.rows != nullptr) part_targets.rows += first * classes;
            load_targets(pass, part_targets, nullptr);
            compute_loss(pass, loss, loss_buffer, false);
            std::copy_n(workspace.losses, rows, losses + first);
        }
    });

    const std::lock_guard guard(idle_mutex_);
    for (auto& workspace : workspaces) idle_workspaces_.push_back(std::move(workspace));
}

}  // namespace nncore::network
