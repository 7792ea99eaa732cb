#include "packed_matrix.h"

#include <peftbench/error.h>

#include <ATen/Context.h>
#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/empty.h>

#include <optional>
#include <string_view>
#include <vector>

namespace peftbench::speed {
namespace {

using Product = Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&, c10::string_view,
                       c10::List<std::optional<at::Scalar>>, std::optional<c10::string_view>);

std::optional<c10::OperatorHandle> find(const char* name) {
  return c10::Dispatcher::singleton().findSchema({name, ""});
}

struct Operators {
  std::optional<c10::OperatorHandle> order = find("mkldnn::_reorder_linear_weight");
  std::optional<c10::OperatorHandle> product = find("mkldnn::_linear_pointwise");
};

const Operators& operators() {
  static const Operators found;
  return found;
}

}  // namespace

bool PackedMatrix::available() { return at::hasMKLDNN() && operators().order && operators().product; }

PackedMatrix::PackedMatrix(const Tensor& matrix) {
  if (!available()) throw Error("this LibTorch has no oneDNN to pack weights with");
  std::vector<c10::IValue> arguments = {matrix.detach().contiguous(), {}};  // for any number of rows
  operators().order->callBoxed(arguments);
  packed_ = arguments.front().toTensor();
}

Tensor PackedMatrix::multiply(const Tensor& x) const {
  return operators().product->typed<Product>().call(x, packed_, std::nullopt, "none",
                                                    c10::List<std::optional<at::Scalar>>(), "");
}

}  // namespace peftbench::speed
