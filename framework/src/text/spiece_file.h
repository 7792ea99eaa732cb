#pragma once

#include "core/files.h"
#include "text/layer.h"

#include <string>
#include <string_view>
#include <vector>

namespace peftbench::text {

enum class PieceType { normal = 1, unknown, control, user_defined, unused, byte };

struct SpiecePiece {
  std::string text;
  float score = 0;
  PieceType type = PieceType::normal;
};

// The required parts of a SentencePiece model (sentencepiece_model.proto).
struct SpieceFile {
  std::vector<SpiecePiece> pieces;  // by id
  bool unigram = true;              // its kind
};

// Reads a model and checks the parts that the library does not validate: sizes, types, scores, and the tables of its
// normalizer. Throws DataError.
SpieceFile read_spiece(std::string_view bytes, const fs::path& origin);

}  // namespace peftbench::text
