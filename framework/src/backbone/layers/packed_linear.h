#pragma once

#include "backbone/kernels/packed_matrix.h"
#include "backbone/layer.h"
#include "backbone/layers/frozen_linear.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::backbone {

// A dense map whose weight is kept in the order of oneDNN's products, and once more, transposed, for the gradient of x.
// Made by std::make_shared. It multiplies in the type of the weight, fp32 or bf16.
class PackedLinear final : public FrozenLinear, public std::enable_shared_from_this<PackedLinear> {
 public:
  explicit PackedLinear(const Tensor& weight);
  Tensor operator()(const Tensor& x) const override;
  Tensor multiply(const Tensor& x, const Tensor& weight) const override;
  Tensor value() const override { return weight_.unpacked(); }
  std::vector<Tensor> parts() const override { return {value()}; }
  std::string form() const override;
  int64_t bytes() const override;

  const kernels::PackedMatrix& weight() const { return weight_; }
  const kernels::PackedMatrix& transposed() const;  // made when first asked for

 private:
  at::ScalarType type_;
  kernels::PackedMatrix weight_;
  mutable std::once_flag once_;
  mutable std::optional<kernels::PackedMatrix> transposed_;
};

// A dense map that multiplies in `arithmetic`: packed on the fast backend, where that is the type of the weight.
std::shared_ptr<const FrozenLinear> dense_linear(Tensor weight, at::ScalarType arithmetic, Backend backend);

}  // namespace peftbench::backbone
