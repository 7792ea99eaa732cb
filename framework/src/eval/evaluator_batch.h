#pragma once

#include "eval/evaluator.h"
#include "eval/layer.h"

#include <string>
#include <vector>

namespace peftbench::eval {

// What the files of the evaluator share.

inline const std::string sentinel_word = "<extra_id_0>";

// Of the copies' scores those of the examples, which must be finite.
Tensor combined_scores(const Backbone& backbone, const CompiledPlan& plan, const Tensor& log_likelihood);

struct Evaluator::Batch {
  const CompiledPlan& plan;
  const ExampleBatch& examples;
  EncoderState encoder;
  const std::vector<const Evaluator*>& readers;  // of each group of a stacked plan, or one for all
  const Evaluator& first() const { return *readers.front(); }
  const Evaluator& reader(std::size_t sequence) const {
    return readers.size() == 1 ? first() : *readers[static_cast<std::size_t>(encoder.layout.groups[sequence])];
  }
  const Evaluator& reader_of_example(std::size_t example) const {
    return reader(example * static_cast<std::size_t>(examples.copies));
  }
};

}  // namespace peftbench::eval
