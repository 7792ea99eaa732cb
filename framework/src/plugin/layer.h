#pragma once

// Made by tests/structure/layers.py --write from DEPENDS: the layers whose names this one sees.
namespace peftbench {
namespace core {}
namespace plan {}
namespace plugin {
using namespace core;
using namespace plan;
}  // namespace plugin
}  // namespace peftbench
