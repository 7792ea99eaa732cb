#include "backbone/kernels/attend_rows.h"

#include "backbone/kernels/function_parts.h"
#include "backbone/kernels/row_math.h"
#include "backbone/kernels/runs.h"
#include "backbone/kernels/small_products.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace peftbench::backbone::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// One sequence. Queries of all heads are worked on together, as rows: row i·H + h is query i of head h.
struct RowsTask {
  std::int64_t sequence, first_query, queries, first_key, keys;
};

class RowsOperands {
 public:
  RowsOperands(const RowsInputs& in, const AttendOptions& options)
      : options_(options),
        depth_(in.x.size(1)),
        size_(in.v.defined() ? in.v.size(1) / options.heads : in.x.size(1)),
        prefix_(in.before.defined() ? in.before.size(2) : 0),
        q_(in.q.const_data_ptr<float>()),
        x_(in.x.const_data_ptr<float>()),
        v_(data_or_null(in.v)),
        before_(data_or_null(in.before)) {
    for (std::int64_t n = 0; n < sequences(); ++n) {
      const RowsTask one = task(n);
      most_keys_ = std::max(most_keys_, one.keys);
      most_rows_ = std::max(most_rows_, std::min(block(one), one.queries) * heads());
    }
  }
  std::int64_t heads() const { return options_.heads; }
  std::int64_t depth() const { return depth_; }  // D
  std::int64_t size() const { return size_; }    // of a value: K, or D
  std::int64_t prefix() const { return prefix_; }
  bool own_values() const { return v_ != nullptr; }  // of each head, beside x
  std::int64_t most_keys() const { return most_keys_; }
  std::int64_t most_rows() const { return most_rows_; }
  std::int64_t sequences() const { return std::ssize(options_.queries) - 1; }
  float scale() const { return static_cast<float>(options_.scale); }
  at::ScalarType type() const { return options_.products; }
  RowsTask task(std::int64_t number) const {
    const auto b = static_cast<std::size_t>(number);
    return {number, options_.queries[b], options_.queries[b + 1] - options_.queries[b], options_.keys[b],
            options_.keys[b + 1] - options_.keys[b]};
  }
  // The most queries that are worked on at a time.
  std::int64_t block(const RowsTask& task) const {
    return std::max<std::int64_t>(1, most_scores / ((prefix_ + task.keys + 1) * heads()));
  }
  MatrixView q(std::int64_t query, std::int64_t count) const { return of_rows(q_, query, count, depth_); }
  MatrixView x(const RowsTask& task) const { return {x_ + task.first_key * depth_, depth_, task.keys, depth_}; }
  MatrixView v(const RowsTask& task, std::int64_t head) const {
    const std::int64_t width = heads() * size_;
    return {v_ + task.first_key * width + head * size_, width, task.keys, size_};
  }
  // Of a tensor [N, H, columns], the rows of some queries.
  MatrixView of_rows(const float* all, std::int64_t query, std::int64_t count, std::int64_t columns) const {
    return {all + query * heads() * columns, columns, count * heads(), columns};
  }
  // Of a tensor [N, H, columns], or a block of it, the rows of a head.
  MatrixView of_head(const float* block, std::int64_t head, std::int64_t count, std::int64_t columns,
                     std::int64_t stride) const {
    return {block + head * stride, heads() * stride, count, columns};
  }
  const float* before(std::int64_t row) const { return before_ + row * prefix_; }
  const float* mask(const RowsTask& task, std::int64_t row, float* buffer) const {
    if (!options_.dropout) return nullptr;
    options_.dropout->fill(task.sequence, row % heads(), row / heads(), buffer, prefix_ + task.keys);
    return buffer;
  }

 private:
  const AttendOptions& options_;
  std::int64_t depth_, size_, prefix_;
  const float *q_, *x_, *v_, *before_;
  std::int64_t most_keys_ = 0, most_rows_ = 0;
};

// Memory of one thread.
struct RowsScratch {
  explicit RowsScratch(const RowsOperands& of)
      : stride(of.prefix() + of.most_keys()),
        x_left(of.type()),
        left(of.type()),
        x_right(of.type()),
        right(of.type()),
        scores(floats(of.most_rows() * stride)),
        gradients(floats(of.most_rows() * stride)),
        product(floats(std::max(in_steps(of.most_keys()), in_steps(of.most_rows())) *
                       in_steps(std::max({of.depth(), of.size(), of.most_rows(), of.most_keys()})))),
        mask(floats(stride)),
        inverse(static_cast<std::size_t>(of.most_rows())) {}
  static std::unique_ptr<float[]> floats(std::int64_t count) {
    return std::make_unique_for_overwrite<float[]>(static_cast<std::size_t>(count));
  }
  std::int64_t stride;  // of scores
  LeftMatrix x_left, left;
  RightMatrix x_right, right;
  std::unique_ptr<float[]> scores, gradients, product, mask;
  std::vector<float> inverse;
};

template <class Work>
void for_sequences(const RowsOperands& operands, const Work& work) {
  in_turn(
      operands.sequences(), [&] { return RowsScratch(operands); },
      [&](std::int64_t n, RowsScratch& scratch) { work(operands.task(n), scratch); });
}

// rows · xᵀ into the columns of x, of rows `stride` apart: through x · rowsᵀ, since x is far larger than the rows.
void times_x(const MatrixView& rows, const RowsTask& task, RowsScratch& scratch, float* to) {
  scratch.right.take_transposed(rows);
  multiply(scratch.x_left, scratch.right, false, scratch.product.get());
  transpose_rows(scratch.product.get(), in_steps(rows.rows), task.keys, rows.rows, to, scratch.stride);
}

// The scores of a block of queries, as products give them.
void scores_of(const RowsOperands& operands, const RowsTask& task, std::int64_t first, std::int64_t count,
               RowsScratch& scratch) {
  const std::int64_t prefix = operands.prefix(), heads = operands.heads(), row = (task.first_query + first) * heads;
  float* s = scratch.scores.get();
  times_x(operands.q(task.first_query + first, count), task, scratch, s + prefix);
  for (std::int64_t i = 0; prefix > 0 && i < count * heads; ++i)
    std::copy_n(operands.before(row + i), prefix, s + i * scratch.stride);
}

void attend_sequence(const RowsOperands& operands, const RowsTask& task, RowsScratch& scratch, float* out,
                     float* prefix_weights, float* log_sums) {
  const std::int64_t heads = operands.heads(), prefix = operands.prefix(), all = prefix + task.keys,
                     stride = scratch.stride, size = operands.size();
  if (task.queries == 0) return;
  scratch.x_left.take(operands.x(task));
  if (!operands.own_values()) scratch.x_right.take(operands.x(task));
  for_blocks(task.queries, operands.block(task), [&](std::int64_t first, std::int64_t count) {
    scores_of(operands, task, first, count, scratch);
    const std::int64_t rows = count * heads, row = (task.first_query + first) * heads;
    float* s = scratch.scores.get();
    for (std::int64_t i = 0; i < rows; ++i) {
      const float* mask = operands.mask(task, first * heads + i, scratch.mask.get());
      const RowSoftmax of = exponentials_row(s + i * stride, operands.scale(), nullptr, mask, all);
      scratch.inverse[static_cast<std::size_t>(i)] = of.inverse;
      log_sums[row + i] = of.log_sum;
      if (prefix == 0) continue;
      float* weights = prefix_weights + (row + i) * prefix;
      std::copy_n(s + i * stride, prefix, weights);
      scale_row(weights, of.inverse, prefix);
    }
    const auto hand_out = [&](std::int64_t from, std::int64_t step, std::int64_t number) {
      for (std::int64_t i = 0; i < number; ++i) {
        float* one = scratch.product.get() + i * in_steps(size);
        scale_row(one, scratch.inverse[static_cast<std::size_t>(from + i * step)], size);
        std::copy_n(one, size, out + (row + from + i * step) * size);
      }
    };
    if (!operands.own_values()) {
      scratch.left.take({s + prefix, stride, rows, task.keys});
      multiply(scratch.left, scratch.x_right, false, scratch.product.get());
      hand_out(0, 1, rows);
      return;
    }
    for (std::int64_t h = 0; h < heads; ++h) {
      scratch.left.take(operands.of_head(s + prefix, h, count, task.keys, stride));
      scratch.right.take(operands.v(task, h));
      multiply(scratch.left, scratch.right, false, scratch.product.get());
      hand_out(h, heads, count);
    }
  });
}

// Where gradients go; null: not wanted. Those of x and v are added to.
struct RowsWanted {
  float *q = nullptr, *x = nullptr, *v = nullptr, *before = nullptr;
};

void add_rows(const float* from, std::int64_t from_stride, float* to, std::int64_t to_stride, std::int64_t rows,
              std::int64_t columns) {
  for (std::int64_t i = 0; i < rows; ++i)
    add_masked_row(to + i * to_stride, from + i * from_stride, nullptr, to + i * to_stride, columns);
}

void rows_gradient(const RowsOperands& operands, const RowsTask& task, RowsScratch& scratch, const float* d_out,
                   const float* d_weights, const float* log_sums, const RowsWanted& to) {
  const std::int64_t heads = operands.heads(), prefix = operands.prefix(), all = prefix + task.keys,
                     stride = scratch.stride, size = operands.size(), depth = operands.depth();
  if (task.queries == 0) return;
  scratch.x_left.take(operands.x(task));
  if (to.q != nullptr) scratch.x_right.take(operands.x(task));
  float *s = scratch.scores.get(), *ds = scratch.gradients.get(), *product = scratch.product.get();
  for_blocks(task.queries, operands.block(task), [&](std::int64_t first, std::int64_t count) {
    const std::int64_t query = task.first_query + first, rows = count * heads, row = query * heads;
    scores_of(operands, task, first, count, scratch);
    const MatrixView d = operands.of_rows(d_out, query, count, size);
    if (!operands.own_values()) {
      times_x(d, task, scratch, ds + prefix);
    } else {
      for (std::int64_t h = 0; h < heads; ++h) {
        scratch.left.take(operands.of_head(d.data, h, count, size, size));
        scratch.right.take_transposed(operands.v(task, h));
        multiply(scratch.left, scratch.right, false, product);
        for (std::int64_t i = 0; i < count; ++i)
          std::copy_n(product + i * in_steps(task.keys), task.keys, ds + (i * heads + h) * stride + prefix);
      }
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      if (prefix > 0 && d_weights != nullptr) std::copy_n(d_weights + (row + i) * prefix, prefix, ds + i * stride);
      if (prefix > 0 && d_weights == nullptr) std::fill_n(ds + i * stride, prefix, 0.0F);
      const float* mask = operands.mask(task, first * heads + i, scratch.mask.get());
      softmax_gradient_row(s + i * stride, ds + i * stride, operands.scale(), nullptr, mask, log_sums[row + i], all);
      if (to.before != nullptr) std::copy_n(ds + i * stride, prefix, to.before + (row + i) * prefix);
    }
    // weightsᵀ · rows, one for each key.
    const auto by_key = [&](const MatrixView& weights, const MatrixView& of, bool add) {
      scratch.left.take_transposed(weights);
      scratch.right.take(of);
      multiply(scratch.left, scratch.right, add, product);
    };
    if (to.x != nullptr) {
      by_key({ds + prefix, stride, rows, task.keys}, operands.q(query, count), false);
      if (!operands.own_values()) by_key({s + prefix, stride, rows, task.keys}, d, true);
      add_rows(product, in_steps(depth), to.x + task.first_key * depth, depth, task.keys, depth);
    }
    for (std::int64_t h = 0; to.v != nullptr && h < heads; ++h) {
      by_key(operands.of_head(s + prefix, h, count, task.keys, stride), operands.of_head(d.data, h, count, size, size),
             false);
      add_rows(product, in_steps(size), to.v + (task.first_key * heads + h) * size, heads * size, task.keys, size);
    }
    if (to.q == nullptr) return;
    scratch.left.take({ds + prefix, stride, rows, task.keys});
    multiply(scratch.left, scratch.x_right, false, product);
    for (std::int64_t i = 0; i < rows; ++i) std::copy_n(product + i * in_steps(depth), depth, to.q + (row + i) * depth);
  });
}

struct AttendRowsFunction final : torch::autograd::Function<AttendRowsFunction> {
  struct Call {
    AttendOptions options;
    bool q, x, v, before;
  };

  static variable_list forward(AutogradContext* context, const Tensor& q, const Tensor& x,
                               const std::optional<Tensor>& v, const std::optional<Tensor>& before,
                               AttendOptions options) {
    Call call{std::move(options), q.requires_grad(), x.requires_grad(), wants_gradient(v), wants_gradient(before)};
    const RowsInputs inputs{q.contiguous(), x.contiguous(), contiguous_or_undefined(v),
                            contiguous_or_undefined(before)};
    const RowsOperands operands(inputs, call.options);
    const Tensor out = at::empty({q.size(0), operands.heads() * operands.size()}, q.options()),
                 log_sums = at::empty({q.size(0), operands.heads()}, q.options());
    variable_list results = {out};
    if (before) results.push_back(at::empty_like(inputs.before));
    float *to = out.mutable_data_ptr<float>(), *sums = log_sums.mutable_data_ptr<float>(),
          *weights = before ? results.back().mutable_data_ptr<float>() : nullptr;
    for_sequences(operands, [&](const RowsTask& task, RowsScratch& scratch) {
      attend_sequence(operands, task, scratch, to, weights, sums);
    });
    context->save_for_backward({inputs.q, inputs.x, inputs.v, inputs.before, log_sums});
    keep(context, std::move(call));
    return results;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Call& call = kept<Call>(context);
    const RowsInputs inputs{saved[0], saved[1], saved[2], saved[3]};
    const RowsOperands operands(inputs, call.options);
    const Tensor d_out = gradients[0].defined()
                             ? gradients[0].contiguous()
                             : at::zeros({inputs.q.size(0), operands.heads() * operands.size()}, inputs.q.options());
    const Tensor d_weights = gradients.size() > 1 && gradients[1].defined() ? gradients[1].contiguous() : Tensor();
    const auto like = [](const Tensor& of, bool wanted) { return wanted ? at::zeros_like(of) : Tensor(); };
    const Tensor dq = like(inputs.q, call.q), dx = like(inputs.x, call.x), dv = like(inputs.v, call.v),
                 d_before = like(inputs.before, call.before);
    const RowsWanted to{mutable_data_or_null(dq), mutable_data_or_null(dx), mutable_data_or_null(dv),
                        mutable_data_or_null(d_before)};
    const float *of_out = d_out.const_data_ptr<float>(), *of_weights = data_or_null(d_weights),
                *sums = saved[4].const_data_ptr<float>();
    for_sequences(operands, [&](const RowsTask& task, RowsScratch& scratch) {
      rows_gradient(operands, task, scratch, of_out, of_weights, sums, to);
    });
    return {dq, dx, dv, d_before, Tensor()};
  }
};

}  // namespace

RowsOutputs attend_rows(const RowsInputs& inputs, AttendOptions options) {
  const variable_list results = AttendRowsFunction::apply(inputs.q, inputs.x, if_defined(inputs.v),
                                                          if_defined(inputs.before), std::move(options));
  return {results[0], results.size() > 1 ? results[1] : Tensor()};
}

}  // namespace peftbench::backbone::kernels
