#include "backbone/kernels/trained_product.h"

#include "backbone/kernels/frozen_matrix.h"
#include "backbone/kernels/function_parts.h"
#include "backbone/kernels/runs.h"
#include "backbone/kernels/segments.h"
#include "backbone/kernels/small_products.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace peftbench::backbone::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

Tensor product_of_rows(const Tensor& x, const FrozenMatrix& matrix) { return multiply_rows(x, {&matrix}); }

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
    return product_of_rows(x, {weight, type});
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Call& call = kept<Call>(context);
    const Tensor g = gradients[0].contiguous();
    return {call.x ? product_of_rows(g, {saved[1].detach().t(), call.type}) : Tensor(),
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
