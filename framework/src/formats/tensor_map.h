#pragma once

#include <peftbench/tensor.h>

#include <map>
#include <string>

namespace peftbench {

// Tensors by name, as files hold them.
using TensorMap = std::map<std::string, Tensor>;

}  // namespace peftbench
