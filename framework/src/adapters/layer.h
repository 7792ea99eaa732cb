#pragma once

// Made by tests/structure/layers.py --write from DEPENDS: the layers whose names this one sees.
namespace peftbench {
namespace core {}
namespace formats {}
namespace text {}
namespace plan {}
namespace backbone {}
namespace plugin {}
namespace data {}
namespace train {}
namespace results {}
namespace report {}
namespace config {}
namespace adapters {
using namespace core;
using namespace formats;
using namespace text;
using namespace plan;
using namespace backbone;
using namespace plugin;
using namespace data;
using namespace train;
using namespace results;
using namespace report;
using namespace config;
}  // namespace adapters
}  // namespace peftbench
