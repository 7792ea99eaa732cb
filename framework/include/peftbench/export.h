#pragma once

// Everything else in libpeftbench.so is hidden: what carries this mark is the contract with plugins.
#define PEFTBENCH_API __attribute__((visibility("default")))
