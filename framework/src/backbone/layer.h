#pragma once

// Made by tests/structure/layers.py --write from DEPENDS: the layers whose names this one sees.
namespace peftbench {
namespace core {}
namespace formats {}
namespace text {}
namespace architectures {}
namespace plan {}
namespace backbone {
using namespace core;
using namespace formats;
using namespace text;
using namespace architectures;
using namespace plan;
}  // namespace backbone
}  // namespace peftbench
