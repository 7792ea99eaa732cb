#pragma once

#include "data/layer.h"
#include "data/prepared/encode.h"
#include "data/prepared/storage.h"
#include "data/prepared/text_list.h"

#include <memory>
#include <string>

namespace peftbench::data {

// What a vocabulary and its backbone make of texts.
struct EncodeSettings {
  const Tokenizer& tokenizer;
  EncodeLimits limits;
  int64_t pad_id = 0, eos_id = 1;
};

// encode_all for a list of any length: many examples go to a file, which is opened at once the next time that the same
// texts are encoded in the same way. `task` is part of the file's name. `layout`: all that the hook's work follows
// from, as the file is kept under it; empty with a hook: the file is not kept. `counts`: what became of the texts.
std::shared_ptr<const ExampleList> encode_list(const TextList& texts, const EncodeSettings& settings,
                                               const Arrangement& arrangement, const DataStorage& storage,
                                               const std::string& task, const std::string& layout = {},
                                               TextCounts* counts = nullptr);

}  // namespace peftbench::data
