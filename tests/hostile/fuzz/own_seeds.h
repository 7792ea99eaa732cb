#pragma once

#include "core/files.h"
#include "support/layers.h"

namespace peftbench::hostile {

using namespace layers;

// Seeds of the formats that this program alone writes, into their targets' folders.
void write_own_seeds(const fs::path& corpus);

}  // namespace peftbench::hostile
