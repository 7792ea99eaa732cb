#pragma once

#include "core/files.h"

namespace peftbench::hostile {

// Seeds of the formats that this program alone writes, into their targets' folders.
void write_own_seeds(const fs::path& corpus);

}  // namespace peftbench::hostile
