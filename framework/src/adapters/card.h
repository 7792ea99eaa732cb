#pragma once

#include "adapters/adapter.h"
#include "adapters/layer.h"
#include "core/files.h"
#include "report/adapter_card.h"

#include <string>
#include <vector>

namespace peftbench::adapters {

// Of an adapter that belongs to no run, as far as its own description tells.
CardFacts card_facts(const AdapterInfo& info, std::string format, std::string library);

// Writes README.md into an adapter's folder and, with a record that has them, .eval_results/peft-bench.yaml. A card
// that someone else wrote stays as it is: then the note says so, else it is empty.
std::string write_card(const fs::path& folder, const CardFacts& facts);
// Into a run's own folder. `history`: warnings of how the run went on, without which its bytes are those of one that
// nothing stopped.
std::string write_card(const fs::path& folder, RunRecord record, const std::vector<std::string>& history);

}  // namespace peftbench::adapters
