#pragma once

// Made by tests/structure/layers.py --write from DEPENDS: the layers whose names this one sees.
namespace peftbench {
namespace core {}
namespace devices {}
namespace formats {}
namespace text {}
namespace plan {}
namespace backbone {}
namespace data {}
namespace eval {}
namespace train {}
namespace results {}
namespace report {}
namespace config {}
namespace pretrain {
using namespace core;
using namespace devices;
using namespace formats;
using namespace text;
using namespace plan;
using namespace backbone;
using namespace data;
using namespace eval;
using namespace train;
using namespace results;
using namespace report;
using namespace config;
}  // namespace pretrain
}  // namespace peftbench
