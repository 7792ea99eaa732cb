#pragma once

#include "devices/layer.h"

#include <c10/core/Device.h>

#include <string>
#include <string_view>
#include <vector>

namespace peftbench::devices {

// The device of a setting: "auto" (the first GPU, else the CPU), "cpu", "cuda" (the first GPU), "cuda:N", or the name
// of a backend that registered itself with LibTorch (PrivateUse1). Throws ConfigError, naming `origin`, for another
// word and for a device that is not there.
c10::Device find_device(const std::string& name, const std::string& origin = "device");

std::string name_of(c10::Device device);  // cpu, cuda:0
// What results depend on, and the number of a GPU is no part of: cpu, cuda.
std::string kind_of(c10::Device device);

std::vector<std::string> available_devices();  // cpu, cuda:0, cuda:1

}  // namespace peftbench::devices
