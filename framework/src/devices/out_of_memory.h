#pragma once

#include "devices/layer.h"

#include <peftbench/error.h>

#include <c10/core/Device.h>

#include <exception>
#include <string>

namespace peftbench::devices {

// Too little memory, of the device or of the machine, told with what to do.
class OutOfMemoryError : public Error {
 public:
  using Error::Error;
};

// `doing`: "training step 12 with a batch of 64 examples"; `error`: what said that memory was not enough.
OutOfMemoryError out_of_memory(c10::Device device, const std::string& doing, const std::exception& error,
                               const std::string& expected, const std::string& remedy);

// Whether an exception of LibTorch or of the standard library says that memory was not enough.
bool is_out_of_memory(const std::exception& error);

}  // namespace peftbench::devices
