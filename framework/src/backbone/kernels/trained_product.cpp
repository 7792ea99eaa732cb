#include "backbone/kernels/trained_product.h"

#include "backbone/kernels/frozen_matrix.h"
#include "backbone/kernels/function_parts.h"
#include "backbone/kernels/row_math.h"
#include "backbone/kernels/runs.h"
#include "backbone/kernels/segments.h"
#include "backbone/kernels/small_products.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <vector>

namespace peftbench::backbone::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

Tensor product_of_rows(const Tensor& x, const FrozenMatrix& matrix) { return multiply_rows(x, {&matrix}); }

// Of so few rows that to put W [out, in] into tiles takes longer than to transpose x and y: W is read as it is.
bool has_few(std::int64_t rows, const Tensor& weight, at::ScalarType type) {
  return type == at::kFloat && rows * (weight.size(0) + weight.size(1)) <= weight.numel();
}

constexpr std::int64_t few_rows = 64, few_outputs = 64, few_columns = 256, few_terms = 512;  // of one product

// x Wᵀ [N, out] as (W xᵀ)ᵀ.
Tensor product_of_few(const Tensor& x, const Tensor& weight) {
  const std::int64_t rows = x.size(0), in = weight.size(1), out = weight.size(0);
  const Tensor y = at::empty({rows, out}, x.options());
  const float *from = x.const_data_ptr<float>(), *w = weight.const_data_ptr<float>();
  float* to = y.mutable_data_ptr<float>();
  at::parallel_for(0, (out + few_outputs - 1) / few_outputs, 1, [&](std::int64_t first_block, std::int64_t last_block) {
    LeftMatrix left(at::kFloat);
    RightMatrix right(at::kFloat);
    std::vector<float> product(few_outputs * few_rows);
    for_blocks(rows, few_rows, [&](std::int64_t row, std::int64_t count) {
      right.take_transposed({from + row * in, in, count, in});
      for (std::int64_t block = first_block; block < last_block; ++block) {
        const std::int64_t first = block * few_outputs, outputs = std::min(few_outputs, out - first);
        left.borrow({w + first * in, in, outputs, in});
        multiply(left, right, false, product.data());
        transpose_rows(product.data(), right.columns(), outputs, count, to + row * out + first, out);
      }
    });
  });
  return y;
}

// g W [N, in].
Tensor gradient_of_few(const Tensor& g, const Tensor& weight) {
  const std::int64_t rows = g.size(0), in = weight.size(1), out = weight.size(0);
  const Tensor whole = at::empty({in_steps(rows), in}, g.options());  // products write rows in steps
  const float *from = g.const_data_ptr<float>(), *w = weight.const_data_ptr<float>();
  float* to = whole.mutable_data_ptr<float>();
  at::parallel_for(0, in / step, 4, [&](std::int64_t first_step, std::int64_t last_step) {
    LeftMatrix left(at::kFloat);
    RightMatrix right(at::kFloat);
    for_blocks(rows, few_rows, [&](std::int64_t row, std::int64_t count) {
      for_blocks(out, few_terms, [&](std::int64_t term, std::int64_t terms) {
        const MatrixView part{from + row * out + term, out, count, terms};
        if (count % step == 0) {
          left.borrow(part);
        } else {
          left.take(part);
        }
        for_blocks((last_step - first_step) * step, few_columns, [&](std::int64_t column, std::int64_t columns) {
          column += first_step * step;
          right.borrow({w + term * in + column, in, terms, columns});
          multiply(left, right, term > 0, to + row * in + column, in);
        });
      });
    });
  });
  return whole.narrow(0, 0, rows);
}

// gᵀ x [out, in] of g [N, out] and x [N, in].
class WeightGradient {
 public:
  WeightGradient(const Tensor& g, const Tensor& x, at::ScalarType type)
      : type_(type),
        rows_(x.size(0)),
        out_(g.size(1)),
        in_(x.size(1)),
        outs_((out_ + outputs - 1) / outputs),
        inputs_(in_) {
    while (inputs_ > most_inputs || (inputs_ > outputs && outs_ * ins() < at::get_num_threads()))
      inputs_ = in_steps((inputs_ + 1) / 2);
    g_ = g.const_data_ptr<float>();
    x_ = x.const_data_ptr<float>();
  }

  Tensor sum(const at::TensorOptions& options) {
    if (rows_ == 0) return at::zeros({out_, in_}, options);
    const Tensor total = at::empty({out_, in_}, options);
    to_ = total.mutable_data_ptr<float>();
    at::parallel_for(0, outs_ * ins(), 1, [&](std::int64_t from, std::int64_t to) {
      LeftMatrix left(type_);
      RightMatrix right(type_);
      for (std::int64_t last = from; from < to; from = last) {
        last = std::min(to, (from / outs_ + 1) * outs_);  // blocks of the same inputs
        add_rows(from, last, left, right);
      }
    });
    return total;
  }

 private:
  static constexpr std::int64_t outputs = 64, most_inputs = 640;  // of a block
  static constexpr std::int64_t summed = 256;                     // rows of one product

  std::int64_t ins() const { return (in_ + inputs_ - 1) / inputs_; }

  void add_rows(std::int64_t from, std::int64_t to, LeftMatrix& left, RightMatrix& right) const {
    const std::int64_t column = from / outs_ * inputs_, columns = std::min(inputs_, in_ - column);
    for_blocks(rows_, summed, [&](std::int64_t row, std::int64_t count) {
      right.borrow({x_ + row * in_ + column, in_, count, columns});
      for (std::int64_t block = from; block < to; ++block) {
        const std::int64_t first = block % outs_ * outputs;
        left.take_transposed({g_ + row * out_ + first, out_, count, std::min(outputs, out_ - first)});
        multiply(left, right, row > 0, to_ + first * in_ + column, in_);
      }
    });
  }

  at::ScalarType type_;
  std::int64_t rows_, out_, in_, outs_, inputs_;
  const float *g_, *x_;
  float* to_ = nullptr;
};

// x Wᵀ.
Tensor product(const Tensor& x, const Tensor& weight, at::ScalarType type) {
  return has_few(x.size(0), weight, type) ? product_of_few(x, weight.contiguous()) : product_of_rows(x, {weight, type});
}

// g W.
Tensor input_gradient(const Tensor& g, const Tensor& weight, at::ScalarType type) {
  return has_few(g.size(0), weight, type) ? gradient_of_few(g, weight.contiguous())
                                          : product_of_rows(g, {weight.t(), type});
}

struct TrainedProductFunction final : torch::autograd::Function<TrainedProductFunction> {
  struct Call {
    at::ScalarType type;
    bool x, weight;  // of what a gradient is asked for
  };

  static Tensor forward(AutogradContext* context, const Tensor& given, const Tensor& weight, at::ScalarType type) {
    const Tensor x = given.contiguous();
    const Call call{type, given.requires_grad(), weight.requires_grad()};
    context->save_for_backward({call.weight ? x : Tensor(), call.x ? weight : Tensor()});
    keep(context, call);
    return product(x, weight, type);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Call& call = kept<Call>(context);
    const Tensor g = gradients[0].contiguous();
    return {call.x ? input_gradient(g, saved[1].detach(), call.type) : Tensor(),
            call.weight ? WeightGradient(g, saved[0], call.type).sum(g.options()) : Tensor(), Tensor()};
  }
};

}  // namespace

bool has_trained_product(const Tensor& x, const Tensor& weight, at::ScalarType type) {
  const auto fits = [](const Tensor& t) { return t.is_cpu() && t.scalar_type() == at::kFloat && t.dim() == 2; };
  return fits(x) && fits(weight) && weight.size(0) % step == 0 && weight.size(1) % step == 0 &&
         (type == at::kFloat || type == at::kBFloat16) && FrozenMatrix::available(type);
}

Tensor trained_product(const Tensor& x, const Tensor& weight, at::ScalarType type) {
  return TrainedProductFunction::apply(x, weight, type);
}

}  // namespace peftbench::backbone::kernels
