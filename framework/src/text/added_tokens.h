#pragma once

#include "core/files.h"
#include "text/layer.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace peftbench::text {

// The tokenizer files in the folder of a spiece.model, which define the ids after its pieces.
inline constexpr const char* tokenizer_files[] = {"tokenizer_config.json", "tokenizer.json", "added_tokens.json",
                                                  "special_tokens_map.json"};

// The parts of a spiece.model that the other files refer to.
struct PieceList {
  std::vector<std::pair<std::string, float>> pieces;  // with their scores, by id
  std::vector<std::string> marked;                    // control and user-defined ones, by id
  std::string eos, pad, unk;
};

struct AddedToken {
  std::string content;
  std::int64_t id = 0;
  bool normalized = false;  // matched in the normalized text instead of the original text
};

// Ids after the pieces, and the tokens that are one id anywhere in a text.
struct FolderTokens {
  std::vector<std::pair<std::string, float>> tail;  // sentinels of the vocabulary, after the pieces
  std::vector<AddedToken> added;                    // may be pieces, part of the tail, or have ids after both
};

// As transformers 5 reads `folder` for its T5Tokenizer; of a folder without these files, T5's 100 sentinels. Control
// pieces (<pad>, </s>) are not in `added`: data cannot end a sequence. Throws DataError if the files contradict
// each other or use an unsupported feature.
FolderTokens read_folder_tokens(const fs::path& folder, const PieceList& pieces);

}  // namespace peftbench::text
