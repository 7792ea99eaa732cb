#pragma once

// The ABI note and the header of a plugin, which the host checks before loading it. See docs/abi.md.
#include <peftbench/abi_stamp.h>  // made by the build: PEFTBENCH_VERSION, PEFTBENCH_HEADERS_HASH, PEFTBENCH_TORCH_VERSION

#include <c10/core/Allocator.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#define PEFTBENCH_API_VERSION 1

#define PEFTBENCH_STRING_(x) #x
#define PEFTBENCH_STRING(x) PEFTBENCH_STRING_(x)

#if defined(_GLIBCXX_DEBUG)
#define PEFTBENCH_STDLIB_MODE " debug"
#else
#define PEFTBENCH_STDLIB_MODE ""
#endif

#if defined(__GLIBCXX__)
#define PEFTBENCH_STDLIB \
  "libstdc++ " PEFTBENCH_STRING(_GLIBCXX_RELEASE) " abi " PEFTBENCH_STRING(_GLIBCXX_USE_CXX11_ABI) PEFTBENCH_STDLIB_MODE
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

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PEFTBENCH_SANITIZERS "address"
#elif __has_feature(thread_sanitizer)
#define PEFTBENCH_SANITIZERS "thread"
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define PEFTBENCH_SANITIZERS "address"
#elif defined(__SANITIZE_THREAD__)
#define PEFTBENCH_SANITIZERS "thread"
#endif
#if !defined(PEFTBENCH_SANITIZERS)
#define PEFTBENCH_SANITIZERS "none"
#endif

#if defined(__GXX_RTTI)
#define PEFTBENCH_RTTI "on"
#else
#define PEFTBENCH_RTTI "off"
#endif

// `key=value;` for each property that must be equal in plugin and host. It consists of macros, so it is plain text in
// the file, and the host can read it without loading the library.
#define PEFTBENCH_ABI_FIELDS                                                                                          \
  "api=" PEFTBENCH_STRING(PEFTBENCH_API_VERSION) ";headers=" PEFTBENCH_HEADERS_HASH ";torch=" PEFTBENCH_TORCH_VERSION \
                                                 ";stdlib=" PEFTBENCH_STDLIB ";compiler=" PEFTBENCH_COMPILER          \
                                                 ";sanitizers=" PEFTBENCH_SANITIZERS ";rtti=" PEFTBENCH_RTTI ";"

// A plugin contains the complete note between its marks. The host contains only separate parts (begin, fields, end), so
// the host's own library, or one that contains it, is not mistaken for a plugin.
#define PEFTBENCH_ABI_NOTE_BEGIN "peftbench-abi-note{"
#define PEFTBENCH_ABI_NOTE_END "}"
#define PEFTBENCH_ABI_NOTE PEFTBENCH_ABI_NOTE_BEGIN PEFTBENCH_ABI_FIELDS PEFTBENCH_ABI_NOTE_END

namespace peftbench {

class MethodRegistrar;

// The only exported symbol of a plugin, `peftbench_plugin`. New fields must be added at its end.
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
// An address inside the caller's LibTorch: it differs if two copies are loaded in one process.
inline const void* torch_identity() { return c10::GetAllocator(c10::DeviceType::CPU); }

// Names are typed in a shell and used as file names.
constexpr bool is_plain_name(std::string_view name) {
  if (name.empty() || name.front() < 'a' || name.front() > 'z') return false;
  for (const char c : name) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) return false;
  }
  return true;
}
}  // namespace detail

}  // namespace peftbench
