#pragma once

// Made by tests/structure/layers.py --write from DEPENDS: the layers whose names this one sees.
namespace peftbench {
namespace core {}
namespace devices {}
namespace plan {}
namespace backbone {}
namespace plugin {}
namespace data {}
namespace ledger {}
namespace eval {}
namespace results {}
namespace report {}
namespace config {}
namespace adapters {}
namespace run {}
namespace commands {}
namespace pretrain {}
namespace cli {
using namespace core;
using namespace devices;
using namespace plan;
using namespace backbone;
using namespace plugin;
using namespace data;
using namespace ledger;
using namespace eval;
using namespace results;
using namespace report;
using namespace config;
using namespace adapters;
using namespace run;
using namespace commands;
using namespace pretrain;
}  // namespace cli
}  // namespace peftbench
