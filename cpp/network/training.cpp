// One whole training step, and blocks of them: load, forward, loss, backward, update.
#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <utility>

#include "../kernels/dispatch.h"
#include "augmentation.h"
#include "network.h"
#include "planning.h"

namespace nncore::network {

using kernels::Activation;

namespace {

// Gradients of so many floats are worth a message of their own, begun before the others are known.
constexpr std::ptrdiff_t kPart = 1 << 18;

bool answered_rightly(const Workspace& workspace, std::ptrdiff_t row) {
    const auto r = static_cast<std::size_t>(row);
    return workspace.predicted[r] == workspace.labels[r];
}

}  // namespace

// The gradients that processes sum up, gathered in one place on their way: in one piece, so that
// they are one message; or in parts, each begun as soon as it is known, where that goes on while
// the next ones are computed.
class Network::Sums {
 public:
    // Of the stages before `last`.
    Sums(const Network& network, const BackwardPass& pass, std::size_t last)
        : network_(network), pass_(pass), last_(last) {}

    // Those of a stage that has gone backward.
    void add(const Stage& stage) {
        for_parameters(stage, end_, [](float* sum, const float* own, std::ptrdiff_t count) {
            std::copy_n(own, count, sum);
        });
        if (pass_.shared->overlaps() && end_ - begun_ >= kPart) begin();
    }
    void begin() {
        float* const sums = pass_.workspace.sums.data();
        if (end_ > begun_) pass_.shared->begin_sum(sums + begun_, end_ - begun_);
        begun_ = end_;
    }
    // Now all have those of all.
    void finish() {
        pass_.shared->finish_sums();
        std::ptrdiff_t place = 0;
        for (std::size_t i = last_; i-- > network_.architecture_.first_trained;)
            for_parameters(*network_.stages()[i], place,
                           [](const float* sum, float* gradient, std::ptrdiff_t count) {
                               std::copy_n(sum, count, gradient);
                           });
    }

 private:
    // body(sum, gradient, count) for each parameter of a stage, the sums from `place` on.
    template <class Body>
    void for_parameters(const Stage& stage, std::ptrdiff_t& place, const Body& body) const {
        if (!stage.trains || !stage.adds_up()) return;
        for (const Parameter& p : stage.parameters) {
            if (!p.trainable) continue;
            body(pass_.workspace.sums.data() + place, pass_.gradients + p.offset, p.size());
            place += p.size();
        }
    }

    const Network& network_;
    const BackwardPass& pass_;
    std::size_t last_;
    std::ptrdiff_t begun_ = 0, end_ = 0;
};

void Network::load_image(const Pass& pass, const Images& images, const std::int32_t* indices,
                         std::ptrdiff_t r) const {
    const Rows& x = pass.workspace.activations[first_stage(images.extracted)];
    const std::ptrdiff_t count = element_count(sample_shape(images.extracted));
    const bool normalized = !input_scale_.empty();
    const Augmentation* const augmentation =
        pass.purpose == Purpose::training ? images.augmentation : nullptr;
    const std::ptrdiff_t image = indices != nullptr ? indices[r] : r;
    const std::ptrdiff_t place = images.rows != nullptr ? images.rows[image] : image;
    const std::uint8_t* bytes = images.bytes != nullptr ? images.bytes + place * count : nullptr;
    const float* floats = images.floats != nullptr ? images.floats + place * count : nullptr;
    if (augmentation != nullptr) {
        const auto args = draw_augmentation(*augmentation, input_shape(), pass.randomness,
                                            static_cast<std::uint32_t>(image));
        float* const copy = pass.workspace.augmented[static_cast<std::size_t>(pass.thread)];
        if (bytes != nullptr) {
            auto* const byte_copy = reinterpret_cast<std::uint8_t*>(copy);
            kernels::augment(args, bytes, byte_copy);
            bytes = byte_copy;
        } else {
            kernels::augment(args, floats, copy);
            floats = copy;
        }
    }
    for (std::ptrdiff_t y = 0; y < x.layout.height; ++y) {
        const std::ptrdiff_t first = y * x.layout.run;
        if (bytes != nullptr) {
            pass.kernels.bytes_to_floats(x.layout.run, bytes + first, input_shape().back(),
                                         normalized ? input_scale_.data() : nullptr,
                                         normalized ? input_offset_.data() : nullptr, x.line(r, y));
        } else {
            std::copy_n(floats + first, x.layout.run, x.line(r, y));
        }
    }
}

void Network::load_target(const Pass& pass, const Targets& targets, const std::int32_t* indices,
                          std::ptrdiff_t r) const {
    Workspace& w = pass.workspace;
    const std::ptrdiff_t classes = output_size();
    const std::ptrdiff_t image = indices != nullptr ? indices[r] : r;
    float* const row = w.targets.row(r);
    std::int32_t label;
    if (targets.labels != nullptr) {
        label = targets.labels[image];
        std::fill_n(row, classes, 0.0f);
        row[label] = 1.0f;
    } else {
        const float* const source = targets.rows + image * classes;
        std::copy_n(source, classes, row);
        label = static_cast<std::int32_t>(std::max_element(source, source + classes) - source);
    }
    w.labels[static_cast<std::size_t>(r)] = label;
    if (targets.weights != nullptr) w.weights[static_cast<std::size_t>(r)] = targets.weights[image];
    if (targets.label_smoothing > 0.0f) {
        const float share_of_each = targets.label_smoothing / static_cast<float>(classes);
        for (std::ptrdiff_t c = 0; c < classes; ++c)
            row[c] = std::fma(row[c], 1.0f - targets.label_smoothing, share_of_each);
    }
}

// Per-row losses and predictions; with a gradient also the delta of buffer `output`. Weighted: by
// the weights of the workspace.
void Network::compute_loss(const Pass& pass, Loss loss, std::size_t output, bool with_gradient,
                           bool weighted) const {
    Workspace& w = pass.workspace;
    const Rows& y = w.activations[output];
    const std::ptrdiff_t classes = output_size();
    const float scale = loss == Loss::sse ? 1.0f : 1.0f / static_cast<float>(pass.batch());
    const auto kernel = loss == Loss::focal           ? pass.kernels.softmax_focal
                        : loss == Loss::cross_entropy ? pass.kernels.softmax_cross_entropy
                                                      : pass.kernels.squared_error;
    const Rows delta = with_gradient ? w.deltas[output] : Rows{};
    const Activation activation =
        output == 0 ? Activation::linear : stages()[output - 1]->output_activation;
    // Blocks of 16 rows, as the kernel works: a cut inside a block would waste lanes.
    for_ranges(pass, pass.rows, kBlock,
               [&](const Pass& own, std::ptrdiff_t first, std::ptrdiff_t last) {
                   float* const gradient = with_gradient ? delta.row(first) : nullptr;
                   kernel(last - first, classes, scale, y.row(first), y.stride(),
                          w.targets.row(first), w.targets.stride(), w.losses + first, gradient,
                          delta.stride(), w.predicted.data() + first,
                          w.rowwise_scratch[static_cast<std::size_t>(own.thread)]);
                   for (std::ptrdiff_t r = first; weighted && r < last; ++r) {
                       const float weight = w.weights[static_cast<std::size_t>(r)];
                       w.losses[r] *= weight;
                       for (std::ptrdiff_t c = 0; with_gradient && c < classes; ++c)
                           delta.row(r)[c] *= weight;
                   }
                   if (with_gradient && activation != Activation::linear)
                       for (std::ptrdiff_t r = first; r < last; ++r)
                           pass.kernels.activation_gradient(activation, classes, y.row(r),
                                                            delta.row(r), delta.row(r));
               });
}

void Network::prepare_folds() {
    const auto& all = stages();
    const bool any = std::any_of(all.begin(), all.end(),
                                 [](const auto& stage) { return stage->folds_in_training(); });
    if (!any || has_fold_scales_) return;
    fold_scales_ = runtime::AlignedBuffer(parameters_.size());
    if (trained_folds_.size() == 0) trained_folds_ = runtime::AlignedBuffer(parameters_.size());
    for (std::size_t i = 1; i < all.size(); ++i)
        if (all[i - 1]->has_fixed_factors())
            all[i]->fold_scales(*all[i - 1], parameters_.data(), fold_scales_.data());
    has_fold_scales_ = true;
}

void Network::fold_weights(const Pass& pass, std::size_t first) const {
    if (pass.folded == nullptr) return;
    for (std::size_t i = first + 1; i < stages().size(); ++i) {
        if (!stages()[i - 1]->has_fixed_factors()) continue;
        const Parameter& kernel = stages()[i - 1]->parameters[0];
        for_floats(pass, kernel.size(),
                   [&](const Pass&, std::ptrdiff_t from, std::ptrdiff_t count) {
                       const std::ptrdiff_t at = kernel.offset + from;
                       pass.kernels.multiply(count, pass.parameters + at, fold_scales_.data() + at,
                                             pass.folded + at);
                   });
        stages()[i]->fold_bias(*stages()[i - 1], pass.parameters, pass.folded);
    }
}

void Network::unfold_gradients(const BackwardPass& pass, const Stage& stage) const {
    for (const Parameter& p : stage.parameters)
        for_floats(pass, p.size(),
                   [&](const BackwardPass&, std::ptrdiff_t from, std::ptrdiff_t count) {
                       const std::ptrdiff_t at = p.offset + from;
                       pass.kernels.multiply(count, pass.gradients + at, fold_scales_.data() + at,
                                             pass.gradients + at);
                       if (pass.learning_rate != nullptr)
                           pass.kernels.sgd_update(count, *pass.learning_rate, pass.gradients + at,
                                                   pass.weights + at);
                   });
}

void Network::forward_stage(const Pass& pass, const Stage& stage) {
    const std::size_t to = stage.index + 1;
    const Rows& y = pass.workspace.activations[to];
    const Traced span(pass.trace, "forward", static_cast<std::ptrdiff_t>(stage.index));
    if (pass.workspace.shares_memory[to] && y.layout.stride > y.layout.height * y.layout.run)
        for_each(pass, pass.rows, [&](const Pass&, std::ptrdiff_t r) { clear_border(y, r); });
    stage.forward(pass);
    if (pass.purpose == Purpose::gradients && stage.folded && stage.folded->in_training) {
        Pass apart = pass;
        apart.into_inner = true;
        stage.forward(apart);
    }
}

// Everything up to the losses.
void Network::forward_and_losses(const Pass& pass, const Images& images, const Targets& targets,
                                 const std::int32_t* indices, Loss loss) const {
    const std::size_t used = stages_before(loss);
    // For people who look inside, also the softmax that the loss does without.
    const std::size_t run = pass.purpose == Purpose::gradients ? stages().size() : used;
    {
        const Traced span(pass.trace, "load");
        for_each(pass, pass.rows, [&](const Pass& own, std::ptrdiff_t r) {
            load_image(own, images, indices, r);
            load_target(own, targets, indices, r);
        });
    }
    fold_weights(pass, first_stage(images.extracted));
    for (std::size_t i = first_stage(images.extracted); i < run; ++i)
        forward_stage(pass, *stages()[i]);
    compute_loss(pass, loss, used, true, targets.weights != nullptr);
    penalties_.compute(pass.kernels, pass.team, pass.parameters, pass.workspace.penalties.data());
    for (std::size_t i = architecture_.first_trained; i < used; ++i)
        if (stages()[i]->takes_part_backward()) stages()[i]->prepare_backward(pass);
}

// The loss of the batch, and how many of its samples were answered rightly. Where processes share
// it, these have told each other by now.
Network::BatchResult Network::batch_result(const Pass& pass, Loss loss) const {
    const Workspace& w = pass.workspace;
    double sum = 0, penalty = 0;
    std::int64_t correct = 0;
    for (std::ptrdiff_t r = 0; r < pass.batch(); ++r) {
        if (pass.shared != nullptr) {
            sum += static_cast<double>(w.gathered.row(r)[0]);
            correct += w.gathered.row(r)[1] != 0.0f;
        } else {
            sum += static_cast<double>(w.losses[r]);
            correct += answered_rightly(w, r);
        }
    }
    for (const double part : w.penalties) penalty += part;
    return {(loss == Loss::sse ? sum : sum / static_cast<double>(pass.batch())) + penalty, correct};
}

void Network::backward(const BackwardPass& pass, Loss loss) const {
    BackwardPass without_update = pass;
    without_update.learning_rate = nullptr;
    Sums sums(*this, pass, stages_before(loss));
    const auto is_fixed = [](const Stage& stage) {
        return !stage.trains && !stage.parameters.empty();
    };
    const auto finish = [&](const Stage& stage) {
        if (is_fixed(stage)) return;
        // Nobody asks for the sums of no samples.
        if (pass.rows > 0 || !stage.adds_up())
            stage.backward_weights(stage.has_fixed_factors() ? without_update : pass);
        if (stage.has_fixed_factors() && pass.shared == nullptr) unfold_gradients(pass, stage);
        if (pass.shared != nullptr) sums.add(stage);
    };
    for (std::size_t i = stages_before(loss); i-- > architecture_.first_trained;) {
        const Stage& stage = *stages()[i];
        if (!stage.takes_part_backward() || stage.backward_is_left) continue;
        const Traced span(pass.trace, "backward", static_cast<std::ptrdiff_t>(i));
        stage.backward_data(is_fixed(stage) || stage.has_fixed_factors() ? without_update : pass);
        if (stage.behind != nullptr && stage.behind->backward_is_left) finish(*stage.behind);
        finish(stage);
    }
    if (pass.shared != nullptr) complete_gradients(pass, loss, sums);
    if (penalties_.any())
        penalties_.add_gradient(pass.kernels, pass.team, pass.parameters, pass.gradients);
}

// What the processes tell each other once each has gone backward; then all have all gradients.
void Network::complete_gradients(const BackwardPass& pass, Loss loss, Sums& sums) const {
    Workspace& w = pass.workspace;
    const std::ptrdiff_t first = pass.share().first_row();
    for (std::ptrdiff_t r = 0; r < pass.rows; ++r) {
        w.gathered.row(first + r)[0] = w.losses[r];
        w.gathered.row(first + r)[1] = answered_rightly(w, r) ? 1.0f : 0.0f;
    }
    sums.begin();
    pass.shared->gather(w.gathered.data, w.gathered.stride());
    sums.finish();
    for (std::size_t i = architecture_.first_trained; i < stages_before(loss); ++i) {
        const Stage& stage = *stages()[i];
        if (!stage.trains) continue;
        const Traced span(pass.trace, "whole batch", static_cast<std::ptrdiff_t>(i));
        stage.whole_batch_weights(pass);
        if (stage.has_fixed_factors()) unfold_gradients(pass, stage);
    }
}

double Network::penalty() const {
    const std::shared_lock lock(mutex_);
    std::vector<double> parts(penalties_.size());
    penalties_.compute(kernels::active(), runtime::Team(), parameters_.data(), parts.data());
    double sum = 0;
    for (const double part : parts) sum += part;
    return sum;
}

double Network::compute_gradients(const Images& images, const Targets& targets, Loss loss) {
    const std::unique_lock lock(mutex_);
    const int threads =
        threads_for(3 * architecture_.multiply_adds() * static_cast<double>(images.count));
    Workspace& workspace = training_workspace_;
    plan(architecture_, workspace, images.count, true, threads, true, 0);
    workspace.penalties.resize(penalties_.size());
    prepare_folds();
    last_rows_ = images.count;
    double result = 0;
    const kernels::Kernels& kernels = kernels::active();  // may throw: not inside the team
    runtime::run_team(threads, [&](runtime::Team& team) {
        const BackwardPass pass{{.kernels = kernels,
                                 .team = team,
                                 .workspace = workspace,
                                 .rows = images.count,
                                 .parameters = parameters_.data(),
                                 .purpose = Purpose::gradients,
                                 .folded = trained_folds_.data()},
                                parameters_.data(),
                                gradients_.data(),
                                nullptr};
        forward_and_losses(pass, images, targets, nullptr, loss);
        result = batch_result(pass, loss).loss;
        backward(pass, loss);
    });
    has_statistics_ = true;
    return result;
}

void Network::apply_gradients(const Optimizer& optimizer) {
    const std::unique_lock lock(mutex_);
    folded_ = false;
    show_weights();
    optimizer_.prepare(optimizer);
    const kernels::Kernels& kernels = kernels::active();
    if (optimizer.is_plain()) {
        kernels.sgd_update(architecture_.parameter_floats, optimizer.learning_rate,
                           gradients_.data(), parameters_.data());
    } else {
        optimizer_.update(kernels, runtime::Team(), optimizer, optimizer.learning_rate, 0,
                          gradients_.data(), parameters_.data());
    }
    if (std::exchange(has_statistics_, false)) move_averages(0);
    count_updates(optimizer, 1);
}

void Network::move_averages(std::size_t first) {
    for (std::size_t i = first; i < stages().size(); ++i)
        stages()[i]->move_averages(training_workspace_, parameters_.data());
}

// Training goes on from the weights, not from their average.
void Network::show_weights() {
    if (shows_average_) optimizer_.exchange_average(parameters_);
    shows_average_ = false;
}

void Network::count_updates(const Optimizer& optimizer, std::size_t updates) {
    optimizer_.add_steps(static_cast<std::int64_t>(updates));
    if (optimizer.use_ema && updates > 0) optimizer_.set_average_started();
}

StepResults Network::train_steps(const Images& images, const Targets& targets,
                                 const std::int32_t* indices, std::ptrdiff_t count,
                                 std::ptrdiff_t batch_size, Loss loss, const Optimizer& optimizer,
                                 const Randomness& randomness, const double* learning_rates,
                                 Exchange* exchange, Trace* trace) {
    const std::unique_lock lock(mutex_);
    if (images.augmentation != nullptr) {
        images.augmentation->validate();
        if (images.extracted)
            throw std::invalid_argument(
                "augmentation changes images, and not what a part of the "
                "network made of them");
        if (input_shape().size() != 3)
            throw std::invalid_argument(
                "augmentation needs images (height, width, channels), but this network takes " +
                to_string(input_shape()));
    }
    if (count == 0) return {};
    batch_size = std::min(batch_size, count);
    // What this process has of a batch: all of it, unless others share it.
    std::optional<SharedBatch> shared;
    if (exchange != nullptr) shared.emplace(*exchange, trace);
    const auto share_of_batch = [&](std::ptrdiff_t batch) {
        if (!shared) return Share::whole(batch);
        shared->set(batch);
        return shared->own();
    };
    const std::ptrdiff_t tail = count % batch_size;
    const std::ptrdiff_t largest = std::max(
        {std::ptrdiff_t{1}, share_of_batch(batch_size).rows(), share_of_batch(tail).rows()});
    const std::size_t begin = first_stage(images.extracted);
    const int threads =
        threads_for(3 * architecture_.multiply_adds(begin) * static_cast<double>(largest));
    Workspace& workspace = training_workspace_;
    last_rows_ = 0;
    has_statistics_ = false;
    // What people look at is written and kept, which takes time, too.
    if (workspace.keeps_inner) workspace = Workspace();
    plan(architecture_, workspace, largest, true, threads, false, begin, shared ? batch_size : 0);
    workspace.penalties.resize(penalties_.size());
    if (shared) workspace.sums.resize(parameters_.size());
    folded_ = false;
    show_weights();
    optimizer_.prepare(optimizer);
    prepare_folds();
    // A penalty's gradient is added before weights change, so that no stage may update its own.
    // Nor where processes share a batch: should one fail, the weights are those before the step.
    const bool plain = optimizer.is_plain() && !penalties_.any() && !shared;
    const std::size_t steps = static_cast<std::size_t>((count + batch_size - 1) / batch_size);
    StepResults results;
    results.losses.assign(steps, 0.0);
    results.correct.assign(steps, 0);
    std::size_t done = 0, updates = 0;
    const kernels::Kernels& kernels = kernels::active();  // may throw: not inside the team
    const auto all_steps = [&](runtime::Team& team) {
        for (std::size_t step = 0; step < steps; ++step) {
            const runtime::Stretch stretch(training_pace_, team);
            const Traced whole(trace, "step");
            const std::ptrdiff_t first = static_cast<std::ptrdiff_t>(step) * batch_size;
            const Share share = share_of_batch(std::min(batch_size, count - first));
            const std::int32_t* const own = indices + first + share.first_row();
            const float learning_rate = learning_rates == nullptr
                                            ? optimizer.learning_rate
                                            : static_cast<float>(learning_rates[step]);
            const BackwardPass pass{{.kernels = kernels,
                                     .team = team,
                                     .workspace = workspace,
                                     .rows = share.rows(),
                                     .parameters = parameters_.data(),
                                     .purpose = Purpose::training,
                                     .folded = trained_folds_.data(),
                                     .randomness = randomness,
                                     .samples = own,
                                     .trace = trace,
                                     .shared = shared ? &*shared : nullptr},
                                    parameters_.data(),
                                    gradients_.data(),
                                    plain ? &learning_rate : nullptr};
            forward_and_losses(pass, images, targets, own, loss);
            if (shared) backward(pass, loss);  // only then the loss is known
            const BatchResult result = batch_result(pass, loss);
            results.losses[step] = result.loss;
            results.correct[step] = result.correct;
            done = step + 1;
            if (!std::isfinite(result.loss)) break;
            if (!shared) backward(pass, loss);
            const Traced update(trace, "update");
            if (!plain)
                optimizer_.update(kernels, team, optimizer, learning_rate,
                                  static_cast<std::int64_t>(step), gradients_.data(),
                                  parameters_.data());
            move_averages(begin);
            updates = step + 1;
        }
    };
    try {
        runtime::run_team(threads, all_steps);
    } catch (...) {  // the steps before that of a failed exchange are done
        count_updates(optimizer, updates);
        throw;
    }
    count_updates(optimizer, updates);
    results.losses.resize(done);
    results.correct.resize(done);
    return results;
}

}  // namespace nncore::network
