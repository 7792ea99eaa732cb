#pragma once

#include "text/layer.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace peftbench::text {

struct SpieceFile;  // text/spiece_file.h

// The most likely segmentation of a text into pieces of a unigram vocabulary, as in sentencepiece 0.2: path scores
// are summed and compared as floats. Version 0.1.97, which Debian 12 has, compares a double with a float, so that of
// segmentations that are equally likely except for rounding ("99 9999" or "9999 99", or a near tie late in a long text)
// it sometimes chooses another one.
class Unigram {
 public:
  // Nothing for a model of another kind, or with byte pieces: use the library's search. `tail`: the tokens
  // after the pieces, with scores.
  static std::optional<Unigram> of(const SpieceFile& file, const std::vector<std::pair<std::string, float>>& tail = {});

  // Adds the ids. The text is the normalizer's output, spaces written ▁.
  void segment(std::string_view normalized, std::vector<int64_t>& ids) const;

 private:
  // A trie in one array: the children of a node lie together, ordered by their byte.
  struct Node {
    std::int32_t id = -1;  // of the piece that ends here
    std::uint32_t children = 0;
    std::uint16_t count = 0;
    std::uint8_t byte = 0;
    std::int32_t table = -1;  // of nodes with many children, in tables_
  };
  void build(std::vector<std::pair<std::string, std::int32_t>> pieces);
  const Node* child(const Node& node, std::uint8_t byte) const;

  std::vector<Node> nodes_;
  std::vector<std::array<std::uint32_t, 256>> tables_;  // byte → child; 0 (the root) for none
  std::vector<float> scores_;
  float unknown_score_ = 0;
  std::int32_t unknown_ = -1;
};

}  // namespace peftbench::text
