#pragma once

// Made by tests/structure/layers.py --write from DEPENDS: the layers whose names this one sees.
namespace peftbench {
namespace core {}
namespace devices {}
namespace formats {}
namespace text {}
namespace plan {}
namespace backbone {}
namespace plugin {}
namespace data {}
namespace ledger {}
namespace eval {}
namespace train {}
namespace results {}
namespace config {}
namespace adapters {}
namespace run {
using namespace core;
using namespace devices;
using namespace formats;
using namespace text;
using namespace plan;
using namespace backbone;
using namespace plugin;
using namespace data;
using namespace ledger;
using namespace eval;
using namespace train;
using namespace results;
using namespace config;
using namespace adapters;
}  // namespace run
}  // namespace peftbench
