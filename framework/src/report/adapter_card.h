#pragma once

#include "report/layer.h"
#include "results/run_record.h"

#include <string>
#include <string_view>

namespace peftbench::report {

// What a card says of an adapter. Where its run's record is there, all but `format` and `library` follows from that.
struct CardFacts {
  std::string format;            // peft-bench, huggingface, google, merged, …
  std::string library;           // the program that loads it: peft-bench, peft or transformers
  std::string method, version;   // of the method
  Json values = Json::object();  // of its parameters
  std::string backbone, task;    // names; the task's may be unknown
  const RunRecord* record = nullptr;
};
CardFacts card_facts(const RunRecord& record, std::string format, std::string library);

// README.md of an adapter's folder, as the Hugging Face hub shows it: metadata in YAML, then what the adapter is, its
// scores, counts, warnings, and how to repeat it. A function of the facts, without times. All texts are escaped.
std::string adapter_card(const CardFacts& facts);

// Whether a card was written by adapter_card, so that it may be replaced.
bool is_own_card(std::string_view text);

// .eval_results/*.yaml of the hub: the score of each task whose data are a data set of the hub. Empty if there is none:
// the hub knows results of its own data sets alone.
std::string hub_results(const RunRecord& record);

}  // namespace peftbench::report
