#pragma once

#include "core/files.h"
#include "text/layer.h"
#include "text/tokenizer.h"

#include <memory>

namespace peftbench::text {

// Whether the folder's tokenizer_config.json is one of ByT5.
bool is_byte_tokenizer(const fs::path& folder);

// ByT5's vocabulary (Xue et al. 2022): pad, EOS, unknown, the 256 bytes of UTF-8, then sentinels with ascending ids, as
// transformers' ByT5Tokenizer numbers them. Throws DataError if tokenizer_config.json is damaged or adds other tokens.
std::shared_ptr<const Tokenizer> open_byte_tokenizer(const fs::path& folder);

}  // namespace peftbench::text
