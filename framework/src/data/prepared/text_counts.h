#pragma once

#include "data/layer.h"
#include "text/tokenizer.h"

#include <peftbench/layout.h>

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::data {

// What the limits of tokens took from one example.
struct Cut {
  bool input = false, target = false;
  std::int64_t target_tokens = 0;      // of the whole target, EOS among them
  std::vector<std::string> lost = {};  // fields of the input of which nothing is left
};

// What became of the texts of a split.
struct TextCounts {
  std::int64_t examples = 0, inputs_cut = 0, targets_cut = 0;
  std::int64_t longest_target = 0;           // tokens, EOS among them, before it was cut
  std::map<std::string, std::int64_t> lost;  // examples by the field of which nothing is left
  std::map<int, std::int64_t> labels;        // examples by the place of their label word; −1: none
  void add(const Cut& cut, int label);
};
nlohmann::ordered_json to_json(const TextCounts& counts);
// Throws nlohmann's exceptions where it is not what to_json wrote.
TextCounts text_counts_from(const nlohmann::ordered_json& json);

// For a reader of figures: cut inputs, fields that are lost, cut targets; empty if the limits took nothing.
// `split`: "test".
std::vector<std::string> cut_remarks(const TextCounts& counts, const std::string& split, std::int64_t most_input,
                                     std::int64_t most_target);

// Examples of which the vocabulary can write no right answer as it stands: characters that it lacks, or forms and
// spaces that its normalizer changes. No answer equals such a target.
struct Unwritable {
  std::int64_t count = 0;
  std::string target, written;  // of the first
  void add(const TextExample& example, const Tokenizer& tokenizer);
};
// Nothing if the vocabulary can write them all. `whole`: "20 test targets".
std::optional<std::string> unwritable_remark(const Unwritable& targets, const std::string& whole);

}  // namespace peftbench::data
