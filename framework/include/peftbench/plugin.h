#pragma once

// The only header that a plugin includes. See docs/writing-a-method.md.
#include <peftbench/abi.h>
#include <peftbench/error.h>
#include <peftbench/method.h>

// In one source file of the library, outside any namespace:
//   PEFTBENCH_PLUGIN(lora, "1.0.0", "Low-rank update of frozen linear maps", "arXiv:2106.09685", register_lora)
// where register_lora is void(peftbench::MethodRegistrar&). The name must equal the file name, lora.so.
#define PEFTBENCH_PLUGIN(name, version, summary, reference, registrar)                            \
  static_assert(::peftbench::detail::is_plain_name(#name),                                        \
                "a method's name is lower-case letters, digits and _, and begins with a letter"); \
  extern "C" {                                                                                    \
  __attribute__((visibility("default"))) extern const ::peftbench::PluginHeader peftbench_plugin; \
  __attribute__((used)) constinit const ::peftbench::PluginHeader peftbench_plugin = {            \
      sizeof(::peftbench::PluginHeader),                                                          \
      PEFTBENCH_API_VERSION,                                                                      \
      PEFTBENCH_ABI_NOTE,                                                                         \
      #name,                                                                                      \
      version,                                                                                    \
      summary,                                                                                    \
      reference,                                                                                  \
      &::peftbench::detail::torch_identity,                                                       \
      &registrar,                                                                                 \
  };                                                                                              \
  }                                                                                               \
  static_assert(true, "a semicolon may follow")
