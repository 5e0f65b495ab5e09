// The plan of a workspace: what there is place for, and what shares its place because it is never
// needed at the same time.
//
// Moments: 0, images are loaded; i + 1, stage i forward; S + 1, the loss; 2 S + 1 - i, stage i
// backward, S being the number of stages.
#include "planning.h"

#include <algorithm>

#include "../runtime/fences.h"
#include "buffer_plan.h"

namespace nncore::network {
namespace {

using Stages = std::vector<std::unique_ptr<Stage>>;

// From when to when something is needed.
struct Span {
    std::ptrdiff_t first, last;

    void take_in(std::ptrdiff_t moment) {
        first = std::min(first, moment);
        last = std::max(last, moment);
    }
};

class Moments {
 public:
    Moments(const Stages& stages, bool backward) : stages_(stages), backward_(backward) {}

    std::ptrdiff_t end() const { return 2 * count() + 2; }
    std::ptrdiff_t loss() const { return count() + 1; }
    static std::ptrdiff_t forward(std::size_t stage) {
        return static_cast<std::ptrdiff_t>(stage) + 1;
    }
    std::ptrdiff_t backward(std::size_t stage) const {
        return 2 * count() + 1 - static_cast<std::ptrdiff_t>(stage);
    }
    // Who leaves its output to a stage, or nobody.
    const Stage* maker(std::size_t stage) const {
        const Stage* const ahead =
            backward_ ? stages_[stage]->ahead : stages_[stage]->ahead_in_inference;
        const bool leaves = ahead != nullptr &&
                            (backward_ ? ahead->leaves_in_training : ahead->leaves_in_inference);
        return leaves ? ahead : nullptr;
    }
    bool goes_backward(std::size_t stage) const {
        return backward_ && stages_[stage]->takes_part_backward();
    }
    // A stage may go backward together with the one behind it, or the one before.
    std::ptrdiff_t begin_of(std::size_t stage) const {
        if (!stages_[stage]->takes_gradient) return backward(stage);
        std::size_t behind = stage + 1;
        while (stages_[behind]->ahead != stages_[stage].get()) ++behind;
        return backward(behind);
    }
    // Its weight gradients may be computed while the next one backward is at work.
    std::ptrdiff_t end_of(std::size_t stage) const {
        std::size_t next = stage;
        if (stages_[stage]->backward_is_left)
            while (stages_[next]->behind != stages_[stage].get()) --next;
        while (next-- > 0)
            if (goes_backward(next)) return backward(next);
        return end();
    }

    // Of the values in a buffer.
    Span of_values(std::size_t buffer) const {
        const auto written = static_cast<std::ptrdiff_t>(buffer);
        Span span{written, written};
        if (buffer > 0 && goes_backward(buffer - 1)) span.take_in(backward(buffer - 1));
        for (std::size_t i = 0; i < stages_.size(); ++i) {
            const auto inputs = stages_[i]->inputs();
            if (i != buffer && std::find(inputs.begin(), inputs.end(), buffer) == inputs.end())
                continue;
            span.take_in(forward(i));
            if (goes_backward(i)) span.take_in(end_of(i));
            // Who makes this stage's output reads the buffer then.
            for (std::size_t next = i + 1; next < stages_.size(); ++next)
                if (maker(next) == stages_[i].get()) {
                    span.take_in(forward(next));
                    if (goes_backward(next)) span.take_in(backward(next));
                }
        }
        return span;
    }
    // Of the delta of a buffer; the loss may write it where it is one of the last two.
    Span of_delta(std::size_t buffer) const {
        Span span{end(), 0};
        if (buffer + 1 >= stages_.size()) span.take_in(loss());
        const auto names = [&](const std::vector<std::size_t>& buffers) {
            return std::find(buffers.begin(), buffers.end(), buffer) != buffers.end();
        };
        for (std::size_t i = 0; i < stages_.size(); ++i) {
            if (!goes_backward(i)) continue;
            if (names(stages_[i]->deltas_written())) span.take_in(backward(i));
            if (names(stages_[i]->deltas_read())) {
                span.take_in(backward(i));
                span.take_in(end_of(i));
            }
        }
        return span;
    }

 private:
    std::ptrdiff_t count() const { return static_cast<std::ptrdiff_t>(stages_.size()); }

    const Stages& stages_;
    bool backward_;
};

}  // namespace

void plan(const Architecture& architecture, Workspace& workspace, std::ptrdiff_t rows,
          bool backward, int threads, bool keeps_inner, std::size_t first, std::ptrdiff_t batch) {
    const bool gathers = batch > 0 || workspace.gathers;
    batch = std::max(rows, batch);
    if (workspace.capacity >= rows && workspace.threads >= threads && workspace.batch >= batch &&
        (workspace.gathers || !gathers) && workspace.has_backward == backward &&
        workspace.first == first && (workspace.keeps_inner || !keeps_inner))
        return;
    rows = std::max(rows, workspace.capacity);
    batch = std::max(batch, workspace.batch);
    threads = std::max(threads, workspace.threads);
    keeps_inner = keeps_inner || workspace.keeps_inner;
    // Built aside: if memory runs out, the old workspace still stands.
    Workspace w;

    const Stages& stages = architecture.stages;
    const std::size_t buffers = stages.size() + 1;
    const auto flat = [](std::ptrdiff_t floats) { return Layout::of({floats}); };
    // A buffer has the border that its reader asks for. Where that is a stage whose output shows
    // the buffer itself, it is the next reader who asks.
    std::vector<Border> borders(buffers);
    for (std::size_t i = stages.size(); i-- > 0;)
        borders[i] =
            stages[i]->shown_buffer(backward) == i ? borders[i + 1] : stages[i]->input_border();
    // Which buffer each one is, and from when to when that is needed.
    const Moments moments(stages, backward);
    std::vector<std::size_t> memory_of(buffers);
    std::vector<Span> spans(buffers);
    for (std::size_t i = first; i < buffers; ++i) {
        const std::optional<std::size_t> shown =
            i == first ? std::nullopt : stages[i - 1]->shown_buffer(backward);
        memory_of[i] = shown && borders[*shown] == borders[i] ? memory_of[*shown] : i;
        spans[i] = moments.of_values(i);
        spans[memory_of[i]].take_in(spans[i].first);
        spans[memory_of[i]].take_in(spans[i].last);
    }
    // Flat samples are few floats, whose padding is relied on to be zero; people who look inside
    // want all there is; and what is loaded or given back stays as well.
    const auto lasts = [&](std::size_t i) {
        return keeps_inner || i == first || i + 2 >= buffers ||
               architecture.shape_before(i).size() == 1;
    };
    // The input of a normalization that is folded into the stage before has no delta of its own.
    const auto is_passed_on = [&](std::size_t i) {
        return i + 1 < buffers && (stages[i]->folds_in_training() ||
                                   (stages[i]->shares_delta() && !stages[i]->is_left &&
                                    architecture.shape_before(i).size() == 3));
    };
    // Outputs that the next stage makes, forward and backward, are nowhere.
    std::vector<bool> is_left(buffers, false);
    for (std::size_t i = first; i < stages.size() && !keeps_inner; ++i) {
        const Stage* const maker = moments.maker(i);
        if (maker != nullptr && maker->index >= first)
            std::fill_n(is_left.begin() + static_cast<std::ptrdiff_t>(maker->index) + 1,
                        i - maker->index, true);
    }
    const auto has_delta = [&](std::size_t i) {
        return backward && i > first && moments.goes_backward(i - 1) &&
               !(i < stages.size() && (stages[i]->is_left || stages[i]->hands_gradient() ||
                                       stages[i]->backward_is_left));
    };

    BufferPlan shared_memory;
    std::vector<std::ptrdiff_t> shared_sizes;
    const auto share = [&](std::ptrdiff_t floats, Span span) {
        // With a fence behind it, nothing may share its place at any time.
        if (runtime::kFence > 0) span = {0, moments.end()};
        shared_sizes.push_back(padded(floats));
        return shared_memory.add(shared_sizes.back() + runtime::kFence, span.first, span.last);
    };
    std::vector<std::size_t> value_places(buffers), delta_places(buffers),
        partial_places(stages.size());
    w.shares_memory.assign(buffers, false);
    std::ptrdiff_t image = 0, prepared = 0;
    for (std::size_t i = first; i < buffers; ++i) {
        const Shape& shape = architecture.shape_before(i);
        if (memory_of[i] == i && !lasts(i) && !is_left[i]) {
            value_places[i] = share(rows * Layout::of(shape, borders[i]).stride + kBlock, spans[i]);
            w.shares_memory[i] = true;
        }
        if (has_delta(i) && shape.size() == 3 && !is_passed_on(i)) {
            Span span = moments.of_delta(i);
            for (std::size_t b = i; b-- > first && is_passed_on(b);) {
                const Span before = moments.of_delta(b);
                span.take_in(before.first);
                span.take_in(before.last);
            }
            delta_places[i] = share(rows * Layout::of(shape).stride, span);
        }
    }
    for (std::size_t i = first; i < stages.size(); ++i) {
        const Stage::Sizes sizes = stages[i]->sizes(rows, backward);
        image = std::max(image, sizes.image);
        if (backward)
            image =
                std::max(image, stages[i]->image_for_chunk(std::min(rows, most_in_chunk(batch))));
        prepared = std::max(prepared, sizes.prepared);
        if (sizes.partials > 0)
            partial_places[i] = share(sizes.partials, {moments.begin_of(i), moments.end_of(i)});
    }
    const std::ptrdiff_t shared_floats = shared_memory.arrange();

    // Twice over the same list: first to add the sizes up, then to deal the places out.
    std::ptrdiff_t total = 0;
    float* base = nullptr;
    const auto take = [&](std::ptrdiff_t floats) {
        float* const place = base == nullptr ? nullptr : base + total;
        total += padded(floats) + runtime::kFence;
        if (base != nullptr) runtime::fence(base + total - runtime::kFence);
        return place;
    };
    const auto deal = [&] {
        total = 0;
        w.activations.assign(buffers, {});
        w.deltas.assign(buffers, {});
        w.saved.assign(stages.size(), {});
        w.moments.assign(stages.size(), {});
        w.gathered_places.assign(stages.size(), 0);
        w.inner.assign(stages.size(), {});
        w.shared.assign(stages.size(), nullptr);
        w.partials.assign(stages.size(), nullptr);
        w.scratch.assign(stages.size(), {});
        w.images.clear();
        w.image_users.assign(static_cast<std::size_t>(threads), stages.size());
        w.rowwise_scratch.clear();
        w.augmented.clear();
        float* const shared_base = take(shared_floats);
        const auto shared_place = [&](std::size_t number) {
            return base == nullptr ? nullptr : shared_base + shared_memory.place(number);
        };
        for (std::size_t number = 0; base != nullptr && number < shared_sizes.size(); ++number)
            runtime::fence(shared_place(number) + shared_sizes[number]);
        for (std::size_t i = first; i < buffers; ++i) {
            const Shape& shape = architecture.shape_before(i);
            const Layout layout = Layout::of(shape, borders[i]);
            // One spare block: pooled_weight_gradient reads up to 15 floats beyond the last image.
            w.activations[i] = is_left[i]          ? Rows{nullptr, layout}
                               : memory_of[i] != i ? w.activations[memory_of[i]]
                               : w.shares_memory[i]
                                   ? Rows{shared_place(value_places[i]), layout}
                                   : Rows{take(rows * layout.stride + kBlock), layout};
            const Layout compact = Layout::of(shape);
            if (has_delta(i) && !is_passed_on(i))
                w.deltas[i] = {
                    shape.size() == 3 ? shared_place(delta_places[i]) : take(rows * compact.stride),
                    compact};
        }
        for (std::size_t i = buffers; i-- > first;)  // one may be passed on through several
            if (is_passed_on(i)) w.deltas[i] = w.deltas[i + 1];
        std::ptrdiff_t gathered = padded(Workspace::kLossFloats);
        for (std::size_t i = first; i < stages.size(); ++i) {
            const Stage::Sizes sizes = stages[i]->sizes(rows, backward);
            w.saved[i] = {take(rows * flat(sizes.saved).stride), flat(sizes.saved)};
            if (sizes.moments > 0)
                w.moments[i] = {take(batch * flat(sizes.moments).stride), flat(sizes.moments)};
            w.gathered_places[i] = gathered;
            gathered += padded(sizes.gathered);
            if (keeps_inner) {
                const bool folded = stages[i]->folded && stages[i]->folded->in_training;
                const Layout inner =
                    folded ? Layout::of(stages[i]->output_shape) : flat(sizes.inner);
                w.inner[i] = {take(rows * inner.stride + kBlock), inner};
            }
            w.shared[i] = take(sizes.shared);
            if (sizes.partials > 0) w.partials[i] = shared_place(partial_places[i]);
            for (int t = 0; t < threads; ++t) w.scratch[i].push_back(take(sizes.scratch));
        }
        if (gathers) w.gathered = {take(batch * flat(gathered).stride), flat(gathered)};
        const Layout targets = flat(architecture.output_size());
        w.targets = {take(rows * targets.stride), targets};
        w.losses = take(rows);
        w.prepared = take(prepared);
        for (int t = 0; t < threads; ++t) {
            w.rowwise_scratch.push_back(take(3 * kBlock * padded(architecture.widest_row())));
            w.images.push_back(take(image));
        }
        for (int t = 0; backward && t < threads; ++t)
            w.augmented.push_back(take(element_count(architecture.input_shape)));
    };
    deal();
    w.storage = runtime::AlignedBuffer(static_cast<std::size_t>(total));
    base = w.storage.data();
    deal();
    w.predicted.assign(static_cast<std::size_t>(rows), 0);
    w.labels.assign(static_cast<std::size_t>(rows), 0);
    w.weights.assign(static_cast<std::size_t>(rows), 1.0f);
    w.capacity = rows;
    w.batch = batch;
    w.gathers = gathers;
    w.threads = threads;
    w.has_backward = backward;
    w.keeps_inner = keeps_inner;
    w.first = first;
    workspace = std::move(w);
}

}  // namespace nncore::network
