#pragma once

#include "ledger/layer.h"
#include "plan/compiled_plan.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::ledger {

// Elements of tensors, under the names of the record.
struct Counts {
  std::int64_t trained = 0;                        // given to the optimizer
  std::int64_t stored = 0;                         // saved at the end, derived values instead of their sources
  std::int64_t inference = 0;                      // used by a trained method
  std::int64_t after_merge = 0;                    // remaining after merging into frozen tensors
  std::optional<std::int64_t> receiving_gradient;  // with a gradient in the first steps; unknown before training
};

// The counts of one site's tensors of one role.
struct LedgerRow {
  std::string method, site, role;  // role: trained, buffer, derived
  Counts counts;
};

// Lengths of the sequences of a batch, from which operations are counted.
struct BatchLengths {
  std::vector<std::int64_t> input, target;  // tokens with EOS, before anything a method adds
  // Of each example the rows of each of its copies, with all that a method adds; empty: the input and what is added.
  std::vector<std::vector<std::int64_t>> encoder_rows = {};
};

struct FlopCounts {
  double forward = 0, training_step = 0;  // of the batch
  double prediction = 0;                  // of one example of it, on average: a forward pass
};

// All values are measured on the plan's tensors; a method cannot report numbers itself.
struct Ledger {
  std::int64_t backbone_parameters = 0;
  Counts total;
  double percent = 0;  // 100 · trained / (backbone + additional trained elements), as in Lester et al.
  std::int64_t bytes_stored = 0;
  std::optional<std::int64_t> optimizer_state_bytes;  // Optimizer::state_bytes
  // Rows that the method adds to each sequence, found by running its hooks. What a layout hook adds is found on
  // an example, and not known without one.
  std::optional<std::int64_t> added_encoder_length;
  std::optional<std::int64_t> prompt_tokens;  // ids among them: words and examples of a layout hook, its slots left out
  // For each copy of an example (one, where there are no replicas): what is added, and by a layout hook among it.
  std::vector<std::int64_t> added_by_copy, layout_by_copy;
  std::int64_t added_decoder_length = 0;
  std::int64_t prefix_length = 0;           // longest key/value prefix
  std::int64_t encoder_prefix_columns = 0;  // of all its attentions together
  std::int64_t decoder_prefix_columns = 0;
  std::optional<FlopCounts> flops;
  std::vector<LedgerRow> rows;

  // Elements by parameter name, once training has shown them.
  void set_receiving_gradient(const CompiledPlan& plan, const std::map<std::string, std::int64_t>& by_parameter);
};

// The inputs for running a layout hook.
struct LedgerExample {
  TextExample example;
  std::vector<TextExample> training_set;
  std::function<std::int64_t(const std::string&)> tokens;
  std::int64_t max_tokens = 512;
  std::uint64_t seed = 0;  // the run's
};

// `plan` has its values, be it on meta (CompiledPlan::initialise_on_meta): an 11B model's ledger needs no weights.
// Throws ConfigError if a hook cannot be run for its sizes alone, naming method and site.
Ledger measure(const BackboneSpec& spec, const CompiledPlan& plan, const LedgerExample* example = nullptr);

// Multiplications and additions in the backbone's matrix products; what hooks compute on their own is not in it.
// `encoder_cached`: of so large a part of its examples a training step needs no encoder. Formulas: ledger/flops.cpp.
FlopCounts count_flops(const BackboneSpec& spec, const CompiledPlan& plan, const Ledger& ledger,
                       const BatchLengths& lengths, double encoder_cached = 0);

nlohmann::json to_json(const Ledger& ledger);  // the record's `ledger`; backbone_parameters is not in it

}  // namespace peftbench::ledger
