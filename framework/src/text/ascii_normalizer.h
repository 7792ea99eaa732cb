#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace peftbench {

constexpr std::string_view word_mark = "\xe2\x96\x81";  // ▁, SentencePiece's space

// What SentencePiece's normalizer makes of texts of printable ASCII, tabs and line ends: words with ▁ before each.
// Where a vocabulary's normalizer does so, most texts need not be segmented by the library to be normalized by it.
class AsciiNormalizer {
 public:
  // Nothing where the processor treats some character, or two beside each other, in another way.
  static std::optional<AsciiNormalizer> of(const sentencepiece::SentencePieceProcessor& processor);
  // False for other texts.
  bool normalize(std::string_view text, std::string& normalized) const;

 private:
  AsciiNormalizer() = default;
};

}  // namespace peftbench
