#pragma once

#include "devices/layer.h"

#include <c10/core/Device.h>

namespace peftbench::devices {

struct Arithmetic {
  bool tf32 = false;          // float32 products of a GPU with 10 bits of mantissa
  bool deterministic = true;  // only algorithms that give the same bits each time
};

// For the process, once, before the first product on the device. The CPU is always deterministic and knows no TF32.
void use_arithmetic(c10::Device device, const Arithmetic& arithmetic);

}  // namespace peftbench::devices
