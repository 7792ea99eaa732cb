#pragma once

// Marks the public API for plugins; all other symbols of libpeftbench.so are hidden.
#define PEFTBENCH_API __attribute__((visibility("default")))
