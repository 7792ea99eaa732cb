#pragma once

// Made by tests/structure/layers.py --write from DEPENDS: the layers whose names this one sees.
namespace peftbench {
namespace core {}
namespace architectures {
using namespace core;
}  // namespace architectures
}  // namespace peftbench
