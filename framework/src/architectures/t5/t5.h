#pragma once

#include "architectures/architecture.h"

namespace peftbench::architectures {

// T5 (Raffel et al. 2020), v1.0 and v1.1 and all that has their network: LM-adapted, Flan, UL2, mT5, ByT5.
const Architecture& t5_architecture();

}  // namespace peftbench::architectures
