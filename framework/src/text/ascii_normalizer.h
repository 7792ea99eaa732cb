#pragma once

#include "text/layer.h"

#include <optional>
#include <string>
#include <string_view>

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace peftbench::text {

constexpr std::string_view word_mark = "\xe2\x96\x81";  // ▁, SentencePiece's space

// SentencePiece's normalisation of texts of printable ASCII, tabs and line ends: words with ▁ before each.
// If a vocabulary's normalizer does this, most texts can be normalized without the library.
class AsciiNormalizer {
 public:
  // Nothing if the processor treats a character, or two adjacent ones, differently.
  static std::optional<AsciiNormalizer> of(const sentencepiece::SentencePieceProcessor& processor);
  // False for other texts.
  bool normalize(std::string_view text, std::string& normalized) const;

 private:
  AsciiNormalizer() = default;
};

}  // namespace peftbench::text
