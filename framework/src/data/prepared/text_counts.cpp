#include "data/prepared/text_counts.h"

#include "core/names.h"
#include "core/utf8.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace peftbench::data {

namespace {

using OrderedJson = nlohmann::ordered_json;

}  // namespace

void TextCounts::add(const Cut& cut, int label) {
  ++examples;
  inputs_cut += cut.input ? 1 : 0;
  targets_cut += cut.target ? 1 : 0;
  longest_target = std::max(longest_target, cut.target_tokens);
  for (const std::string& field : cut.lost) ++lost[field];
  ++labels[label];
}

OrderedJson to_json(const TextCounts& counts) {
  OrderedJson labels = OrderedJson::array();
  for (const auto& [label, count] : counts.labels) labels.push_back({label, count});
  return {{"examples", counts.examples},       {"inputs_cut", counts.inputs_cut},
          {"targets_cut", counts.targets_cut}, {"longest_target", counts.longest_target},
          {"fields_lost", counts.lost},        {"labels", labels}};
}

TextCounts text_counts_from(const OrderedJson& json) {
  TextCounts counts;
  json.at("examples").get_to(counts.examples);
  json.at("inputs_cut").get_to(counts.inputs_cut);
  json.at("targets_cut").get_to(counts.targets_cut);
  json.at("longest_target").get_to(counts.longest_target);
  json.at("fields_lost").get_to(counts.lost);
  for (const OrderedJson& pair : json.at("labels"))
    counts.labels[pair.at(0).get<int>()] = pair.at(1).get<std::int64_t>();
  return counts;
}

std::vector<std::string> cut_remarks(const TextCounts& counts, const std::string& split, std::int64_t most_input,
                                     std::int64_t most_target) {
  std::vector<std::string> remarks;
  const auto share = [&](std::int64_t count) {
    return with_thousands(count) + " of " + with_thousands(counts.examples) + " " + split;
  };
  if (counts.inputs_cut > 0)
    remarks.push_back(share(counts.inputs_cut) + " inputs are truncated at the limit of " + std::to_string(most_input) +
                      " tokens");
  for (const auto& [field, count] : counts.lost)
    remarks.push_back(share(count) + " inputs lose all of the field '" + field +
                      "': put it first in 'input', or raise limits.input (--set task.max_input_tokens=N)");
  if (counts.targets_cut > 0)
    remarks.push_back(share(counts.targets_cut) + " targets are truncated at the limit of " +
                      std::to_string(most_target) + " tokens, which no answer can match; raise limits.target to " +
                      std::to_string(counts.longest_target) +
                      " (--set task.max_target_tokens=" + std::to_string(counts.longest_target) + ")");
  return remarks;
}

void Unwritable::add(const TextExample& example, const Tokenizer& tokenizer) {
  const auto form = [&](const std::string& text) { return tokenizer.decode(tokenizer.encode(text)); };
  const auto writable = [&](const std::string& text) { return form(text) == text; };
  const auto& rights = example.references;
  if (rights.empty() ? writable(example.target) : std::any_of(rights.begin(), rights.end(), writable)) return;
  if (count++ > 0) return;
  target = rights.empty() ? example.target : rights.front();
  written = form(target);
}

std::optional<std::string> unwritable_remark(const Unwritable& targets, const std::string& whole) {
  if (targets.count == 0) return std::nullopt;
  return "the vocabulary cannot write " + with_thousands(targets.count) + " of the " + whole + " exactly (" +
         spelled(targets.target) + " becomes " + spelled(targets.written) + "), so no answer can match them";
}

}  // namespace peftbench::data
