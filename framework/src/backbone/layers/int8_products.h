#pragma once

#include "backbone/kernels/int8_matrix.h"
#include "backbone/layer.h"
#include "backbone/layers/int8_linear.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::backbone {

// A map of 8 bits that multiplies in integers, forward and for the gradient of x: rows of x and of its gradient are
// rounded to 8 bits, and for the gradient the weight is once more, by input rows. Made by std::make_shared.
class Int8Products final : public FrozenLinear, public std::enable_shared_from_this<Int8Products> {
 public:
  explicit Int8Products(std::shared_ptr<const Int8Linear> map);
  Tensor operator()(const Tensor& x) const override;
  Tensor multiply(const Tensor& x, const Tensor& weight) const override { return map_->multiply(x, weight); }
  Tensor value() const override { return map_->value(); }
  std::vector<Tensor> parts() const override { return map_->parts(); }
  std::string form() const override { return map_->form(); }
  int64_t bytes() const override;

  const kernels::Int8Matrix& weight() const { return weight_; }
  const kernels::Int8Matrix& transposed() const;  // made when first asked for

 private:
  std::shared_ptr<const Int8Linear> map_;
  kernels::Int8Matrix weight_;
  mutable std::once_flag once_;
  mutable std::optional<kernels::Int8Matrix> transposed_;
};

}  // namespace peftbench::backbone
