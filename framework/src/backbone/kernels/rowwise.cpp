#include "backbone/kernels/rowwise.h"

#include "backbone/kernels/function_parts.h"
#include "backbone/kernels/row_math.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace peftbench::backbone::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Masks = std::shared_ptr<const RowMasks>;

// Calls visit(row, mask of the row or null) for all rows of [N, C], shared between threads.
template <class Visit>
void for_rows(std::int64_t rows, std::int64_t columns, const RowMasks* masks, const Visit& visit) {
  const std::int64_t grain = std::max<std::int64_t>(1, (1 << 14) / std::max<std::int64_t>(1, columns));
  at::parallel_for(0, rows, grain, [&](std::int64_t first, std::int64_t last) {
    std::vector<float> buffer(masks == nullptr ? 0 : static_cast<std::size_t>(columns));
    for (std::int64_t row = first; row < last; ++row)
      visit(row, masks == nullptr ? nullptr : masks->of(row, buffer.data()));
  });
}

struct RmsNormFunction final : torch::autograd::Function<RmsNormFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& given, const std::optional<Tensor>& scale,
                        double epsilon) {
    const Tensor x = given.contiguous(), w = or_undefined(scale);
    const Tensor y = at::empty_like(x), inverse = at::empty({x.size(0)}, x.options());
    const std::int64_t columns = x.size(1);
    const float *from = x.const_data_ptr<float>(), *weight = data_or_null(w);
    float *to = y.mutable_data_ptr<float>(), *factors = inverse.mutable_data_ptr<float>();
    for_rows(x.size(0), columns, nullptr, [&](std::int64_t row, const float*) {
      factors[row] = norm_row(from + row * columns, weight, to + row * columns, columns, static_cast<float>(epsilon));
    });
    context->save_for_backward({x, w, inverse});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor &x = saved[0], dy = gradients[0].contiguous();
    const Tensor dx = at::empty_like(x);
    const std::int64_t columns = x.size(1);
    const float *g = dy.const_data_ptr<float>(), *from = x.const_data_ptr<float>(), *weight = data_or_null(saved[1]),
                *factors = saved[2].const_data_ptr<float>();
    float* to = dx.mutable_data_ptr<float>();
    for_rows(x.size(0), columns, nullptr, [&](std::int64_t row, const float*) {
      const std::int64_t at = row * columns;
      norm_gradient_row(g + at, from + at, weight, factors[row], to + at, columns);
    });
    return {dx, Tensor(), Tensor()};
  }
};

struct ActivateFunction final : torch::autograd::Function<ActivateFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& given, const std::optional<Tensor>& gate,
                        Activation activation, const Masks& masks) {
    const Tensor a = given.contiguous(), b = gate ? gate->contiguous() : Tensor();
    const Tensor y = at::empty_like(a);
    const std::int64_t columns = a.size(1);
    const float *from = a.const_data_ptr<float>(), *gates = data_or_null(b);
    float* to = y.mutable_data_ptr<float>();
    for_rows(a.size(0), columns, masks.get(), [&](std::int64_t row, const float* mask) {
      const std::int64_t at = row * columns;
      activate_row(activation, from + at, gates == nullptr ? nullptr : gates + at, mask, to + at, columns);
    });
    context->save_for_backward({a, b});
    keep(context, std::pair(activation, masks));
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto& [activation, masks] = kept<std::pair<Activation, Masks>>(context);
    const Tensor &a = saved[0], &b = saved[1], dy = gradients[0].contiguous();
    const Tensor da = at::empty_like(a), db = b.defined() ? at::empty_like(b) : Tensor();
    const std::int64_t columns = a.size(1);
    const float *g = dy.const_data_ptr<float>(), *from = a.const_data_ptr<float>(), *gates = data_or_null(b);
    float *to = da.mutable_data_ptr<float>(), *to_gate = db.defined() ? db.mutable_data_ptr<float>() : nullptr;
    for_rows(a.size(0), columns, masks.get(), [&, chosen = activation](std::int64_t row, const float* mask) {
      const std::int64_t at = row * columns;
      activation_gradient_row(chosen, g + at, from + at, gates == nullptr ? nullptr : gates + at, mask, to + at,
                              to_gate == nullptr ? nullptr : to_gate + at, columns);
    });
    return {da, db, Tensor(), Tensor()};
  }
};

struct AddMaskedFunction final : torch::autograd::Function<AddMaskedFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& given_x, const Tensor& given_y, const Masks& masks) {
    const Tensor x = given_x.contiguous(), y = given_y.contiguous(), out = at::empty_like(x);
    const std::int64_t columns = x.size(1);
    const float *left = x.const_data_ptr<float>(), *right = y.const_data_ptr<float>();
    float* to = out.mutable_data_ptr<float>();
    for_rows(x.size(0), columns, masks.get(), [&](std::int64_t row, const float* mask) {
      const std::int64_t at = row * columns;
      add_masked_row(left + at, right + at, mask, to + at, columns);
    });
    keep(context, masks);
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const Masks& masks = kept<Masks>(context);
    const Tensor g = gradients[0].contiguous(), dy = at::empty_like(g);
    const std::int64_t columns = g.size(1);
    const float* from = g.const_data_ptr<float>();
    float* to = dy.mutable_data_ptr<float>();
    for_rows(g.size(0), columns, masks.get(), [&](std::int64_t row, const float* mask) {
      multiply_row(from + row * columns, mask, to + row * columns, columns);
    });
    return {g, dy, Tensor()};
  }
};

}  // namespace

Tensor rms_norm(const Tensor& x, const Tensor& scale, double epsilon) {
  return RmsNormFunction::apply(x, if_defined(scale), epsilon);
}

bool has_kernel(Activation activation) { return activation != Activation::gelu; }

Tensor activate(const Tensor& a, const Tensor& gate, Activation activation, std::shared_ptr<const RowMasks> masks) {
  return ActivateFunction::apply(a, if_defined(gate), activation, masks);
}

Tensor add_masked(const Tensor& x, const Tensor& y, std::shared_ptr<const RowMasks> masks) {
  return AddMaskedFunction::apply(x, y, masks);
}

}  // namespace peftbench::backbone::kernels
