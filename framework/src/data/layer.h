#pragma once

// Made by tests/structure/layers.py --write from DEPENDS: the layers whose names this one sees.
namespace peftbench {
namespace core {}
namespace formats {}
namespace text {}
namespace plan {}
namespace data {
using namespace core;
using namespace formats;
using namespace text;
using namespace plan;
}  // namespace data
}  // namespace peftbench
