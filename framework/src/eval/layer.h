#pragma once

// Made by tests/structure/layers.py --write from DEPENDS: the layers whose names this one sees.
namespace peftbench {
namespace core {}
namespace formats {}
namespace text {}
namespace plan {}
namespace backbone {}
namespace data {}
namespace eval {
using namespace core;
using namespace formats;
using namespace text;
using namespace plan;
using namespace backbone;
using namespace data;
}  // namespace eval
}  // namespace peftbench
