#include "data/prepared/encode_list.h"

#include "core/hash.h"
#include "core/json.h"
#include "data/prepared/example_file.h"

#include <peftbench/abi.h>

#include <nlohmann/json.hpp>

#include <utility>
#include <vector>

namespace peftbench::data {

namespace {

constexpr std::size_t texts_at_once = 4096;  // in memory

std::string key_of(const TextList& texts, const EncodeSettings& settings, const Arrangement& arrangement,
                   const std::string& layout) {
  const EncodeLimits& limits = settings.limits;
  nlohmann::json key = {{"program", PEFTBENCH_VERSION},
                        {"version", preprocessing_version},
                        {"texts", texts.identity()},
                        {"vocabulary", settings.tokenizer.hash()},
                        {"limits", {limits.max_input_tokens, limits.max_target_tokens}},
                        {"target_prefix", limits.target_prefix},
                        {"ends", {settings.pad_id, settings.eos_id}},
                        {"with", "counts"}};  // what the file holds beside ids
  if (arrangement.hook) key["layout"] = {layout, arrangement.replicas, arrangement.seed};
  return sha256(key.dump());
}

// Encodes a list piece by piece.
class Encoding {
 public:
  Encoding(const TextList& texts, const EncodeSettings& settings, const Arrangement& arrangement,
           const DataStorage& storage)
      : texts_(texts), settings_(settings), arrangement_(arrangement), storage_(storage), next_(texts.begin()) {}

  bool next(EncodedExample& example) {
    if (place_ == encoded_.size() && !fill()) return false;
    example = std::move(encoded_[place_++]);
    return true;
  }

  const TextCounts& counts() const { return counts_; }  // so far

 private:
  bool fill() {
    if (done_ == texts_.size()) return false;
    std::vector<TextExample> some;
    for (; some.size() < texts_at_once && done_ < texts_.size(); ++done_, ++next_) some.push_back(*next_);
    std::vector<Cut> cuts;
    encoded_ = encode_all(some, settings_.tokenizer, settings_.limits, arrangement_, settings_.pad_id, settings_.eos_id,
                          storage_.threads, &cuts);
    for (std::size_t i = 0; i < some.size(); ++i) counts_.add(cuts[i], some[i].label);
    place_ = 0;
    if (storage_.progress && texts_.size() > texts_at_once) {
      storage_.progress->update(
          {"prepare", static_cast<std::int64_t>(done_), static_cast<std::int64_t>(texts_.size()), "ids of texts"});
    }
    return true;
  }

  const TextList& texts_;
  const EncodeSettings& settings_;
  const Arrangement& arrangement_;
  const DataStorage& storage_;
  TextList::Iterator next_;
  std::size_t done_ = 0, place_ = 0;
  std::vector<EncodedExample> encoded_;
  TextCounts counts_;
};

TextCounts counts_in(const RecordFile& file) {
  JsonFault fault;
  const auto json = parse_json<nlohmann::ordered_json>(file.section("counts"), fault);
  if (!json) file.fail(fault.text());
  try {
    return text_counts_from(*json);
  } catch (const nlohmann::json::exception& error) {
    file.fail(error.what());
  }
}

}  // namespace

std::shared_ptr<const ExampleList> encode_list(const TextList& texts, const EncodeSettings& settings,
                                               const Arrangement& arrangement, const DataStorage& storage,
                                               const std::string& task, const std::string& layout, TextCounts* counts) {
  DataStorage own = storage;
  if (arrangement.hook && layout.empty()) own.keep = false;
  const StoredRecords records(own, task, own.keep ? key_of(texts, settings, arrangement, layout) : "", "ids");
  if (const auto kept = records.find()) {
    if (counts) *counts = counts_in(*kept);
    return std::make_shared<const ExamplesInFile>(kept);
  }
  Encoding encoding(texts, settings, arrangement, own);
  auto examples = store_examples([&](EncodedExample& example) { return encoding.next(example); }, records,
                                 own.memory_bytes, [&] { return to_json(encoding.counts()).dump(); });
  if (counts) *counts = encoding.counts();
  return examples;
}

}  // namespace peftbench::data
