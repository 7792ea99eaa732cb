#include "text/spiece_file.h"

#include "core/utf8.h"
#include "text/tokenizer.h"

#include <peftbench/error.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <unordered_set>

namespace peftbench::text {
namespace {

// The library's trie is built by recursion, one level a byte.
constexpr std::size_t longest_piece = 4096;

// The fields of a message in the protocol buffers' wire format.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : bytes_(bytes) {}
  // The next field; false at the end, and at what is no message.
  bool next() {
    std::uint64_t key = 0;
    if (bytes_.empty()) return false;
    intact_ = false;
    if (!varint(key)) return false;
    number = key >> 3;
    kind = static_cast<int>(key & 7);
    if (kind == 0) return intact_ = varint(value);
    std::uint64_t size = kind == 1 ? 8 : 4;
    if (kind == 2 && !varint(size)) return false;
    if ((kind != 1 && kind != 2 && kind != 5) || size > bytes_.size()) return false;
    text = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return intact_ = true;
  }
  bool intact() const { return intact_; }  // so far

  std::uint64_t number = 0, value = 0;
  int kind = 0;  // 0: value; 1, 2 and 5: text
  std::string_view text;

 private:
  bool varint(std::uint64_t& result) {
    result = 0;
    for (unsigned shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      const auto byte = static_cast<std::uint8_t>(bytes_.front());
      bytes_.remove_prefix(1);
      result |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  std::string_view bytes_;
  bool intact_ = true;
};

// A unit of the double array that the library walks (darts-clone).
struct Unit {
  std::uint32_t bits;
  bool has_leaf() const { return (bits >> 8) & 1; }
  std::uint32_t value() const { return bits & 0x7fffffffU; }
  std::uint32_t label() const { return bits & 0x800000ffU; }
  std::uint32_t offset() const { return (bits >> 10) << ((bits & (1U << 9)) >> 6); }
};

// The table of a normalizer: the size of a trie, the trie, then the replacements, each ended by a zero byte. What is
// wrong with it; empty if nothing. The library follows the trie's offsets without a look at its size.
std::string fault_of_charsmap(std::string_view map) {
  if (map.empty()) return {};
  std::uint32_t size = 0;
  if (map.size() < sizeof size) return "it is too short";
  std::memcpy(&size, map.data(), sizeof size);
  map.remove_prefix(sizeof size);
  if (size >= map.size() || size % (256 * sizeof(Unit)) != 0 || size == 0)
    return "a trie of " + std::to_string(size) + " bytes in a table of " + std::to_string(map.size());
  std::vector<Unit> units(size / sizeof(Unit));
  std::memcpy(units.data(), map.data(), size);
  const std::string_view replacements = map.substr(size);
  if (replacements.back() != '\0') return "its last replacement is not terminated";
  std::vector<bool> seen(units.size(), false);
  std::vector<std::size_t> queue = {0};
  seen[0] = true;
  while (!queue.empty()) {
    const std::size_t at = queue.back();
    queue.pop_back();
    const std::size_t children = at ^ units[at].offset();
    if (children >= units.size()) return "an offset outside its trie";
    if (units[at].has_leaf() && units[children].value() >= replacements.size())
      return "a replacement outside the table";
    for (std::size_t label = 0; label < 256; ++label) {
      const std::size_t child = children ^ label;
      if (units[child].label() != label || seen[child]) continue;
      seen[child] = true;
      queue.push_back(child);
    }
  }
  return {};
}

class SpieceReader {
 public:
  SpieceReader(std::string_view bytes, const fs::path& origin) : bytes_(bytes), origin_(origin) {}

  SpieceFile read() {
    if (bytes_.empty()) refuse("an empty file");
    Fields fields(bytes_);
    while (fields.next()) {
      if (fields.number < 1 || fields.number > 5) continue;
      if (fields.kind != 2) refuse("field " + std::to_string(fields.number) + " of the wrong type");
      if (fields.number == 1) add_piece(fields.text);
      if (fields.number == 2) read_trainer(fields.text);
      if (fields.number == 3 || fields.number == 5) check_normalizer(fields.text);
    }
    if (!fields.intact()) refuse("a truncated field");
    if (file_.pieces.empty()) refuse("no pieces");
    return std::move(file_);
  }

 private:
  [[noreturn]] void refuse(const std::string& found) const {
    throw DataError(
        Problem{"cannot read the vocabulary " + origin_.string(), found, "a SentencePiece model", vocabulary_remedy});
  }

  void add_piece(std::string_view message) {
    const std::string name = "piece " + std::to_string(file_.pieces.size());
    SpiecePiece piece;
    Fields fields(message);
    while (fields.next()) {
      if (fields.number == 1 && fields.kind == 2) piece.text = fields.text;
      if (fields.number == 2 && fields.kind == 5) std::memcpy(&piece.score, fields.text.data(), sizeof piece.score);
      if (fields.number == 3 && fields.kind == 0) {
        if (fields.value < 1 || fields.value > 6) refuse(name + " of type " + std::to_string(fields.value));
        piece.type = static_cast<PieceType>(fields.value);
      }
    }
    if (!fields.intact()) refuse(name + " is truncated");
    if (piece.text.empty()) refuse(name + " without text");
    if (piece.text.size() > longest_piece) refuse(name + " of " + std::to_string(piece.text.size()) + " bytes");
    if (piece.text.find('\0') != std::string::npos) refuse(name + " with a zero byte");
    if (!std::isfinite(piece.score)) refuse(name + " with a score that is not finite");
    if (!texts_.insert(piece.text).second) refuse(name + ", '" + printable(piece.text) + "', is a duplicate");
    file_.pieces.push_back(std::move(piece));
  }

  void read_trainer(std::string_view message) {
    Fields fields(message);
    while (fields.next()) {
      if (fields.number != 3 || fields.kind != 0) continue;
      if (fields.value < 1 || fields.value > 4) refuse("a model of type " + std::to_string(fields.value));
      file_.unigram = fields.value == 1;
    }
    if (!fields.intact()) refuse("a truncated trainer specification");
  }

  void check_normalizer(std::string_view message) const {
    Fields fields(message);
    while (fields.next()) {
      if (fields.number != 2 || fields.kind != 2) continue;
      if (const std::string fault = fault_of_charsmap(fields.text); !fault.empty())
        refuse("a damaged normalizer table: " + fault);
    }
    if (!fields.intact()) refuse("a truncated normalizer specification");
  }

  std::string_view bytes_;
  const fs::path& origin_;
  SpieceFile file_;
  std::unordered_set<std::string> texts_;
};

}  // namespace

SpieceFile read_spiece(std::string_view bytes, const fs::path& origin) { return SpieceReader(bytes, origin).read(); }

}  // namespace peftbench::text
