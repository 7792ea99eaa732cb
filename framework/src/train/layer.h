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
namespace ledger {}
namespace eval {}
namespace train {
using namespace core;
using namespace devices;
using namespace formats;
using namespace text;
using namespace plan;
using namespace backbone;
using namespace data;
using namespace ledger;
using namespace eval;
}  // namespace train
}  // namespace peftbench
