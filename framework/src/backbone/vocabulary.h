#pragma once

#include "backbone/layer.h"
#include "text/tokenizer.h"

#include <peftbench/spec.h>

#include <memory>

namespace peftbench::backbone {

// The vocabulary in a backbone's folder. Throws DataError if it is absent or damaged, CheckpointError if it does
// not belong to the backbone.
std::shared_ptr<const Tokenizer> open_vocabulary(const fs::path& folder, const BackboneSpec& spec);

// Throws CheckpointError if the vocabulary's ids are not those of the backbone: rows of its table, EOS and pad.
void check_vocabulary(const Tokenizer& tokenizer, const BackboneSpec& spec, const std::string& vocabulary);

}  // namespace peftbench::backbone
