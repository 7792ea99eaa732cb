#pragma once

// Made by tests/structure/layers.py --write from DEPENDS: the layers whose names this one sees.
namespace peftbench {
namespace core {}
namespace results {}
namespace report {
using namespace core;
using namespace results;
}  // namespace report
}  // namespace peftbench
