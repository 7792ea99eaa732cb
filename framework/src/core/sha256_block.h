#pragma once

#include <cstdint>

namespace peftbench {

// One block of 64 bytes taken into the state of a SHA-256.
void plain_sha256_block(std::uint32_t* state, const std::uint8_t* data);

// The same by the processor's own instructions, where it has them: the checksums of backbones of gigabytes are taken
// before and after a run.
bool has_sha256_instructions();
void fast_sha256_block(std::uint32_t* state, const std::uint8_t* data);

}  // namespace peftbench
