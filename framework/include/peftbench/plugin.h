#pragma once

// All that a plugin includes. See docs/writing-a-method.md.
#include <peftbench/abi.h>
#include <peftbench/error.h>
#include <peftbench/method.h>

// In one source file of the library, outside any namespace:
//   PEFTBENCH_PLUGIN(lora, "1.0.0", "Low-rank update of frozen linear maps", "arXiv:2106.09685", register_lora)
// where register_lora is void(peftbench::MethodRegistrar&). The name must be the file's, lora.so.
#define PEFTBENCH_PLUGIN(name, version, summary, reference, registrar)                                   \
  extern "C" __attribute__((visibility("default"), used)) const ::peftbench::PluginHeader peftbench_plugin = { \
      sizeof(::peftbench::PluginHeader),                                                                 \
      PEFTBENCH_API_VERSION,                                                                             \
      PEFTBENCH_ABI_NOTE,                                                                                \
      #name,                                                                                             \
      version,                                                                                           \
      summary,                                                                                           \
      reference,                                                                                         \
      &::peftbench::detail::torch_identity,                                                              \
      &registrar,                                                                                        \
  };
