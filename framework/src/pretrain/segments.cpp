#include "pretrain/segments.h"

#include "core/random.h"
#include "pretrain/prefix_lm.h"
#include "pretrain/span_corruption.h"

#include <peftbench/error.h>

#include <algorithm>
#include <cmath>

namespace peftbench::pretrain {

namespace {

constexpr int64_t longest_part = 65536;
constexpr std::size_t joined_documents = 128;
constexpr uint64_t held_out_seed = 0;

}  // namespace

// Where the pieces of an epoch lie.
class SegmentStream::Epoch {
 public:
  Epoch(const SegmentStream& stream, std::vector<Item> items, uint64_t seed, uint64_t number) : stream_(stream) {
    Random documents(stream_seed(seed, "documents", number)), parts(stream_seed(seed, "parts", number));
    documents.shuffle(items);
    for (const Item& item : items) add(item, parts);
    const bool joins = stream.options_.objective == Objective::span_corruption;
    const std::size_t group = joins ? joined_documents : 1;
    for (std::size_t first = 0; first < parts_.size(); first += group) {
      cut(starts_[first], starts_[std::min(first + group, parts_.size())], joins ? 1 : 2);
    }
    Random order(stream_seed(seed, "segments", number));
    order.shuffle(pieces_);
  }

  int64_t size() const { return static_cast<int64_t>(pieces_.size()); }

  std::vector<int64_t> ids(int64_t index) const {
    auto [begin, count] = pieces_[static_cast<std::size_t>(index)];
    std::vector<int64_t> ids;
    auto part = static_cast<std::size_t>(std::upper_bound(starts_.begin(), starts_.end(), begin) - starts_.begin()) - 1;
    for (; count > 0; ++part) {
      const Part& from = parts_[part];
      const int64_t offset = begin - starts_[part];
      const int64_t here = std::min(count, starts_[part + 1] - begin);
      stream_.corpora_[from.item.corpus].corpus->append(from.item.document, from.begin + offset, here, ids);
      begin += here;
      count -= here;
    }
    return ids;
  }

 private:
  struct Part {
    Item item;
    int64_t begin;
  };
  struct Piece {
    int64_t begin, count;  // in the text of all parts one after another
  };

  void add(const Item& item, Random& random) {
    const int64_t length = stream_.corpora_[item.corpus].corpus->length(item.document);
    int64_t begin = 0;
    if (length > longest_part) {
      const auto parts = static_cast<uint64_t>((length + longest_part - 1) / longest_part);
      begin = longest_part * static_cast<int64_t>(random.below(parts));
    }
    parts_.push_back({item, begin});
    starts_.push_back(starts_.back() + std::min(longest_part, length - begin));
  }
  void cut(int64_t begin, int64_t end, int64_t shortest) {
    for (; begin < end; begin += stream_.raw_) {
      const int64_t count = std::min(stream_.raw_, end - begin);
      if (count >= shortest) pieces_.push_back({begin, count});
    }
  }

  const SegmentStream& stream_;
  std::vector<Part> parts_;
  std::vector<int64_t> starts_ = {0};  // of each part in the text of all, and its end
  std::vector<Piece> pieces_;
};

SegmentStream::SegmentStream(std::vector<WeightedCorpus> corpora, const SpecialIds& special,
                             const SegmentOptions& options, uint64_t seed)
    : corpora_(std::move(corpora)), special_(special), options_(options), seed_(seed) {
  if (options.objective == Objective::span_corruption) {
    const SpanLengths lengths = span_lengths(options.input_tokens, options.density, options.mean_span);
    if (lengths.spans > special.sentinels) {
      throw ConfigError(Problem{
          "span corruption needs more sentinels than available",
          std::to_string(lengths.spans) + " spans in an input of " + std::to_string(options.input_tokens) + " tokens",
          "at most " + std::to_string(special.sentinels),
          "use shorter inputs, a smaller density or a larger mean span"});
    }
    raw_ = lengths.raw;
  } else {
    raw_ = options.input_tokens - 1;
    if (raw_ < 2) {
      throw ConfigError(Problem{.what = "the inputs are too short for a prefix LM",
                                .found = std::to_string(options.input_tokens),
                                .expected = "3 tokens or more; T5 uses 512"});
    }
  }
  for (const WeightedCorpus& c : corpora_) {
    if (!(c.weight >= 0 && c.weight <= 1000)) {
      throw ConfigError(Problem{.what = "the weight of the text '" + c.corpus->name() + "' is out of range",
                                .found = std::to_string(c.weight),
                                .expected = "0 to 1000: how often each document occurs per epoch"});
    }
  }
  // Small weights leave an epoch empty now and then; a whole round of them must not be.
  bool any = false;
  for (int64_t e = 0; e < 1000 && !any; ++e) any = epoch_size(e) > 0;
  if (!any) {
    throw DataError(Problem{"there is no training text", std::to_string(corpora_.size()) + " sources",
                            "documents of two or more tokens that are not held out",
                            "add more text, use larger weights, or hold out less"});
  }
}

SegmentStream::~SegmentStream() = default;

std::vector<SegmentStream::Item> SegmentStream::items(int64_t epoch) const {
  std::vector<Item> result;
  for (std::size_t c = 0; c < corpora_.size(); ++c) {
    const auto& [corpus, weight] = corpora_[c];
    for (int64_t d = 0; d < corpus->documents() && weight > 0; ++d) {
      if (corpus->held_out(d, options_.held_out)) continue;
      // Documents are out of step with each other, so that a weight of 0.5 has half of them in every epoch.
      Random phase(stream_seed(seed_, "phase", corpus->text_hash(d)));
      const double start = phase.uniform();
      const auto until = [&](int64_t e) {
        return static_cast<int64_t>(std::floor(weight * static_cast<double>(e) + start));
      };
      for (int64_t copies = until(epoch + 1) - until(epoch); copies > 0; --copies) result.push_back({c, d});
    }
  }
  return result;
}

const SegmentStream::Epoch& SegmentStream::epoch(int64_t number) const {
  if (cached_number_ != number) {
    cached_ = std::make_unique<const Epoch>(*this, items(number), seed_, static_cast<uint64_t>(number));
    cached_number_ = number;
  }
  return *cached_;
}

int64_t SegmentStream::epoch_size(int64_t number) const {
  for (auto next = static_cast<int64_t>(ends_.size()); next <= number; ++next) {
    ends_.push_back((ends_.empty() ? 0 : ends_.back()) + epoch(next).size());
  }
  const auto e = static_cast<std::size_t>(number);
  return ends_[e] - (e == 0 ? 0 : ends_[e - 1]);
}

EncodedExample SegmentStream::at(int64_t index) const {
  while (ends_.empty() || ends_.back() <= index) epoch_size(static_cast<int64_t>(ends_.size()));
  const auto end = std::upper_bound(ends_.begin(), ends_.end(), index);
  const int64_t begin = end == ends_.begin() ? 0 : *(end - 1);
  const Epoch& here = epoch(end - ends_.begin());
  return example(here.ids(index - begin), stream_seed(seed_, "example", static_cast<uint64_t>(index)));
}

int64_t SegmentStream::longest_target() const {
  if (options_.objective == Objective::prefix_lm) return raw_;  // all but one token, and EOS
  return span_lengths(options_.input_tokens, options_.density, options_.mean_span).targets;
}

EncodedExample SegmentStream::example(std::vector<int64_t> ids, uint64_t seed) const {
  Random random(seed);
  if (options_.objective == Objective::prefix_lm) return prefix_lm(ids, special_.eos, random);
  return corrupt_spans(ids, options_.density, options_.mean_span, special_, random);
}

std::vector<EncodedExample> SegmentStream::held_out(int64_t limit) const {
  std::vector<Item> documents;
  for (std::size_t c = 0; c < corpora_.size(); ++c) {
    const Corpus& corpus = *corpora_[c].corpus;
    for (int64_t d = 0; d < corpus.documents() && corpora_[c].weight > 0; ++d) {
      if (corpus.held_out(d, options_.held_out)) documents.push_back({c, d});
    }
  }
  const Epoch pieces(*this, std::move(documents), held_out_seed, 0);
  if (pieces.size() == 0) {
    throw DataError(Problem{"no text is held out for measuring the loss",
                            "a fraction of " + std::to_string(options_.held_out) + " of few documents",
                            "at least one document", "hold out a larger fraction, or add more documents"});
  }
  std::vector<EncodedExample> result;
  for (int64_t i = 0; i < std::min(limit, pieces.size()); ++i) {
    result.push_back(example(pieces.ids(i), stream_seed(held_out_seed, "example", static_cast<uint64_t>(i))));
  }
  return result;
}

std::string describe(const EncodedExample& example, const Tokenizer& tokenizer) {
  return "inputs:  " + tokenizer.decode(example.input) + "\ntargets: " + tokenizer.decode(example.target) + "\n";
}

}  // namespace peftbench::pretrain
