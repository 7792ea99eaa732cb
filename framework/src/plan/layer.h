#pragma once

// Made by tests/structure/layers.py --write from DEPENDS: the layers whose names this one sees.
namespace peftbench {
namespace core {}
namespace formats {}
namespace architectures {}
namespace plan {
using namespace core;
using namespace formats;
using namespace architectures;
}  // namespace plan
}  // namespace peftbench
