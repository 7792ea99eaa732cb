#pragma once

// Made by tests/structure/layers.py --write from DEPENDS: the layers whose names this one sees.
namespace peftbench {
namespace core {}
namespace devices {
using namespace core;
}  // namespace devices
}  // namespace peftbench
