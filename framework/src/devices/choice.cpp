#include "devices/choice.h"

#include "core/names.h"
#include "core/numbers.h"
#include "devices/driver.h"

#include <peftbench/error.h>

#include <ATen/Context.h>
#include <c10/core/DeviceType.h>

#include <cstdint>
#include <optional>

namespace peftbench::devices {
namespace {

int gpus() { return at::detail::getCUDAHooks().getNumGPUs(); }  // 0 where LibTorch or the machine has none

std::optional<c10::Device> registered_backend(std::string_view name) {
  if (!c10::is_privateuse1_backend_registered() || name != c10::get_privateuse1_backend()) return std::nullopt;
  return c10::Device(c10::kPrivateUse1, 0);
}

// Why there is no GPU, or not this one, and what to do.
ConfigError no_gpu(const std::string& name, const std::string& origin) {
  const std::string what = origin + ": the device '" + name + "' is not available",
                    there = "available: " + join(available_devices());
  if (gpus() > 0) return ConfigError(Problem{.what = what, .found = there, .remedy = "choose one of these, or auto"});
  const std::int64_t driven = Driver().devices();
  if (driven == 0)
    return ConfigError(Problem{.what = what,
                               .found = there + "; no NVIDIA driver with a GPU was found",
                               .remedy = "use auto or cpu; with a GPU, install its driver"});
  return ConfigError(Problem{.what = what,
                             .found = there + "; the driver knows " + std::to_string(driven) +
                                      (driven == 1 ? " GPU" : " GPUs") + ", but this LibTorch cannot use CUDA",
                             .remedy = "set it up again with a CUDA build: PEFTBENCH_TORCH=cuda ./peft-bench methods"});
}

}  // namespace

c10::Device find_device(const std::string& name, const std::string& origin) {
  if (name == "cpu") return c10::kCPU;
  if (name == "auto") return gpus() > 0 ? c10::Device(c10::kCUDA, 0) : c10::Device(c10::kCPU);
  if (const auto backend = registered_backend(name)) return *backend;
  std::optional<std::int64_t> number;
  if (name == "cuda")
    number = 0;
  else if (name.starts_with("cuda:"))
    number = parse_number<std::int64_t>(std::string_view(name).substr(5));
  if (!number || *number < 0)
    throw ConfigError(Problem{.what = origin + ": invalid device '" + name + "'",
                              .expected = "auto, cpu, cuda or cuda:N",
                              .remedy = "available: " + join(available_devices())});
  if (*number >= gpus()) throw no_gpu(name, origin);
  return {c10::kCUDA, static_cast<c10::DeviceIndex>(*number)};
}

std::string name_of(c10::Device device) {
  return device.is_cuda() ? kind_of(device) + ":" + std::to_string(device.index()) : kind_of(device);
}

std::string kind_of(c10::Device device) { return c10::DeviceTypeName(device.type(), /*lower_case=*/true); }

std::vector<std::string> available_devices() {
  std::vector<std::string> names = {"cpu"};
  for (int i = 0; i < gpus(); ++i) names.push_back("cuda:" + std::to_string(i));
  return names;
}

}  // namespace peftbench::devices
