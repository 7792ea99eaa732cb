#include "text/unigram.h"

#include "text/spiece_file.h"

#include <algorithm>
#include <limits>

namespace peftbench::text {

namespace {

constexpr std::uint16_t many_children = 8;
constexpr float unknown_penalty = 10;  // below the least likely piece

std::size_t character_size(char lead) {
  const auto byte = static_cast<std::uint8_t>(lead);
  return byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

}  // namespace

std::optional<Unigram> Unigram::of(const SpieceFile& file, const std::vector<std::pair<std::string, float>>& tail) {
  const auto is_byte = [](const SpiecePiece& piece) { return piece.type == PieceType::byte; };
  if (!file.unigram || std::any_of(file.pieces.begin(), file.pieces.end(), is_byte)) return std::nullopt;
  Unigram result;
  std::vector<std::pair<std::string, std::int32_t>> pieces;
  float lowest = std::numeric_limits<float>::max();
  const auto add = [&](const std::string& text, float score) {
    lowest = std::min(lowest, score);
    pieces.emplace_back(text, static_cast<std::int32_t>(result.scores_.size()));
  };
  for (const SpiecePiece& piece : file.pieces) {
    if (piece.type == PieceType::unknown) result.unknown_ = static_cast<std::int32_t>(result.scores_.size());
    if (piece.type == PieceType::normal || piece.type == PieceType::user_defined) add(piece.text, piece.score);
    result.scores_.push_back(piece.score);
  }
  if (pieces.empty()) return std::nullopt;
  for (const auto& [text, score] : tail) {
    add(text, score);
    result.scores_.push_back(score);
  }
  result.unknown_score_ = lowest - unknown_penalty;
  result.build(std::move(pieces));
  return result;
}

void Unigram::build(std::vector<std::pair<std::string, std::int32_t>> pieces) {
  // Of equal texts the last one counts, as in transformers' vocabulary.
  std::sort(pieces.begin(), pieces.end(),
            [](const auto& a, const auto& b) { return a.first != b.first ? a.first < b.first : a.second > b.second; });
  pieces.erase(
      std::unique(pieces.begin(), pieces.end(), [](const auto& a, const auto& b) { return a.first == b.first; }),
      pieces.end());
  struct Work {
    std::size_t node, first, last, depth;  // the pieces [first, last) pass through the node
  };
  nodes_.resize(1);
  std::vector<Work> queue = {{0, 0, pieces.size(), 0}};
  for (std::size_t next = 0; next < queue.size(); ++next) {
    auto [node, first, last, depth] = queue[next];
    if (first < last && pieces[first].first.size() == depth) nodes_[node].id = pieces[first++].second;
    nodes_[node].children = static_cast<std::uint32_t>(nodes_.size());
    while (first < last) {
      const char byte = pieces[first].first[depth];
      std::size_t end = first;
      while (end < last && pieces[end].first[depth] == byte) ++end;
      nodes_.emplace_back().byte = static_cast<std::uint8_t>(byte);
      ++nodes_[node].count;
      queue.push_back({nodes_.size() - 1, first, end, depth + 1});
      first = end;
    }
    if (nodes_[node].count < many_children) continue;
    nodes_[node].table = static_cast<std::int32_t>(tables_.size());
    tables_.emplace_back().fill(0);
    for (auto i = nodes_[node].children; i < nodes_.size(); ++i) tables_.back()[nodes_[i].byte] = i;
  }
}

const Unigram::Node* Unigram::child(const Node& node, std::uint8_t byte) const {
  if (node.table >= 0) {
    const std::uint32_t found = tables_[static_cast<std::size_t>(node.table)][byte];
    return found == 0 ? nullptr : &nodes_[found];
  }
  const Node* first = nodes_.data() + node.children;
  const Node* last = first + node.count;
  const Node* found = std::find_if(first, last, [&](const Node& n) { return n.byte >= byte; });
  return found != last && found->byte == byte ? found : nullptr;
}

void Unigram::segment(std::string_view text, std::vector<int64_t>& ids) const {
  struct Best {
    float score = 0;          // of the likeliest path that ends here
    std::int32_t start = -1;  // where its last piece begins
    std::int32_t id = -1;
  };
  std::vector<Best> best(text.size() + 1);
  const auto offer = [&](std::size_t start, std::size_t end, float piece_score, std::int32_t id) {
    const float score = piece_score + best[start].score;
    if (best[end].start < 0 || score > best[end].score) best[end] = {score, static_cast<std::int32_t>(start), id};
  };
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t one = std::min(character_size(text[start]), text.size() - start);
    bool has_character = false;
    const Node* node = nodes_.data();
    for (std::size_t end = start; end < text.size();) {
      node = child(*node, static_cast<std::uint8_t>(text[end++]));
      if (node == nullptr) break;
      if (node->id < 0) continue;
      offer(start, end, scores_[static_cast<std::size_t>(node->id)], node->id);
      has_character |= end - start == one;
    }
    if (!has_character) offer(start, start + one, unknown_score_, unknown_);
    start += one;
  }
  const std::size_t begin = ids.size();
  for (std::size_t end = text.size(); end > 0; end = static_cast<std::size_t>(best[end].start))
    ids.push_back(best[end].id);
  std::reverse(ids.begin() + static_cast<std::ptrdiff_t>(begin), ids.end());
  // Unknown characters beside each other are one unknown piece.
  const auto both_unknown = [&](int64_t a, int64_t b) { return a == unknown_ && b == unknown_; };
  ids.erase(std::unique(ids.begin() + static_cast<std::ptrdiff_t>(begin), ids.end(), both_unknown), ids.end());
}

}  // namespace peftbench::text
