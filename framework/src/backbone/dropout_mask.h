#pragma once

#include "backbone/layer.h"

#include <peftbench/tensor.h>

#include <c10/core/Device.h>

#include <cstdint>

namespace peftbench::backbone {

// fp32: 0 with probability p, else 1/(1−p). Each entry follows from the key and its place alone, in integers, so that
// the mask is the same on every device, for any number of threads, and needs no transfer.
Tensor dropout_mask(at::IntArrayRef sizes, double p, std::uint64_t key, c10::Device device);

}  // namespace peftbench::backbone
