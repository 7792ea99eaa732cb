#include "adapters/card.h"

#include "core/write_files.h"
#include "plugin/schema.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace peftbench::adapters {

CardFacts card_facts(const AdapterInfo& info, std::string format, std::string library) {
  return {std::move(format), std::move(library), info.method, info.version, Json(plugin::to_json(info.values)),
          info.backbone,     info.task,          nullptr};
}

std::string write_card(const fs::path& folder, const CardFacts& facts) {
  const fs::path file = folder / "README.md";
  if (file_exists(file) && !is_own_card(read_text(file)))
    return file.string() + " was not written by peft-bench, and stays as it is";
  write_atomically(file, adapter_card(facts));
  if (const std::string results = facts.record ? hub_results(*facts.record) : ""; !results.empty()) {
    make_folder(folder / ".eval_results");
    write_atomically(folder / ".eval_results" / "peft-bench.yaml", results);
  }
  return {};
}

std::string write_card(const fs::path& folder, RunRecord record, const std::vector<std::string>& history) {
  std::erase_if(record.warnings,
                [&](const std::string& warning) { return std::count(history.begin(), history.end(), warning) > 0; });
  return write_card(folder, report::card_facts(record, "peft-bench", "peft-bench"));
}

}  // namespace peftbench::adapters
