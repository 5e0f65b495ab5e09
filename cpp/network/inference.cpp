// Inference: the same stages and kernels as training, over chunks of images.
#include <algorithm>

#include "../kernels/dispatch.h"
#include "heat_map.h"
#include "network.h"
#include "planning.h"
#include "probe_stage.h"

namespace nncore::network {
namespace {

// Rows that go through the network together: enough for full register tiles of the dense layers,
// few enough that the activations of all stages stay in the cache.
constexpr std::ptrdiff_t kLargestChunk = 64, kSmallestChunk = 4;
constexpr std::ptrdiff_t kChunkFloats = 1 << 18;
// Several threads share an image of at least so many multiply-adds, some 200 microseconds, where
// there are fewer images than this for each.
constexpr double kWorthSplitting = 2.0e7;
constexpr std::ptrdiff_t kFewImages = 4;

// The values of the first `rows` samples, without borders.
void copy_values(const Rows& from, std::ptrdiff_t rows, float* to) {
    for (std::ptrdiff_t r = 0; r < rows; ++r)
        for (std::ptrdiff_t line = 0; line < from.layout.height; ++line)
            to = std::copy_n(from.line(r, line), from.layout.run, to);
}
// The input of a stage likewise, wherever it is.
void copy_input(const Stage& stage, const Pass& pass, std::ptrdiff_t rows, float* to) {
    if (!stage.makes_input(pass))
        return copy_values(pass.workspace.activations[stage.index], rows, to);
    const std::ptrdiff_t lines = stage.input_shape[0];
    const std::ptrdiff_t floats = element_count(stage.input_shape);
    for (std::ptrdiff_t r = 0; r < rows; ++r)
        stage.make_input(pass, r, 0, lines, to + r * floats, floats / lines);
}

}  // namespace

Network::InferenceWeights Network::inference_weights(const kernels::Kernels& kernels) const {
    const bool folds = std::any_of(stages().begin(), stages().end(),
                                   [](const auto& stage) { return stage->folds(); });
    if (!folds && architecture_.prepared_floats == 0) return {parameters_.data(), nullptr};
    const std::lock_guard guard(fold_mutex_);
    const bool was_ready = folded_;
    if (folds && !was_ready) fold_parameters();
    const float* const parameters = folds ? folded_parameters_.data() : parameters_.data();
    if (!was_ready) {
        if (prepared_weights_.size() == 0)
            prepared_weights_ =
                runtime::AlignedBuffer(static_cast<std::size_t>(architecture_.prepared_floats));
        for (const auto& stage : stages())
            stage->prepare(kernels, parameters, prepared_weights_.data() + stage->prepared_offset);
    }
    folded_ = true;
    return {parameters, prepared_weights_.data()};
}

void Network::fold_parameters() const {
    if (folded_parameters_.size() == 0)
        folded_parameters_ = runtime::AlignedBuffer(parameters_.size());
    std::copy_n(parameters_.data(), parameters_.size(), folded_parameters_.data());
    for (std::size_t i = 1; i < stages().size(); ++i)
        if (stages()[i]->folds())
            stages()[i]->fold_into(*stages()[i - 1], parameters_.data(), folded_parameters_.data());
}

template <class Finish>
void Network::infer(const Images& images, std::size_t last, const Finish& finish) const {
    infer({architecture_, idle_crews_, Purpose::inference}, images, last, finish);
}

template <class Finish>
void Network::infer(const Route& route, const Images& images, std::size_t last,
                    const Finish& finish) const {
    const std::shared_lock lock(mutex_);
    if (images.count == 0) return;
    const Architecture& architecture = route.architecture;
    const std::size_t first = first_stage(images.extracted);
    const kernels::Kernels& kernels = kernels::active();  // may throw: not inside the team
    std::ptrdiff_t floats = 0;
    for (std::size_t i = first; i <= last; ++i)
        floats += element_count(architecture.shape_before(i));
    const double multiply_adds =
        architecture.multiply_adds(first) - architecture.multiply_adds(last);
    const std::ptrdiff_t limit = threads_for(multiply_adds * static_cast<double>(images.count));
    // A chunk reads the weights once. Where the activations of one image are more than these, it is
    // they that have to stay in the cache.
    const bool wide = floats > static_cast<std::ptrdiff_t>(parameters_.size());
    const std::ptrdiff_t best_rows =
        std::clamp(kChunkFloats / floats, wide ? 1 : kSmallestChunk, kLargestChunk);
    // Each thread takes whole chunks of images. Where there are too few of them, and they are large
    // enough, all threads work on the lines of one image together.
    const bool together =
        limit > 1 && images.count < kFewImages * limit && multiply_adds >= kWorthSplitting;
    // Few images are dealt out one by one, so that no thread idles.
    const std::ptrdiff_t chunk_rows =
        together ? 1 : std::min(best_rows, (images.count + limit - 1) / limit);
    const std::ptrdiff_t chunks = (images.count + chunk_rows - 1) / chunk_rows;
    const int threads = together ? 1 : static_cast<int>(std::min(chunks, limit));

    const bool backward = route.purpose != Purpose::inference;
    std::unique_ptr<Crew> crew = route.crews.take();
    while (static_cast<int>(crew->size()) < threads) crew->push_back(std::make_unique<Workspace>());
    for (int thread = 0; thread < threads; ++thread)
        plan(architecture, *(*crew)[static_cast<std::size_t>(thread)], chunk_rows, backward,
             together ? static_cast<int>(limit) : 1, false, first);

    const std::ptrdiff_t values = element_count(architecture.shape_before(first));
    const InferenceWeights weights =
        backward ? InferenceWeights{parameters_.data(), nullptr} : inference_weights(kernels);
    // A row's bits do not depend on its chunk.
    const auto infer_chunk = [&](const runtime::Team& team, std::ptrdiff_t chunk, int thread) {
        const std::ptrdiff_t first_image = chunk * chunk_rows;
        const std::ptrdiff_t rows = std::min(chunk_rows, images.count - first_image);
        const Pass pass{.kernels = kernels,
                        .team = team,
                        .workspace = *(*crew)[static_cast<std::size_t>(thread)],
                        .rows = rows,
                        .parameters = weights.parameters,
                        .purpose = route.purpose,
                        .prepared = weights.prepared};
        Images part = images;
        if (part.rows != nullptr) {
            part.rows += first_image;
        } else if (part.bytes != nullptr) {
            part.bytes += first_image * values;
        } else {
            part.floats += first_image * values;
        }
        for_each(pass, rows,
                 [&](const Pass& own, std::ptrdiff_t r) { load_image(own, part, nullptr, r); });
        for (std::size_t i = first; i < last; ++i) forward_stage(pass, *architecture.stages[i]);
        finish(pass, first_image, rows);
    };
    runtime::run_team(together ? static_cast<int>(limit) : threads, [&](runtime::Team& team) {
        const runtime::Stretch stretch(inference_pace_, team,
                                       multiply_adds * static_cast<double>(images.count));
        if (together) {
            for (std::ptrdiff_t chunk = 0; chunk < chunks; ++chunk) infer_chunk(team, chunk, 0);
        } else {
            const runtime::Team alone;
            team.for_each(chunks, [&](std::ptrdiff_t chunk, int thread) {
                infer_chunk(alone, chunk, thread);
            });
        }
    });

    route.crews.give_back(std::move(crew));
}

void Network::forward(const Images& images, float* outputs) const {
    const std::ptrdiff_t classes = output_size();
    infer(images, stages().size(),
          [&](const Pass& pass, std::ptrdiff_t first, std::ptrdiff_t rows) {
              const Rows& y = pass.workspace.activations.back();
              for (std::ptrdiff_t r = 0; r < rows; ++r)
                  std::copy_n(y.row(r), classes, outputs + (first + r) * classes);
          });
}

void Network::forward_softmax(const Images& images, float inverse_temperature,
                              float* probabilities) const {
    const std::ptrdiff_t classes = output_size();
    infer(images, stages().size(),
          [&](const Pass& pass, std::ptrdiff_t first, std::ptrdiff_t rows) {
              const Rows& y = pass.workspace.activations.back();
              float* const to = probabilities + first * classes;
              for (std::ptrdiff_t r = 0; r < rows; ++r)
                  for (std::ptrdiff_t c = 0; c < classes; ++c)
                      to[r * classes + c] = y.row(r)[c] * inverse_temperature;
              pass.kernels.softmax(rows, classes, to, classes, to, classes,
                                   pass.workspace.rowwise_scratch[0]);
          });
}

void Network::extract(const Images& images, float* values) const {
    const std::size_t last = architecture_.fixed_stages;
    if (last == 0) throw std::logic_error("no part of this network is fixed: all of it is trained");
    infer(images, last, [&](const Pass& pass, std::ptrdiff_t first, std::ptrdiff_t rows) {
        copy_input(*stages()[last], pass, rows, values + first * element_count(sample_shape(true)));
    });
}

template <class Finish>
void Network::infer(const Images& images, const InputOf* seen, const Finish& finish) const {
    const std::size_t all = stages().size();
    if (seen == nullptr) return infer(images, all, finish);
    if (seen->stage < first_stage(images.extracted))
        throw std::logic_error("what is asked for lies below the layers that are extracted");
    const std::ptrdiff_t size = element_count(architecture_.shape_before(seen->stage));
    infer(images, seen->stage, [&](const Pass& pass, std::ptrdiff_t first, std::ptrdiff_t rows) {
        // At once: the memory is others' as soon as nobody needs the values any more.
        copy_input(*stages()[seen->stage], pass, rows, seen->values + first * size);
        for (std::size_t i = seen->stage; i < all; ++i) forward_stage(pass, *stages()[i]);
        finish(pass, first, rows);
    });
}

void Network::forward_with_input_of(const InputOf& seen, const Images& images,
                                    float* outputs) const {
    infer(images, &seen, [&](const Pass& pass, std::ptrdiff_t first, std::ptrdiff_t rows) {
        copy_values(pass.workspace.activations.back(), rows, outputs + first * output_size());
    });
}

void Network::evaluate(const Images& images, const Targets& targets, Loss loss, float* outputs,
                       float* losses, const InputOf* seen) const {
    const std::size_t loss_buffer = stages_before(loss);
    const std::ptrdiff_t classes = output_size();
    infer(images, seen, [&](const Pass& pass, std::ptrdiff_t first, std::ptrdiff_t rows) {
        const Rows& y = pass.workspace.activations.back();
        for (std::ptrdiff_t r = 0; r < rows; ++r)
            std::copy_n(y.row(r), classes, outputs + (first + r) * classes);
        Targets part = targets;
        if (part.labels != nullptr) part.labels += first;
        if (part.rows != nullptr) part.rows += first * classes;
        if (part.weights != nullptr) part.weights += first;
        for (std::ptrdiff_t r = 0; r < rows; ++r) load_target(pass, part, nullptr, r);
        compute_loss(pass, loss, loss_buffer, false, part.weights != nullptr);
        std::copy_n(pass.workspace.losses, rows, losses + first);
    });
}

template <class Show>
void Network::look(const Probe& probe, const Images& images, const std::int32_t* classes,
                   const Show& show) const {
    const Architecture& probed = probe.architecture;
    if (probed.input_shape != input_shape() || probed.output_size() != output_size() ||
        probed.parameter_floats != architecture_.parameter_floats)
        throw std::invalid_argument("the probe of layer \"" + probe.layer +
                                    "\" is not one of this network");
    const std::size_t scores = probed.stages_before_softmax();
    infer({probed, probe.idle_crews, Purpose::explanation}, images, scores,
          [&](const Pass& forward, std::ptrdiff_t first, std::ptrdiff_t rows) {
              const BackwardPass pass{forward, nullptr, nullptr, nullptr};
              const Rows& delta = pass.workspace.deltas[scores];
              for (std::ptrdiff_t r = 0; r < rows; ++r) {
                  std::fill_n(delta.row(r), output_size(), 0.0f);
                  delta.row(r)[classes[first + r]] = 1.0f;
              }
              for (std::size_t i = probe.stage + 1; i < scores; ++i)
                  if (probed.stages[i]->takes_part_backward())
                      probed.stages[i]->prepare_backward(pass);
              for (std::size_t i = scores; i-- > probe.stage + 1;)
                  if (probed.stages[i]->takes_part_backward())
                      probed.stages[i]->backward_data(pass);
              for_each(pass, rows,
                       [&](const BackwardPass& own, std::ptrdiff_t r) { show(own, first + r, r); });
          });
}

void Network::look(const Probe& probe, const Images& images, const std::int32_t* classes,
                   float* values, float* gradients) const {
    const std::ptrdiff_t floats = element_count(probe.shape());
    look(probe, images, classes, [&](const Pass& pass, std::ptrdiff_t image, std::ptrdiff_t r) {
        const Rows& y = pass.workspace.activations[probe.stage + 1];
        float* to = values + image * floats;
        for (std::ptrdiff_t line = 0; line < y.layout.height; ++line)
            to = std::copy_n(y.line(r, line), y.layout.run, to);
        std::copy_n(pass.workspace.deltas[probe.stage + 1].row(r), floats,
                    gradients + image * floats);
    });
}

void Network::explain(const Probe& probe, const Images& images, const std::int32_t* classes,
                      float* maps) const {
    const auto& stage = static_cast<const ProbeStage&>(*probe.architecture.stages[probe.stage]);
    const std::ptrdiff_t height = probe.shape()[0], width = probe.shape()[1];
    std::vector<float> small(static_cast<std::size_t>(images.count * height * width));
    look(probe, images, classes, [&](const Pass& pass, std::ptrdiff_t image, std::ptrdiff_t r) {
        stage.grad_cam(pass, r, small.data() + image * height * width);
    });
    const std::ptrdiff_t rows = input_shape()[0], columns = input_shape()[1];
    for (std::ptrdiff_t i = 0; i < images.count; ++i, maps += rows * columns) {
        enlarge(small.data() + i * height * width, height, width, rows, columns, maps);
        scale_to_one(rows * columns, maps);
    }
}

}  // namespace nncore::network
