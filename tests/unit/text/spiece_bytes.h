#pragma once

#include "support/layers.h"

// SentencePiece models written by hand, field by field.
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace peftbench::testing_text {

using namespace layers;

inline std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
inline std::string number_field(int field, std::uint64_t value) { return varint(field * 8) + varint(value); }
inline std::string text_field(int field, const std::string& text) {
  return varint(field * 8 + 2) + varint(text.size()) + text;
}
inline std::string piece_field(const std::string& text, float score, std::uint64_t type) {
  std::string bits(sizeof score, '\0');
  std::memcpy(bits.data(), &score, sizeof score);
  return text_field(1, text_field(1, text) + varint(2 * 8 + 5) + bits + number_field(3, type));
}

struct HandPiece {
  std::string text;
  float score = -2;
  std::uint64_t type = 1;
};

// T5's layout: pad, EOS, unknown, then `pieces`; a unigram model whose normalizer does nothing to letters.
inline std::string spiece(const std::vector<HandPiece>& pieces) {
  std::string model = piece_field("<pad>", 0, 3) + piece_field("</s>", 0, 3) + piece_field("<unk>", 0, 2);
  for (const HandPiece& piece : pieces) model += piece_field(piece.text, piece.score, piece.type);
  // model_type, unk_id, bos_id, eos_id, pad_id (−1 as ten bytes)
  model += text_field(2, number_field(3, 1) + number_field(40, 2) + number_field(41, ~std::uint64_t{0}) +
                             number_field(42, 1) + number_field(43, 0));
  return model + text_field(3, text_field(1, "identity"));
}

}  // namespace peftbench::testing_text
