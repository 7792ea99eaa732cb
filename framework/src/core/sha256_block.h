#pragma once

#include "core/layer.h"

#include <cstdint>

namespace peftbench::core {

// Adds one block of 64 bytes to the state of a SHA-256.
void plain_sha256_block(std::uint32_t* state, const std::uint8_t* data);

// The same with the CPU's SHA instructions, if available: the checksums of backbones of gigabytes are computed
// before and after a run.
bool has_sha256_instructions();
void fast_sha256_block(std::uint32_t* state, const std::uint8_t* data);

}  // namespace peftbench::core
