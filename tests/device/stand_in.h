#pragma once

#include <c10/core/Device.h>

#include <cstdint>

namespace peftbench::support {

// A device for tests where there is no accelerator: LibTorch's PrivateUse1 key, with memory of the host. An operator
// whose tensors lie on different devices is refused (numbers of no dimension aside), as an accelerator does. Its
// operators are those of the CPU.
c10::Device stand_in_device();

// Copies between the CPU and the device that the program asked for, since the process began.
struct Transfers {
  std::int64_t to_device = 0;
  std::int64_t to_cpu = 0;  // numbers that are read with item() included
  std::int64_t all() const { return to_device + to_cpu; }
};
Transfers transfers();

// More memory than this at once is refused, as by an accelerator that has no more. 0: no limit.
void limit_memory(std::int64_t bytes);

}  // namespace peftbench::support
