#include "backbone/kernels/segments.h"

#include "backbone/kernels/function_parts.h"
#include "backbone/kernels/row_math.h"
#include "backbone/kernels/runs.h"

#include <peftbench/error.h>

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <utility>

namespace peftbench::backbone::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Masks = std::shared_ptr<const RowMasks>;

// The norm of a call, on plain memory.
class NormRows {
 public:
  NormRows(const Norm& norm, std::int64_t columns)
      : scale_(data_or_null(norm.scale)), epsilon_(static_cast<float>(norm.epsilon)), columns_(columns) {}
  bool any() const { return scale_ != nullptr; }
  // Of `count` rows; their factors are written to `inverse`, and where the normed rows are is returned.
  const float* forward(const float* x, float* buffer, float* inverse, std::int64_t count) const {
    if (!any()) return x;
    for (std::int64_t i = 0; i < count; ++i)
      inverse[i] = norm_row(x + i * columns_, scale_, buffer + i * columns_, columns_, epsilon_);
    return buffer;
  }
  // dx from dh.
  void gradient(const float* dh, const float* x, const float* inverse, float* dx, std::int64_t count) const {
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t at = i * columns_;
      norm_gradient_row(dh + at, x + at, scale_, inverse[i], dx + at, columns_);
    }
  }

 private:
  const float* scale_;
  float epsilon_;
  std::int64_t columns_;
};

const float* mask_of(const Masks& masks, std::int64_t row, float* buffer) {
  return masks == nullptr ? nullptr : masks->of(row, buffer);
}

// mask ⊙ g of some rows from `first` on: g itself where there are no masks.
const float* masked(const float* g, const Masks& masks, std::int64_t first, std::int64_t count, std::int64_t columns,
                    float* buffer, float* mask_buffer) {
  if (masks == nullptr) return g;
  for (std::int64_t i = 0; i < count; ++i)
    multiply_row(g + i * columns, masks->of(first + i, mask_buffer), buffer + i * columns, columns);
  return buffer;
}

struct ProductsFunction final : torch::autograd::Function<ProductsFunction> {
  struct Call {
    double epsilon;
    FrozenMaps maps;
    bool normed;
  };

  static variable_list forward(AutogradContext* context, const Tensor& given, const std::optional<Tensor>& scale,
                               Call call) {
    const Tensor x = given.contiguous();
    const Norm norm{or_undefined(scale), call.epsilon};
    const std::int64_t rows = x.size(0), columns = x.size(1);
    const Tensor inverse = at::empty({norm.scale.defined() ? rows : 0}, x.options());
    const NormRows norms(norm, columns);
    variable_list out;
    std::vector<float*> to;
    for (const auto& map : call.maps) {
      out.push_back(at::empty({rows, map->weight().out()}, x.options()));
      to.push_back(out.back().mutable_data_ptr<float>());
    }
    if (call.normed) out.push_back(at::empty_like(x));
    float* normed = call.normed ? out.back().mutable_data_ptr<float>() : nullptr;
    const float* from = x.const_data_ptr<float>();
    float* factors = inverse.mutable_data_ptr<float>();
    for_runs(rows, columns, [&](Run& run, std::int64_t first, std::int64_t count) {
      float* buffer = normed != nullptr ? normed + first * columns : run.floats(columns);
      const float* h = norms.forward(from + first * columns, buffer, factors + first, count);
      for (std::size_t m = 0; m < to.size(); ++m) {
        const FrozenMatrix& weight = call.maps[m]->weight();
        if (m == 0 || weight.type() != call.maps[m - 1]->weight().type())
          run.left.take(h, columns, count, columns, weight.type());
        run.left.multiply(weight, to[m] + first * weight.out(), weight.out());
      }
    });
    context->save_for_backward({norm.scale.defined() ? x : Tensor(), norm.scale, inverse});
    keep(context, std::move(call));
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Call& call = kept<Call>(context);
    const Norm norm{saved[1], call.epsilon};
    std::vector<std::pair<Tensor, const FrozenMatrix*>> parts;
    for (std::size_t m = 0; m < call.maps.size(); ++m)
      if (gradients[m].defined()) parts.emplace_back(gradients[m].contiguous(), &call.maps[m]->transposed());
    const Tensor of_normed = call.normed && gradients.back().defined() ? gradients.back().contiguous() : Tensor();
    const Tensor& any = of_normed.defined() ? of_normed : parts.front().first;
    const std::int64_t rows = any.size(0), columns = call.maps.front()->weight().in();
    const Tensor dx = at::empty({rows, columns}, any.options());
    const float* own = data_or_null(of_normed);
    const NormRows norms(norm, columns);
    const float *from = data_or_null(saved[0]), *factors = saved[2].const_data_ptr<float>();
    float* to = dx.mutable_data_ptr<float>();
    for_runs(rows, columns, [&](Run& run, std::int64_t first, std::int64_t count) {
      float* out = to + first * columns;
      float* dh = norms.any() ? run.floats(columns) : out;
      if (own != nullptr) std::copy_n(own + first * columns, count * columns, dh);
      for (const auto& [gradient, matrix] : parts) {
        const std::int64_t width = matrix->in();
        run.left.take(gradient.const_data_ptr<float>() + first * width, width, count, width, matrix->type());
        run.left.multiply(*matrix, dh, columns, own != nullptr || &gradient != &parts.front().first);
      }
      if (norms.any()) norms.gradient(dh, from + first * columns, factors + first, out, count);
    });
    return {dx, Tensor(), Tensor()};
  }
};

struct ByHeadFunction final : torch::autograd::Function<ByHeadFunction> {
  struct Call {
    FrozenMaps heads;
    bool transposed;
  };

  static Tensor forward(AutogradContext* context, const Tensor& x, Call call) {
    const Tensor out = multiply(x, call.heads, call.transposed);
    keep(context, std::move(call));
    return out;
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const Call& call = kept<Call>(context);
    return {multiply(gradients[0], call.heads, !call.transposed), Tensor()};
  }

 private:
  static Tensor multiply(const Tensor& x, const FrozenMaps& heads, bool transposed) {
    std::vector<const FrozenMatrix*> matrices;
    for (const auto& head : heads) matrices.push_back(transposed ? &head->transposed() : &head->weight());
    return multiply_rows(x, matrices);
  }
};

struct AddProductFunction final : torch::autograd::Function<AddProductFunction> {
  struct Call {
    std::shared_ptr<const FrozenMap> map;
    Masks masks;
    bool of_y;
  };

  static Tensor forward(AutogradContext* context, const Tensor& given_x, const Tensor& given_y,
                        const std::shared_ptr<const FrozenMap>& map, const Masks& masks) {
    const Tensor x = given_x.contiguous(), y = given_y.contiguous(), out = at::empty_like(x);
    const std::int64_t columns = x.size(1), width = y.size(1);
    const float *residual = x.const_data_ptr<float>(), *from = y.const_data_ptr<float>();
    float* to = out.mutable_data_ptr<float>();
    for_runs(x.size(0), 2 * columns, [&](Run& run, std::int64_t first, std::int64_t count) {
      float *product = run.floats(columns), *buffer = run.floats(columns);
      run.left.take(from + first * width, width, count, width, map->weight().type());
      run.left.multiply(map->weight(), product, columns);
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t at = (first + i) * columns;
        add_masked_row(residual + at, product + i * columns, mask_of(masks, first + i, buffer), to + at, columns);
      }
    });
    keep(context, Call{map, masks, given_y.requires_grad()});
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const Call& call = kept<Call>(context);
    const Tensor g = gradients[0].contiguous();
    if (!call.of_y) return {g, Tensor(), Tensor(), Tensor()};
    const FrozenMatrix& matrix = call.map->transposed();
    const std::int64_t columns = g.size(1), width = matrix.out();
    const Tensor dy = at::empty({g.size(0), width}, g.options());
    const float* from = g.const_data_ptr<float>();
    float* to = dy.mutable_data_ptr<float>();
    for_runs(g.size(0), 2 * columns, [&](Run& run, std::int64_t first, std::int64_t count) {
      float *buffer = run.floats(columns), *mask = run.floats(columns);
      const float* of_output = masked(from + first * columns, call.masks, first, count, columns, buffer, mask);
      run.left.take(of_output, columns, count, columns, matrix.type());
      run.left.multiply(matrix, to + first * width, width);
    });
    return {g, dy, Tensor(), Tensor()};
  }
};

struct FeedForwardFunction final : torch::autograd::Function<FeedForwardFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& given, const Tensor& scale, FeedForwardParts parts) {
    const Tensor x = given.contiguous(), out = at::empty_like(x);
    const std::int64_t rows = x.size(0), columns = x.size(1), inner = parts.wi->weight().out();
    // For the gradient; without one they live for a run of rows.
    const bool keeps = given.requires_grad();
    const auto kept_values = [&](bool wanted) { return wanted ? at::empty({rows, inner}, x.options()) : Tensor(); };
    const Tensor a = kept_values(keeps), b = kept_values(keeps && parts.gate), inverse = at::empty({rows}, x.options());
    const NormRows norms({scale, parts.norm.epsilon}, columns);
    const float* from = x.const_data_ptr<float>();
    float *to = out.mutable_data_ptr<float>(), *factors = inverse.mutable_data_ptr<float>();
    const at::ScalarType type = parts.wi->weight().type();
    for_runs(rows, 2 * columns + 4 * inner, [&](Run& run, std::int64_t first, std::int64_t count) {
      const auto values = [&](const Tensor& all) {
        return all.defined() ? all.mutable_data_ptr<float>() + first * inner : run.floats(inner);
      };
      float *normed = run.floats(columns), *product = run.floats(columns), *active = run.floats(inner),
            *mask = run.floats(inner);
      float *wi = values(a), *gate = parts.gate ? values(b) : nullptr;
      run.left.take(norms.forward(from + first * columns, normed, factors + first, count), columns, count, columns,
                    type);
      run.left.multiply(parts.wi->weight(), wi, inner);
      if (gate != nullptr) run.left.multiply(parts.gate->weight(), gate, inner);
      for (std::int64_t i = 0; i < count; ++i) {
        activate_row(parts.activation, wi + i * inner, gate == nullptr ? nullptr : gate + i * inner,
                     mask_of(parts.inner, first + i, mask), active + i * inner, inner);
      }
      run.left.take(active, inner, count, inner, parts.wo->weight().type());
      run.left.multiply(parts.wo->weight(), product, columns);
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t at = (first + i) * columns;
        add_masked_row(from + at, product + i * columns, mask_of(parts.outer, first + i, mask), to + at, columns);
      }
    });
    context->save_for_backward({x, scale, inverse, a, b});
    keep(context, std::move(parts));
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto& parts = kept<FeedForwardParts>(context);
    const Tensor g = gradients[0].contiguous(), dx = at::empty_like(g);
    const std::int64_t columns = g.size(1), inner = parts.wi->weight().out();
    const NormRows norms({saved[1], parts.norm.epsilon}, columns);
    const FrozenMatrix &wi = parts.wi->transposed(), &wo = parts.wo->transposed();
    const float *of_output = g.const_data_ptr<float>(), *x = saved[0].const_data_ptr<float>(),
                *factors = saved[2].const_data_ptr<float>(), *a = saved[3].const_data_ptr<float>(),
                *b = data_or_null(saved[4]);
    float* to = dx.mutable_data_ptr<float>();
    for_runs(g.size(0), columns + 3 * inner + std::max(columns, inner),
             [&](Run& run, std::int64_t first, std::int64_t count) {
               float *dh = run.floats(columns), *da = run.floats(inner), *db = run.floats(inner),
                     *buffer = run.floats(std::max(columns, inner)), *mask = buffer;
               const float* own = of_output + first * columns;
               // dh is free until the last products.
               run.left.take(masked(own, parts.outer, first, count, columns, dh, mask), columns, count, columns,
                             wo.type());
               run.left.multiply(wo, da, inner);
               for (std::int64_t i = 0; i < count; ++i) {
                 const std::int64_t row = (first + i) * inner;
                 activation_gradient_row(parts.activation, da + i * inner, a + row, b == nullptr ? nullptr : b + row,
                                         mask_of(parts.inner, first + i, mask), da + i * inner,
                                         b == nullptr ? nullptr : db + i * inner, inner);
               }
               run.left.take(da, inner, count, inner, wi.type());
               run.left.multiply(wi, dh, columns);
               if (b != nullptr) {
                 const FrozenMatrix& gate = parts.gate->transposed();
                 run.left.take(db, inner, count, inner, gate.type());
                 run.left.multiply(gate, dh, columns, true);
               }
               float* out = to + first * columns;
               norms.gradient(dh, x + first * columns, factors + first, out, count);
               add_masked_row(out, own, nullptr, out, count * columns);
             });
    return {dx, Tensor(), Tensor()};
  }
};

}  // namespace

std::vector<Tensor> products(const Tensor& x, const Norm& norm, const FrozenMaps& maps, bool normed) {
  if (normed && !norm.scale.defined()) throw Error("normed rows are asked for, and there is no norm");
  return ProductsFunction::apply(x, if_defined(norm.scale), ProductsFunction::Call{norm.epsilon, maps, normed});
}

Tensor multiply_rows(const Tensor& given, const std::vector<const FrozenMatrix*>& matrices) {
  const Tensor x = given.contiguous();
  const std::int64_t in = matrices.front()->in(), out = matrices.front()->out(), number = std::ssize(matrices);
  const Tensor y = at::empty({x.size(0), number * out}, x.options());
  const float* from = x.const_data_ptr<float>();
  float* to = y.mutable_data_ptr<float>();
  for_runs(x.size(0), 0, [&](Run& run, std::int64_t first, std::int64_t count) {
    for (std::int64_t n = 0; n < number; ++n) {
      const FrozenMatrix& matrix = *matrices[static_cast<std::size_t>(n)];
      run.left.take(from + (first * number + n) * in, number * in, count, in, matrix.type());
      run.left.multiply(matrix, to + (first * number + n) * out, number * out);
    }
  });
  return y;
}

Tensor products_by_head(const Tensor& x, const FrozenMaps& heads, bool transposed) {
  return ByHeadFunction::apply(x, ByHeadFunction::Call{heads, transposed});
}

Tensor add_product(const Tensor& x, const Tensor& y, const std::shared_ptr<const FrozenMap>& map,
                   std::shared_ptr<const RowMasks> masks) {
  return AddProductFunction::apply(x, y, map, masks);
}

Tensor add_feed_forward(const Tensor& x, FeedForwardParts parts) {
  const Tensor scale = parts.norm.scale;
  return FeedForwardFunction::apply(x, scale, std::move(parts));
}

}  // namespace peftbench::backbone::kernels
