// Built for another host: a note that differs, field by field. The header says so too, but is never reached.
#include "bad_plugin.h"

#ifndef OTHER_API
#define OTHER_API PEFTBENCH_STRING(PEFTBENCH_API_VERSION)
#endif
#ifndef OTHER_HEADERS
#define OTHER_HEADERS PEFTBENCH_HEADERS_HASH
#endif
#ifndef OTHER_TORCH
#define OTHER_TORCH PEFTBENCH_TORCH_VERSION
#endif
#ifndef OTHER_COMPILER
#define OTHER_COMPILER PEFTBENCH_COMPILER
#endif

FORGED_HEADER(sizeof(peftbench::PluginHeader), PEFTBENCH_API_VERSION,
              PEFTBENCH_ABI_NOTE_BEGIN "api=" OTHER_API ";headers=" OTHER_HEADERS ";torch=" OTHER_TORCH
                                       ";stdlib=" PEFTBENCH_STDLIB ";compiler=" OTHER_COMPILER
                                       ";sanitizers=" PEFTBENCH_SANITIZERS ";rtti=" PEFTBENCH_RTTI
                                       ";" PEFTBENCH_ABI_NOTE_END,
              "other", "1", "", "", nullptr, nullptr)

// Loading must stop at the note: were the library opened, this would end the process.
__attribute__((constructor)) static void opened() { __builtin_trap(); }
