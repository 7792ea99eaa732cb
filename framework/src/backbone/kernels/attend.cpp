#include "backbone/kernels/attend.h"

#include "backbone/kernels/function_parts.h"
#include "backbone/kernels/row_math.h"
#include "backbone/kernels/runs.h"
#include "backbone/kernels/small_products.h"

#include <peftbench/error.h>

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace peftbench::backbone::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// One sequence and head.
struct Task {
  std::int64_t sequence, head;
  std::int64_t first_query, queries, first_key, keys;  // rows
};

// The tensors of a call as plain memory.
class Operands {
 public:
  Operands(const AttendInputs& inputs, const AttendOptions& options)
      : options_(options),
        width_(inputs.q.size(1)),
        size_(width_ / options.heads),
        prefix_(inputs.prefix_keys.defined() ? inputs.prefix_keys.size(1) : 0),
        q_(inputs.q.const_data_ptr<float>()),
        k_(inputs.k.const_data_ptr<float>()),
        v_(inputs.v.const_data_ptr<float>()),
        prefix_keys_(data_or_null(inputs.prefix_keys)),
        prefix_values_(data_or_null(inputs.prefix_values)),
        added_(data_or_null(inputs.added)) {
    if (added_ == nullptr) return;
    added_stride_ = inputs.added.size(3);
    added_head_stride_ = inputs.added.size(1) == 1 ? 0 : inputs.added.size(2) * added_stride_;
  }

  std::int64_t width() const { return width_; }  // H·K
  std::int64_t size() const { return size_; }    // K
  std::int64_t prefix() const { return prefix_; }
  std::int64_t rows() const { return options_.queries.back(); }  // N
  std::int64_t sequences() const { return static_cast<std::int64_t>(options_.queries.size()) - 1; }
  std::int64_t heads() const { return options_.heads; }
  std::int64_t tasks() const { return sequences() * heads(); }
  float scale() const { return static_cast<float>(options_.scale); }
  bool drops() const { return options_.dropout.has_value(); }

  Task task(std::int64_t number) const {
    const std::int64_t b = number / options_.heads;
    const auto at = static_cast<std::size_t>(b);
    return {b,
            number % options_.heads,
            options_.queries[at],
            options_.queries[at + 1] - options_.queries[at],
            options_.keys[at],
            options_.keys[at + 1] - options_.keys[at]};
  }
  // The most queries of a task that are worked on at a time.
  std::int64_t block(const Task& task) const {
    return std::clamp<std::int64_t>(most_scores / std::max<std::int64_t>(1, prefix_ + task.keys), 16,
                                    std::max<std::int64_t>(16, task.queries));
  }

  at::ScalarType type() const { return options_.products; }
  std::int64_t place(std::int64_t row, const Task& task) const { return row * width_ + task.head * size_; }
  MatrixView q(const Task& task, std::int64_t first, std::int64_t count) const {
    return rows(q_, task.first_query + first, count, task);
  }
  // With those of the prefix before them, which are joined in `buffer`.
  MatrixView k(const Task& task, float* buffer) const { return joined(prefix_keys_, k_, task, buffer); }
  MatrixView v(const Task& task, float* buffer) const { return joined(prefix_values_, v_, task, buffer); }
  // Rows of a packed tensor [·, H·K], of the task's head.
  MatrixView rows(const float* packed, std::int64_t row, std::int64_t count, const Task& task) const {
    return {packed + place(row, task), width_, count, size_};
  }
  const float* added(const Task& task, std::int64_t query) const {
    return added_ == nullptr ? nullptr : added_ + added_place(task, query);
  }
  std::int64_t added_place(const Task& task, std::int64_t query) const {
    return task.head * added_head_stride_ + query * added_stride_;
  }
  const float* mask(const Task& task, std::int64_t query, float* buffer) const {
    if (!drops()) return nullptr;
    options_.dropout->fill(task.sequence, task.head, query, buffer, prefix_ + task.keys);
    return buffer;
  }
  // Where queries of a sequence share their mask, it is made once.
  bool shares_mask() const { return drops() && options_.dropout->queries == 1; }

 private:
  MatrixView joined(const float* before, const float* own, const Task& task, float* buffer) const {
    const MatrixView behind = rows(own, task.first_key, task.keys, task);
    if (prefix_ == 0) return behind;
    std::copy_n(before + task.head * prefix_ * size_, prefix_ * size_, buffer);
    for (std::int64_t i = 0; i < task.keys; ++i)
      std::copy_n(behind.data + i * width_, size_, buffer + (prefix_ + i) * size_);
    return {buffer, size_, prefix_ + task.keys, size_};
  }

  const AttendOptions& options_;
  std::int64_t width_, size_, prefix_;
  const float *q_, *k_, *v_, *prefix_keys_, *prefix_values_, *added_;
  std::int64_t added_stride_ = 0, added_head_stride_ = 0;
};

// Memory of one thread for a call: one block's scores, the gradient of them, what products give, and a mask.
struct Scratch {
  Scratch(const Operands& operands, bool gradient)
      : q(operands.type()),
        weights(operands.type()),
        d_out(operands.type()),
        k(operands.type()),
        v(operands.type()),
        other(operands.type()),
        of_rows(operands.type()) {
    std::int64_t most = 0, longest = 0, queries = 0;
    for (std::int64_t n = 0; n < operands.tasks(); ++n) {
      const Task task = operands.task(n);
      const std::int64_t block = in_steps(std::min(operands.block(task), task.queries));
      const std::int64_t all = in_steps(operands.prefix() + task.keys);
      longest = std::max(longest, all);
      queries = std::max(queries, block);
      most = std::max(most, block * all);
    }
    const std::int64_t size = in_steps(operands.size()), of_keys = longest * size;
    const std::int64_t all = most * (gradient ? 2 : 1) + longest + queries * size + of_keys * (gradient ? 3 : 1);
    memory = std::make_unique_for_overwrite<float[]>(static_cast<std::size_t>(all));
    float* next = memory.get();
    const auto take = [&](std::int64_t count) { return std::exchange(next, next + count); };
    scores = take(most);
    if (gradient) gradients = take(most);
    mask = take(longest);
    out = take(queries * size);
    joined = take(of_keys);
    if (gradient) d_keys = take(of_keys);
    if (gradient) d_values = take(of_keys);
  }
  std::unique_ptr<float[]> memory;
  float *scores, *gradients = nullptr, *mask, *out, *joined, *d_keys = nullptr, *d_values = nullptr;
  LeftMatrix q, weights, d_out;
  RightMatrix k, v, other, of_rows;
};

// Each task writes rows of its own. `by_head`: those of a head one after another on one thread.
template <class Work>
void for_tasks(const Operands& operands, bool gradient, bool by_head, const Work& work) {
  const std::int64_t heads = operands.heads(), each = by_head ? operands.sequences() : 1;
  in_turn(
      by_head ? heads : operands.tasks(), [&] { return Scratch(operands, gradient); },
      [&](std::int64_t n, Scratch& scratch) {
        for (std::int64_t b = 0; b < each; ++b) work(operands.task(by_head ? b * heads + n : n), scratch);
      });
}

void attend_task(const Operands& operands, const Task& task, Scratch& scratch, float* out, float* log_sums) {
  const std::int64_t all = operands.prefix() + task.keys, stride = in_steps(all), size = operands.size();
  const float* shared = operands.shares_mask() ? operands.mask(task, 0, scratch.mask) : nullptr;
  scratch.k.take_transposed(operands.k(task, scratch.joined));
  scratch.v.take(operands.v(task, scratch.joined));
  for_blocks(task.queries, operands.block(task), [&](std::int64_t first, std::int64_t count) {
    scratch.q.take(operands.q(task, first, count));
    multiply(scratch.q, scratch.k, false, scratch.scores);
    float* to = out + operands.place(task.first_query + first, task);
    std::vector<float> factors(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
      const float* mask = shared != nullptr ? shared : operands.mask(task, first + i, scratch.mask);
      const RowSoftmax row =
          exponentials_row(scratch.scores + i * stride, operands.scale(), operands.added(task, first + i), mask, all);
      factors[static_cast<std::size_t>(i)] = row.inverse;
      log_sums[first + i] = row.log_sum;
    }
    scratch.weights.borrow({scratch.scores, stride, count, all});
    multiply(scratch.weights, scratch.v, false, scratch.out);
    for (std::int64_t i = 0; i < count; ++i) {
      float* row = scratch.out + i * in_steps(size);
      scale_row(row, factors[static_cast<std::size_t>(i)], size);
      std::copy_n(row, size, to + i * operands.width());
    }
  });
}

// Where gradients go; null: not wanted.
struct Wanted {
  float *q = nullptr, *k = nullptr, *v = nullptr;
  float *prefix_keys = nullptr, *prefix_values = nullptr;  // [B, H, P, K]
  float* added = nullptr;                                  // as `added`, a sum over sequences
};

void gradient_task(const Operands& operands, const Task& task, Scratch& scratch, const float* d_out,
                   const float* log_sums, const Wanted& to) {
  const std::int64_t prefix = operands.prefix(), all = prefix + task.keys, stride = in_steps(all),
                     size = operands.size(), width = operands.width(), row_size = in_steps(size);
  const float* shared = operands.shares_mask() ? operands.mask(task, 0, scratch.mask) : nullptr;
  const bool of_keys = to.k != nullptr || to.prefix_keys != nullptr;
  const bool of_values = to.v != nullptr || to.prefix_values != nullptr;
  const MatrixView keys = operands.k(task, scratch.joined);
  scratch.k.take_transposed(keys);
  if (to.q != nullptr) scratch.other.take(keys);
  scratch.v.take_transposed(operands.v(task, scratch.joined));
  for_blocks(task.queries, operands.block(task), [&](std::int64_t first, std::int64_t count) {
    const MatrixView q = operands.q(task, first, count),
                     d = operands.rows(d_out, task.first_query + first, count, task);
    float *s = scratch.scores, *ds = scratch.gradients;
    scratch.q.take(q);
    multiply(scratch.q, scratch.k, false, s);
    scratch.d_out.take(d);
    multiply(scratch.d_out, scratch.v, false, ds);
    for (std::int64_t i = 0; i < count; ++i) {
      const float* mask = shared != nullptr ? shared : operands.mask(task, first + i, scratch.mask);
      softmax_gradient_row(s + i * stride, ds + i * stride, operands.scale(), operands.added(task, first + i), mask,
                           log_sums[first + i], all);
    }
    for (std::int64_t i = 0; to.added != nullptr && i < count; ++i) {
      float* sum = to.added + operands.added_place(task, first + i);
      add_masked_row(sum, ds + i * stride, nullptr, sum, all);
    }
    // to [P + S, K] += weightsᵀ · rows
    const auto add_up = [&](const float* weights, const MatrixView& rows, float* into) {
      scratch.weights.take_transposed({weights, stride, count, all});
      scratch.of_rows.take(rows);
      multiply(scratch.weights, scratch.of_rows, first > 0, into);
    };
    if (of_values) add_up(s, d, scratch.d_values);
    if (of_keys) add_up(ds, q, scratch.d_keys);
    if (to.q == nullptr) return;
    scratch.weights.borrow({ds, stride, count, all});
    multiply(scratch.weights, scratch.other, false, scratch.out);
    for (std::int64_t i = 0; i < count; ++i)
      std::copy_n(scratch.out + i * row_size, size, to.q + operands.place(task.first_query + first + i, task));
  });
  if (task.queries == 0) return;
  const std::int64_t heads = width / size;
  const auto hand_out = [&](const float* rows, float* own, float* of_prefix) {
    for (std::int64_t i = 0; of_prefix != nullptr && i < prefix; ++i)
      std::copy_n(rows + i * row_size, size, of_prefix + ((task.sequence * heads + task.head) * prefix + i) * size);
    for (std::int64_t i = 0; own != nullptr && i < task.keys; ++i)
      std::copy_n(rows + (prefix + i) * row_size, size, own + operands.place(task.first_key + i, task));
  };
  if (of_values) hand_out(scratch.d_values, to.v, to.prefix_values);
  if (of_keys) hand_out(scratch.d_keys, to.k, to.prefix_keys);
}

struct AttendFunction final : torch::autograd::Function<AttendFunction> {
  // What the gradient is asked for, in the order of the arguments.
  struct Call {
    AttendOptions options;
    bool q, k, v, prefix_keys, prefix_values, added;
  };

  static Tensor forward(AutogradContext* context, const Tensor& q, const Tensor& k, const Tensor& v,
                        const std::optional<Tensor>& prefix_keys, const std::optional<Tensor>& prefix_values,
                        const std::optional<Tensor>& added, AttendOptions options) {
    const Call call{std::move(options),   q.requires_grad(),           k.requires_grad(),
                    v.requires_grad(),    wants_gradient(prefix_keys), wants_gradient(prefix_values),
                    wants_gradient(added)};
    const AttendInputs inputs{q.contiguous(),
                              k.contiguous(),
                              v.contiguous(),
                              contiguous_or_undefined(prefix_keys),
                              contiguous_or_undefined(prefix_values),
                              contiguous_or_undefined(added)};
    const Tensor out = at::empty_like(inputs.q), log_sums = at::empty({call.options.heads, q.size(0)}, q.options());
    const Operands operands(inputs, call.options);
    float *to = out.mutable_data_ptr<float>(), *sums = log_sums.mutable_data_ptr<float>();
    for_tasks(operands, false, false, [&](const Task& task, Scratch& scratch) {
      attend_task(operands, task, scratch, to, sums_of(sums, operands, task));
    });
    context->save_for_backward(
        {inputs.q, inputs.k, inputs.v, inputs.prefix_keys, inputs.prefix_values, inputs.added, log_sums});
    keep(context, call);
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    variable_list saved = context->get_saved_variables();
    const Call& call = kept<Call>(context);
    const AttendInputs inputs{saved[0], saved[1], saved[2], saved[3], saved[4], saved[5]};
    const Tensor d_out = gradients[0].contiguous();
    const Operands operands(inputs, call.options);
    // A sequence without queries gives no gradient to its keys.
    const Tensor dq = call.q ? at::empty_like(inputs.q) : Tensor();
    const Tensor dk = call.k ? at::zeros_like(inputs.k) : Tensor(), dv = call.v ? at::zeros_like(inputs.v) : Tensor();
    const auto by_sequence = [&](const Tensor& prefix, bool wanted) {
      if (!wanted) return Tensor();
      return at::zeros_like(prefix).unsqueeze(0).repeat({operands.sequences(), 1, 1, 1});
    };
    const Tensor d_keys = by_sequence(inputs.prefix_keys, call.prefix_keys);
    const Tensor d_values = by_sequence(inputs.prefix_values, call.prefix_values);
    const Tensor d_added = call.added ? at::zeros_like(inputs.added) : Tensor();
    const Wanted to{mutable_data_or_null(dq),     mutable_data_or_null(dk),       mutable_data_or_null(dv),
                    mutable_data_or_null(d_keys), mutable_data_or_null(d_values), mutable_data_or_null(d_added)};
    const float* d = d_out.const_data_ptr<float>();
    float* sums = saved[6].mutable_data_ptr<float>();
    for_tasks(operands, true, call.added, [&](const Task& task, Scratch& scratch) {
      gradient_task(operands, task, scratch, d, sums_of(sums, operands, task), to);
    });
    const auto summed = [](const Tensor& t) { return t.defined() ? t.sum(0) : t; };
    if (call.added && call.options.scale != 1) d_added.div_(call.options.scale);  // what is summed is that of q·k
    return {dq, dk, dv, summed(d_keys), summed(d_values), d_added, Tensor()};
  }

 private:
  // log Σ exp of a task's queries, by head and row.
  static float* sums_of(float* all, const Operands& operands, const Task& task) {
    const std::int64_t rows = operands.rows();
    return all + task.head * rows + task.first_query;
  }
};

}  // namespace

Tensor attend(const AttendInputs& inputs, AttendOptions options) {
  if (wants_gradient(inputs.added) && inputs.added.size(1) != options.heads)
    throw Error("what is added to scores has a gradient, and is not of each head");
  return AttendFunction::apply(inputs.q, inputs.k, inputs.v, if_defined(inputs.prefix_keys),
                               if_defined(inputs.prefix_values), if_defined(inputs.added), std::move(options));
}

}  // namespace peftbench::backbone::kernels
