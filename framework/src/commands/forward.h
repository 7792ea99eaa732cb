#pragma once

#include "backbone/backbone.h"
#include "commands/layer.h"
#include "config/paths.h"

#include <peftbench/values.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::commands {

// One forward pass over ids from files, for comparison with other programs. No vocabulary is needed.
struct ForwardRequest {
  std::string backbone;
  LoadOptions load;
  std::vector<fs::path> adapters;  // ours or other programs'; several share the batch
  std::optional<fs::path> groups;  // JSON: for each row the number of its adapter, −1 for none
  fs::path input_ids;              // JSON: a list of lists of ids, of any lengths
  std::optional<fs::path> labels;  // JSON, as long; −100 at the end of a row is left out
  std::optional<fs::path> output;  // .safetensors
  bool gradient = false;
  std::optional<fs::path> generate;  // JSON of generated ids
  std::int64_t beams = 1;
  std::int64_t max_tokens = 62;
};

struct ForwardSummary {
  std::int64_t sequences = 0;
  std::optional<double> loss;  // mean over label tokens
  Names notes;                 // notes for the user
};

// Writes encoder_last_hidden_state [B, T, D], rows that a prompt adds included; with labels logits [B, T, V] and
// loss; with `gradient` input_embeddings_grad [B, T, D]; where the head scores classes, class_log_probabilities [B, C]
// and no logits. Zeros if a row has ended.
ForwardSummary forward(const ForwardRequest& request, const Paths& paths);

}  // namespace peftbench::commands
