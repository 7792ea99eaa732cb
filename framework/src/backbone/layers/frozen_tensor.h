#pragma once

#include "backbone/layer.h"

#include <peftbench/tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace peftbench::backbone {

// A frozen tensor of the backbone in the form in which it is kept. Const once it is made.
class FrozenTensor {
 public:
  virtual ~FrozenTensor();
  virtual Tensor value() const = 0;               // dequantised for the caller, where it is quantised
  virtual std::vector<Tensor> parts() const = 0;  // what is kept, in the order of the checksum
  virtual std::string form() const = 0;           // "Float", "BFloat16", "nf4": a part of the checksum
  virtual int64_t bytes() const;                  // of the parts, unless more is kept
};

class DenseTensor final : public FrozenTensor {
 public:
  explicit DenseTensor(Tensor value) : value_(std::move(value)) {}
  Tensor value() const override { return value_; }
  std::vector<Tensor> parts() const override { return {value_}; }
  std::string form() const override;

 private:
  Tensor value_;
};

}  // namespace peftbench::backbone
