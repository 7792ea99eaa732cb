#pragma once

#include "data/prepared/encode.h"
#include "pretrain/corpus.h"
#include "pretrain/layer.h"
#include "pretrain/special_ids.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace peftbench::pretrain {

enum class Objective { span_corruption, prefix_lm };

struct SegmentOptions {
  Objective objective = Objective::span_corruption;
  int64_t input_tokens = 512;  // longest input, EOS included
  double density = 0.15, mean_span = 3;
  double held_out = 0.01;  // part of the documents that at() never gives
};

struct WeightedCorpus {
  std::shared_ptr<const Corpus> corpus;
  // How often an epoch has each document: 2 is twice, 0.5 every other epoch (half of the documents in each).
  double weight = 1;
};

// The examples of a pre-training objective, without end. Which one stands at an index follows from the seed alone, so
// that training goes on at a step without any state.
//
// An epoch takes the documents in an order of its own; of one longer than 65,536 tokens a part of that length, chosen
// by chance. For span corruption 128 documents at a time are joined and cut into segments of span_lengths().raw
// tokens, the last of them shorter; for the prefix LM documents are not joined, and pieces of one token are left out.
// The pieces are then put into an order of their own. All as T5's pipeline does it, but that it shuffles in a buffer.
class SegmentStream {
 public:
  // Throws ConfigError or DataError if there is nothing to give.
  SegmentStream(std::vector<WeightedCorpus> corpora, const SpecialIds& special, const SegmentOptions& options,
                uint64_t seed);
  ~SegmentStream();
  SegmentStream(const SegmentStream&) = delete;
  SegmentStream& operator=(const SegmentStream&) = delete;

  EncodedExample at(int64_t index) const;  // keeps the table of the epoch: not for several threads at once
  int64_t epoch_size(int64_t epoch) const;
  int64_t longest_target() const;  // tokens, EOS included
  // Of the documents held out, each once; the same for every seed. Throws DataError if none is held out.
  std::vector<EncodedExample> held_out(int64_t limit) const;

 private:
  class Epoch;
  struct Item {
    std::size_t corpus;
    int64_t document;
  };
  const Epoch& epoch(int64_t number) const;
  std::vector<Item> items(int64_t epoch) const;
  EncodedExample example(std::vector<int64_t> ids, uint64_t seed) const;

  std::vector<WeightedCorpus> corpora_;
  SpecialIds special_;
  SegmentOptions options_;
  uint64_t seed_;
  int64_t raw_ = 0;                    // longest piece of text
  mutable std::vector<int64_t> ends_;  // of the epochs from the first, as far as they are known
  mutable std::unique_ptr<const Epoch> cached_;
  mutable int64_t cached_number_ = -1;
};

// Input and target as text, for people.
std::string describe(const EncodedExample& example, const Tokenizer& tokenizer);

}  // namespace peftbench::pretrain
