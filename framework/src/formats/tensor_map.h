#pragma once

#include "formats/layer.h"

#include <peftbench/tensor.h>

#include <map>
#include <string>

namespace peftbench::formats {

// Tensors by name, as files hold them.
using TensorMap = std::map<std::string, Tensor>;

}  // namespace peftbench::formats
