#include "backbone/kernels/frozen_matrix.h"
#include "backbone/kernels/function_parts.h"
#include "backbone/kernels/row_math.h"
#include "backbone/kernels/runs.h"
#include "backbone/kernels/small_products.h"

#include <peftbench/tensor.h>

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <vector>

namespace peftbench {
namespace backbone::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

FrozenMatrix packed(const Tensor& matrix) { return {matrix.detach(), at::kFloat}; }

struct LowRankFunction final : torch::autograd::Function<LowRankFunction> {
  struct Call {
    double scale;
    bool base, x, factors;  // of what a gradient is asked for
  };

  static Tensor forward(AutogradContext* context, const Tensor& base, const Tensor& given, const Tensor& a,
                        const Tensor& b, double scale) {
    const Tensor x = given.contiguous(), of_base = base.contiguous(), out = at::empty_like(of_base);
    const std::int64_t rows = x.size(0), in = x.size(1), rank = a.size(0), width = b.size(0);
    const Tensor low = at::empty({rows, rank}, x.options());  // scale · x Aᵀ
    const FrozenMatrix down = packed(a), up = packed(b);
    const float *from = x.const_data_ptr<float>(), *before = of_base.const_data_ptr<float>();
    float *between = low.mutable_data_ptr<float>(), *to = out.mutable_data_ptr<float>();
    for_runs(rows, 0, [&](Run& run, std::int64_t first, std::int64_t count) {
      float* own = between + first * rank;
      run.left.take(from + first * in, in, count, in, at::kFloat);
      run.left.multiply(down, own, rank);
      scale_row(own, static_cast<float>(scale), count * rank);
      run.left.take(own, rank, count, rank, at::kFloat);
      std::copy_n(before + first * width, count * width, to + first * width);
      run.left.multiply(up, to + first * width, width, true);
    });
    context->save_for_backward({x, a, b, low});
    keep(context, Call{scale, base.requires_grad(), given.requires_grad(), a.requires_grad() || b.requires_grad()});
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Call& call = kept<Call>(context);
    const Tensor &x = saved[0], &a = saved[1], &b = saved[2], &low = saved[3], g = gradients[0].contiguous();
    const std::int64_t rows = x.size(0), in = x.size(1), rank = a.size(0), width = b.size(0), most = ProductRows::most;
    const FrozenMatrix down = packed(b.t()), up = packed(a.t());
    const Tensor dx = call.x ? at::empty_like(x) : Tensor();
    // The sums over rows are made of runs of a fixed length, in their order: the same for any number of threads.
    const std::int64_t runs = call.factors ? (rows + most - 1) / most : 0, padded = in_steps(rank);
    const std::int64_t of_a = padded * in_steps(in), of_b = padded * in_steps(width);
    const Tensor sums = at::empty({runs, of_a + of_b}, x.options());
    const float *d = g.const_data_ptr<float>(), *from = x.const_data_ptr<float>(),
                *between = low.const_data_ptr<float>();
    float *to = call.x ? dx.mutable_data_ptr<float>() : nullptr, *of_run = sums.mutable_data_ptr<float>();
    for_runs_of(most, rows, rank, [&](Run& run, std::int64_t first, std::int64_t count) {
      float* d_low = run.floats(rank);
      run.left.take(d + first * width, width, count, width, at::kFloat);
      run.left.multiply(down, d_low, rank);
      scale_row(d_low, static_cast<float>(call.scale), count * rank);
      if (to != nullptr) {
        run.left.take(d_low, rank, count, rank, at::kFloat);
        run.left.multiply(up, to + first * in, in);
      }
      if (runs == 0) return;
      float* own = of_run + first / most * (of_a + of_b);
      const auto sum = [&](const float* weights, const float* of, std::int64_t columns, float* into) {
        run.of_weights.take_transposed({weights, rank, count, rank});
        run.of_rows.take({of + first * columns, columns, count, columns});
        multiply(run.of_weights, run.of_rows, false, into);
      };
      sum(d_low, from, in, own);
      sum(between + first * rank, d, width, own + of_a);
    });
    Tensor da, db;
    if (runs > 0) {
      const Tensor total = at::zeros({of_a + of_b}, x.options());
      float* sum = total.mutable_data_ptr<float>();
      for (std::int64_t n = 0; n < runs; ++n)
        add_masked_row(sum, of_run + n * (of_a + of_b), nullptr, sum, of_a + of_b);
      da = total.narrow(0, 0, of_a).view({padded, -1}).narrow(0, 0, rank).narrow(1, 0, in);
      db = total.narrow(0, of_a, of_b).view({padded, -1}).narrow(0, 0, rank).narrow(1, 0, width).t();
    } else if (call.factors) {
      da = at::zeros_like(a);
      db = at::zeros_like(b);
    }
    return {call.base ? g : Tensor(), dx, da, db, Tensor()};
  }
};

}  // namespace
}  // namespace backbone::kernels

Tensor add_low_rank(const Tensor& base, const Tensor& x, const Tensor& a, const Tensor& b, double scale) {
  const auto fits = [](const Tensor& t) { return t.is_cpu() && t.scalar_type() == at::kFloat && t.dim() == 2; };
  if (fits(base) && fits(x) && fits(a) && fits(b) && x.size(1) == a.size(1) && a.size(0) == b.size(1) &&
      base.size(1) == b.size(0) && base.size(0) == x.size(0))
    return backbone::kernels::LowRankFunction::apply(base, x, a, b, scale);
  return at::addmm(base, linear(x, a), b.t(), 1, scale);
}

}  // namespace peftbench
