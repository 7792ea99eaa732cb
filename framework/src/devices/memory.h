#pragma once

#include "devices/layer.h"

#include <c10/core/Device.h>

#include <cstdint>
#include <optional>

namespace peftbench::devices {

// The most memory [bytes] that tensors on the device took at once since reset_peak_memory_of. Nothing for the CPU,
// whose memory is the process's (core/clock.h), and where the device's allocator keeps no statistics.
std::optional<std::int64_t> peak_memory_of(c10::Device device);
void reset_peak_memory_of(c10::Device device);

// Gives memory back that LibTorch keeps for later tensors.
void release_memory_of(c10::Device device);

}  // namespace peftbench::devices
