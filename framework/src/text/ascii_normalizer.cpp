#include "text/ascii_normalizer.h"

#include "core/names.h"

#include <sentencepiece_processor.h>

#include <vector>

namespace peftbench::text {

namespace {

// Fewer than is_ascii_space: for \v and \f sentencepiece is asked, as for all other control characters.
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Each character beside each other one.
std::string all_pairs() {
  std::string alphabet = "\t\n\r";
  for (char c = ' '; c <= '~'; ++c) alphabet += c;
  std::string text;
  for (const char a : alphabet)
    for (const char b : alphabet) text.append({a, b});
  return text;
}

}  // namespace

std::optional<AsciiNormalizer> AsciiNormalizer::of(const sentencepiece::SentencePieceProcessor& processor) {
  const AsciiNormalizer normalizer;
  for (const std::string& text :
       {all_pairs(), std::string("  a \n "), std::string("a"), std::string(" \t "), std::string()}) {
    std::string normalized;
    std::vector<std::string> pieces;
    const bool same = normalizer.normalize(text, normalized) && processor.Encode(text, &pieces).ok() &&
                      join(pieces, "") == normalized;
    if (!same) return std::nullopt;
  }
  return normalizer;
}

bool AsciiNormalizer::normalize(std::string_view text, std::string& normalized) const {
  normalized.clear();
  normalized.reserve(text.size() + text.size() / 2);
  bool in_word = false;
  for (const char c : text) {
    if (is_space(c)) {
      in_word = false;
      continue;
    }
    if (c < ' ' || c > '~') return false;
    if (!in_word) normalized += word_mark;
    in_word = true;
    normalized += c;
  }
  return true;
}

}  // namespace peftbench::text
