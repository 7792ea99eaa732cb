// A right note in the file, and a header that does not fit it.
#include "bad_plugin.h"

#ifndef WRONG_SIZE
#define WRONG_SIZE sizeof(peftbench::PluginHeader)
#endif
#ifndef WRONG_API
#define WRONG_API PEFTBENCH_API_VERSION
#endif
#ifndef WRONG_NOTE
#define WRONG_NOTE PEFTBENCH_ABI_NOTE
#endif
#ifdef WRONG_NULL
#define WRONG_REGISTRAR nullptr
#define WRONG_SUMMARY nullptr
#else
#define WRONG_REGISTRAR bad::register_nothing
#define WRONG_SUMMARY ""
#endif

extern "C" __attribute__((visibility("default"))) const char* const right_note;
const char* const right_note = PEFTBENCH_ABI_NOTE;

FORGED_HEADER(WRONG_SIZE, WRONG_API, WRONG_NOTE, "wrong", "1", WRONG_SUMMARY, "", &peftbench::detail::torch_identity,
              WRONG_REGISTRAR)
