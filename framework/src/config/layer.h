#pragma once

// Made by tests/structure/layers.py --write from DEPENDS: the layers whose names this one sees.
namespace peftbench {
namespace core {}
namespace devices {}
namespace plan {}
namespace backbone {}
namespace plugin {}
namespace data {}
namespace eval {}
namespace train {}
namespace results {}
namespace config {
using namespace core;
using namespace devices;
using namespace plan;
using namespace backbone;
using namespace plugin;
using namespace data;
using namespace eval;
using namespace train;
using namespace results;
}  // namespace config
}  // namespace peftbench
