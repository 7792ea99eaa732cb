#pragma once

#include "devices/layer.h"

#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace peftbench::devices {

// What a record says of a GPU. Empty: the driver did not say.
struct GpuFacts {
  std::string name;        // NVIDIA H200
  std::string capability;  // compute capability: 9.0
  std::string driver;      // version of the driver, and the newest CUDA that it serves: 575.57.08 (CUDA 12.9)
  std::optional<std::int64_t> memory_bytes;
  std::optional<bool> has_bfloat16;  // in hardware
};

// NVIDIA's driver, loaded at run time: neither a toolkit nor a CUDA build of LibTorch is needed to ask it.
class Driver {
 public:
  explicit Driver(const std::string& library = "libcuda.so.1",
                  const std::string& version_file = "/sys/module/nvidia/version");
  ~Driver();
  std::int64_t devices() const;  // 0 without a driver
  // Of the device with this number, as CUDA_VISIBLE_DEVICES counts them. Nothing without a driver or such a device.
  std::optional<GpuFacts> describe(int number) const;

 private:
  struct Functions;
  std::unique_ptr<const Functions> functions_;  // null without a driver
  std::string version_;
};

// Nothing for the CPU, and for other devices that say nothing of themselves.
std::optional<GpuFacts> describe(c10::Device device);

}  // namespace peftbench::devices
