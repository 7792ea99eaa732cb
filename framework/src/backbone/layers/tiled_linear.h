#pragma once

#include "backbone/kernels/frozen_matrix.h"
#include "backbone/layer.h"
#include "backbone/layers/frozen_linear.h"
#include "backbone/layers/int8_linear.h"

#include <memory>
#include <string>
#include <vector>

namespace peftbench::backbone {

// A map that multiplies by tiles of its weight: those of another map, which says what is stored.
class TiledLinear : public FrozenLinear {
 public:
  Tensor operator()(const Tensor& x) const final;
  const std::shared_ptr<const kernels::FrozenMap>& map() const { return map_; }

 protected:
  explicit TiledLinear(kernels::FrozenMatrix weight)
      : map_(std::make_shared<const kernels::FrozenMap>(std::move(weight))) {}

 private:
  std::shared_ptr<const kernels::FrozenMap> map_;
};

// fp32 or bf16, as `weight` is; the tiles are all that is kept of it. It multiplies in `arithmetic`.
class DenseTiles final : public TiledLinear {
 public:
  DenseTiles(const Tensor& weight, at::ScalarType arithmetic);
  Tensor multiply(const Tensor& x, const Tensor& weight) const override;
  Tensor value() const override { return map()->weight().values().to(type_); }
  std::vector<Tensor> parts() const override { return {value()}; }
  std::string form() const override;
  int64_t bytes() const override { return map()->bytes(); }

 private:
  at::ScalarType type_;
};

// 8 bits, multiplied in integers: rows of x and of its gradient are rounded to 8 bits too, and for the gradient the
// weight is once more, by input rows.
class Int8Tiles final : public TiledLinear {
 public:
  explicit Int8Tiles(std::shared_ptr<const Int8Linear> stored);
  Tensor multiply(const Tensor& x, const Tensor& weight) const override { return stored_->multiply(x, weight); }
  Tensor value() const override { return stored_->value(); }
  std::vector<Tensor> parts() const override { return stored_->parts(); }
  std::string form() const override { return stored_->form(); }
  int64_t bytes() const override { return stored_->bytes() + map()->bytes(); }

 private:
  std::shared_ptr<const Int8Linear> stored_;
};

// A dense map that multiplies in `arithmetic`: by tiles on the fast backend, where the processor can.
std::shared_ptr<const FrozenLinear> dense_linear(Tensor weight, at::ScalarType arithmetic, Backend backend);

}  // namespace peftbench::backbone
