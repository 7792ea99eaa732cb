#pragma once

#include "core/files.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace peftbench {

// The files beside a spiece.model that say which ids stand behind its pieces.
inline constexpr const char* tokenizer_files[] = {"tokenizer_config.json", "tokenizer.json", "added_tokens.json",
                                                  "special_tokens_map.json"};

// What of a spiece.model the other files refer to.
struct PieceList {
  std::vector<std::pair<std::string, float>> pieces;  // with their scores, by id
  std::vector<std::string> marked;                    // control and user-defined ones, by id
  std::string eos, pad, unk;
};

struct AddedToken {
  std::string content;
  std::int64_t id = 0;
  bool normalized = false;  // looked for in the normalized text, not in the text as it is
};

// Ids behind the pieces, and the tokens that are one id wherever they stand in a text.
struct FolderTokens {
  std::vector<std::pair<std::string, float>> tail;  // of the vocabulary itself, behind the pieces: sentinels
  std::vector<AddedToken> added;                    // may be pieces or of the tail, or have ids behind both
};

// As transformers 5 reads `folder` for its T5Tokenizer; of a folder without these files, T5's 100 sentinels. Control
// pieces (<pad>, </s>) are left out of `added`: data cannot end a sequence. Throws DataError where the files contradict
// each other or ask for what is not done here.
FolderTokens read_folder_tokens(const fs::path& folder, const PieceList& pieces);

}  // namespace peftbench
