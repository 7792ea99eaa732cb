#pragma once

#include "commands/layer.h"
#include "config/paths.h"
#include "core/progress.h"
#include "results/result_store.h"
#include "text/tokenizer.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::commands {

// How much of its language a backbone loses under a trained method: the loss of text that nobody was trained to answer,
// as a prefix language model reads it. The first half of each piece of text is the input, the second the target.
struct ForgettingRequest {
  Paths paths;
  RunFolder run;
  std::optional<fs::path> text;   // a text on each line; else the inputs of a task's test split
  std::string task;               // empty: the run's own
  std::int64_t examples = 0;      // only the first N texts; 0: all
  std::int64_t max_tokens = 256;  // longer texts are split into pieces of N ids
  std::int64_t threads = 0;       // 0: the run's own
  std::string device = {};        // empty: the run's own
};

struct ForgettingOutcome {
  std::string run, method, source;
  std::string adapter_hash;  // of the method that was measured
  std::string task;          // whose inputs are the text; empty: a file
  std::int64_t pieces = 0;
  std::int64_t tokens = 0;            // of the targets, EOS counted: what the losses are means over
  double before = 0;                  // the frozen backbone's
  std::optional<double> with_method;  // nothing if the method's head scores classes: it has no words to say
  double after = 0;                   // the backbone's again, the method taken away
  std::string checksum_before, checksum_after;

  // Equal to the bit.
  bool restored() const { return before == after && checksum_before == checksum_after; }
};

// What the two halves of a piece of text are, before the method lays the input out.
struct Halves {
  std::string input;
  std::vector<std::int64_t> target;  // EOS at the end
};
// Pieces of at most `max_tokens` ids whose input half fits a task's limit of `max_input`. A single id has no halves.
std::vector<Halves> halves_of(const std::vector<std::string>& texts, const Tokenizer& tokenizer,
                              std::int64_t max_tokens, std::int64_t max_input);

ForgettingOutcome measure_forgetting(const ForgettingRequest& request, ProgressSink& progress);

// Writes what was measured into the run's record. Throws DataError if the run has other trained values by now, Error if
// removing the method did not restore the backbone.
void keep_forgetting(const ForgettingRequest& request, const ForgettingOutcome& outcome);

// Whether the record has what this request measures. The run's own task is meant where there is no text.
bool has_forgetting(const RunRecord& record, const ForgettingRequest& request);

}  // namespace peftbench::commands
