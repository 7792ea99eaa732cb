#include "devices/driver.h"

#include <fmt/format.h>

#include <dlfcn.h>

#include <array>
#include <cstddef>
#include <fstream>

namespace peftbench::devices {

// Of CUDA's driver API, which keeps these from version to version. All return 0 for success.
struct Driver::Functions {
  int (*init)(unsigned) = nullptr;
  int (*driver_version)(int*) = nullptr;
  int (*count)(int*) = nullptr;
  int (*get)(int*, int) = nullptr;
  int (*name)(char*, int, int) = nullptr;
  int (*attribute)(int*, int, int) = nullptr;
  int (*memory)(std::size_t*, int) = nullptr;
};

namespace {

constexpr int capability_major = 75, capability_minor = 76;  // CUdevice_attribute

template <class Function>
bool find(void* library, const char* symbol, Function*& function) {
  function = reinterpret_cast<Function*>(::dlsym(library, symbol));
  return function != nullptr;
}

std::string first_word(const std::string& file) {
  std::string word;
  std::ifstream(file) >> word;
  return word;
}

}  // namespace

Driver::Driver(const std::string& library, const std::string& version_file) {
  // Stays loaded: LibTorch's CUDA half uses the same library.
  void* handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) return;
  Functions found;
  const bool whole = find(handle, "cuInit", found.init) && find(handle, "cuDriverGetVersion", found.driver_version) &&
                     find(handle, "cuDeviceGetCount", found.count) && find(handle, "cuDeviceGet", found.get) &&
                     find(handle, "cuDeviceGetName", found.name) &&
                     find(handle, "cuDeviceGetAttribute", found.attribute) &&
                     find(handle, "cuDeviceTotalMem_v2", found.memory);
  if (!whole || found.init(0) != 0) return;
  functions_ = std::make_unique<const Functions>(found);
  version_ = first_word(version_file);
  if (int cuda = 0; found.driver_version(&cuda) == 0 && cuda > 0) {
    const std::string serves = fmt::format("CUDA {}.{}", cuda / 1000, cuda % 1000 / 10);
    version_ = version_.empty() ? serves : version_ + " (" + serves + ")";
  }
}

Driver::~Driver() = default;

std::int64_t Driver::devices() const {
  int count = 0;
  return functions_ && functions_->count(&count) == 0 ? count : 0;
}

std::optional<GpuFacts> Driver::describe(int number) const {
  int device = 0;
  if (!functions_ || number < 0 || number >= devices() || functions_->get(&device, number) != 0) return std::nullopt;
  GpuFacts facts;
  facts.driver = version_;
  std::array<char, 256> name{};
  if (functions_->name(name.data(), static_cast<int>(name.size()) - 1, device) == 0) facts.name = name.data();
  int major = 0, minor = 0;
  if (functions_->attribute(&major, capability_major, device) == 0 &&
      functions_->attribute(&minor, capability_minor, device) == 0) {
    facts.capability = fmt::format("{}.{}", major, minor);
    facts.has_bfloat16 = major >= 8;  // since Ampere
  }
  if (std::size_t bytes = 0; functions_->memory(&bytes, device) == 0)
    facts.memory_bytes = static_cast<std::int64_t>(bytes);
  return facts;
}

std::optional<GpuFacts> describe(c10::Device device) {
  return device.is_cuda() ? Driver().describe(device.index()) : std::nullopt;
}

}  // namespace peftbench::devices
