#pragma once

// All layers, for tests: made by tests/structure/layers.py --write.
namespace peftbench {
namespace core {}
namespace devices {}
namespace formats {}
namespace text {}
namespace architectures {}
namespace plan {}
namespace backbone {}
namespace plugin {}
namespace data {}
namespace ledger {}
namespace eval {}
namespace train {}
namespace results {}
namespace report {}
namespace config {}
namespace adapters {}
namespace run {}
namespace commands {}
namespace pretrain {}
namespace cli {}
namespace support {}
namespace layers {
using namespace core;
using namespace devices;
using namespace formats;
using namespace text;
using namespace architectures;
using namespace plan;
using namespace backbone;
using namespace plugin;
using namespace data;
using namespace ledger;
using namespace eval;
using namespace train;
using namespace results;
using namespace report;
using namespace config;
using namespace adapters;
using namespace run;
using namespace commands;
using namespace pretrain;
using namespace cli;
using namespace support;
}  // namespace layers
}  // namespace peftbench
