#pragma once

#include <peftbench/abi_stamp.h>  // made by the build: PEFTBENCH_VERSION, PEFTBENCH_HEADERS_HASH, PEFTBENCH_TORCH_VERSION

#include <c10/core/Allocator.h>

#include <cstdint>
#include <cstddef>

#define PEFTBENCH_API_VERSION 1

#define PEFTBENCH_STRING_(x) #x
#define PEFTBENCH_STRING(x) PEFTBENCH_STRING_(x)

#if defined(__GLIBCXX__)
#define PEFTBENCH_STDLIB "libstdc++ " PEFTBENCH_STRING(_GLIBCXX_RELEASE) " abi " PEFTBENCH_STRING(_GLIBCXX_USE_CXX11_ABI)
#elif defined(_LIBCPP_VERSION)
#define PEFTBENCH_STDLIB "libc++ " PEFTBENCH_STRING(_LIBCPP_ABI_VERSION)
#else
#define PEFTBENCH_STDLIB "unknown"
#endif

#if defined(__clang__)
#define PEFTBENCH_COMPILER "clang " PEFTBENCH_STRING(__clang_major__)
#else
#define PEFTBENCH_COMPILER "gcc " PEFTBENCH_STRING(__GNUC__)
#endif

#if defined(__SANITIZE_ADDRESS__)
#define PEFTBENCH_SANITIZERS "address"
#else
#define PEFTBENCH_SANITIZERS "none"
#endif

#if defined(__GXX_RTTI)
#define PEFTBENCH_RTTI "on"
#else
#define PEFTBENCH_RTTI "off"
#endif

// Made from macros alone, so the host can read it in the file before it loads it: fields `key=value;` between the
// two marks.
#define PEFTBENCH_ABI_NOTE_BEGIN "peftbench-abi-note{"
#define PEFTBENCH_ABI_NOTE                                                                        \
  PEFTBENCH_ABI_NOTE_BEGIN "api=" PEFTBENCH_STRING(PEFTBENCH_API_VERSION)                         \
      ";headers=" PEFTBENCH_HEADERS_HASH ";torch=" PEFTBENCH_TORCH_VERSION ";stdlib=" PEFTBENCH_STDLIB \
      ";compiler=" PEFTBENCH_COMPILER ";sanitizers=" PEFTBENCH_SANITIZERS ";rtti=" PEFTBENCH_RTTI ";}"

namespace peftbench {

class MethodRegistrar;

// The one symbol of a plugin, `peftbench_plugin`. It may only grow at its end.
struct PluginHeader {
  std::size_t struct_size;
  std::uint32_t api_version;
  const char* abi_note;
  const char* name;
  const char* version;
  const char* summary;
  const char* reference;
  const void* (*torch_identity)();
  void (*register_method)(MethodRegistrar&);
};

namespace detail {
// An address inside the LibTorch that the caller is bound to: two copies in one process differ here.
inline const void* torch_identity() { return c10::GetAllocator(c10::DeviceType::CPU); }
}  // namespace detail

}  // namespace peftbench
