#include "backbone/vocabulary.h"

#include <peftbench/error.h>

namespace peftbench::backbone {

std::shared_ptr<const Tokenizer> open_vocabulary(const fs::path& folder, const BackboneSpec& spec) {
  auto tokenizer = open_tokenizer(folder);
  const fs::path file = folder / spiece_file;
  check_vocabulary(*tokenizer, spec, (file_exists(file) ? file : folder).string());
  return tokenizer;
}

void check_vocabulary(const Tokenizer& tokenizer, const BackboneSpec& spec, const std::string& vocabulary) {
  const auto refuse = [&](const std::string& found, const std::string& expected) {
    throw CheckpointError({"the vocabulary " + vocabulary + " does not belong to this backbone", found, expected,
                           "use the backbone's own tokenizer files"});
  };
  if (tokenizer.size() > spec.vocab_size)
    refuse(std::to_string(tokenizer.size()) + " ids, including sentinels and added tokens",
           "at most " + std::to_string(spec.vocab_size) + ", the rows of the embedding table");
  // Inputs and targets end with the vocabulary's EOS, and generation stops at the backbone's.
  if (tokenizer.eos_id() != spec.eos_id)
    refuse("its EOS, '" + tokenizer.piece(tokenizer.eos_id()) + "', is id " + std::to_string(tokenizer.eos_id()),
           "eos_token_id " + std::to_string(spec.eos_id) + ", as in the backbone's config.json");
  if (tokenizer.pad_id() != spec.pad_id)
    refuse("its pad, '" + tokenizer.piece(tokenizer.pad_id()) + "', is id " + std::to_string(tokenizer.pad_id()),
           "pad_token_id " + std::to_string(spec.pad_id) + ", as in the backbone's config.json");
}

}  // namespace peftbench::backbone
