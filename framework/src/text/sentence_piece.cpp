#include "core/hash.h"
#include "core/names.h"
#include "text/added_tokens.h"
#include "text/ascii_normalizer.h"
#include "text/spiece_file.h"
#include "text/token_matcher.h"
#include "text/tokenizer.h"
#include "text/unigram.h"

#include <peftbench/error.h>

#include <sentencepiece_processor.h>

#include <algorithm>
#include <optional>

namespace peftbench::text {

namespace {

constexpr std::string_view no_text = " \xe2\x81\x87 ";  // ⁇, as SentencePiece writes an unknown piece

void check(const sentencepiece::util::Status& status) {
  if (!status.ok()) throw DataError(Problem{.what = "SentencePiece cannot encode a text", .found = status.ToString()});
}

PieceList piece_list(const SpieceFile& file, const sentencepiece::SentencePieceProcessor& processor) {
  PieceList list;
  for (const SpiecePiece& piece : file.pieces) {
    list.pieces.emplace_back(piece.text, piece.score);
    if (piece.type == PieceType::control || piece.type == PieceType::user_defined) list.marked.push_back(piece.text);
  }
  list.eos = processor.IdToPiece(processor.eos_id());
  list.pad = processor.IdToPiece(processor.pad_id());
  list.unk = processor.IdToPiece(processor.unk_id());
  return list;
}

// Of the model's bytes alone where the tokens are T5's 100 sentinels, as nearly everywhere.
std::string hash_of(const std::string& model, const FolderTokens& tokens) {
  const auto usual = [](const auto& list, auto&& name_of) {
    if (list.size() != 100) return false;
    for (std::size_t i = 0; i < list.size(); ++i)
      if (name_of(list[i]) != sentinel_name(static_cast<int64_t>(99 - i))) return false;
    return true;
  };
  std::vector<std::string> marked;
  for (const AddedToken& token : tokens.added)
    if (!token.normalized) marked.push_back(token.content);
  std::sort(marked.begin(), marked.end(), [](const auto& a, const auto& b) {
    return a.size() != b.size() ? a.size() > b.size() : a > b;  // numbers fall
  });
  const bool plain = tokens.added.size() == 100 && usual(marked, [](const std::string& name) { return name; }) &&
                     usual(tokens.tail, [](const auto& entry) { return entry.first; });
  if (plain) return sha256(model);
  std::string text = sha256(model);
  for (const auto& [name, score] : tokens.tail) text += "\n" + name + " " + std::to_string(score);
  for (const AddedToken& token : tokens.added)
    text += "\n" + std::to_string(token.id) + (token.normalized ? " normalized " : " ") + token.content;
  return sha256(text);
}

// T5's vocabulary: SentencePiece pieces, then sentinels in descending order (<extra_id_0> is the highest), then tokens
// that the tokenizer files add.
class SentencePiece final : public Tokenizer {
 public:
  explicit SentencePiece(const fs::path& spiece_model);

  // White space around sentinels and added tokens is removed, as in Hugging Face's T5 tokenizer.
  std::vector<int64_t> encode(std::string_view text) const override;
  std::string decode(const std::vector<int64_t>& ids) const override;
  std::string piece(int64_t id) const override;
  int64_t size() const override { return pieces_ + static_cast<int64_t>(names_.size()); }
  int64_t eos_id() const override { return processor_.eos_id(); }
  int64_t pad_id() const override { return processor_.pad_id(); }
  int64_t unk_id() const override { return processor_.unk_id(); }
  const std::string& hash() const override { return hash_; }

 private:
  void encode_part(std::string_view text, std::vector<int64_t>& ids) const;
  std::string normalized(std::string_view text) const;
  int64_t find_sentinel(int64_t k) const override;
  void encode_plain(std::string_view text, std::vector<int64_t>& ids) const;

  sentencepiece::SentencePieceProcessor processor_;
  std::optional<AsciiNormalizer> ascii_;  // of the processor's normalizer
  std::optional<Unigram> unigram_;
  TokenMatcher raw_, normalized_;   // tokens that are one id in a text, and in a normalized text
  std::vector<std::string> names_;  // of the ids after the pieces
  std::string hash_;
  int64_t pieces_ = 0;
};

SentencePiece::SentencePiece(const fs::path& spiece_model) {
  const std::string bytes = read_text(spiece_model);
  const SpieceFile file = read_spiece(bytes, spiece_model);
  const auto status = processor_.LoadFromSerializedProto(bytes);
  if (!status.ok()) {
    throw DataError(Problem{"cannot read the vocabulary " + spiece_model.string(), status.ToString(),
                            "a SentencePiece model", vocabulary_remedy});
  }
  if (processor_.pad_id() < 0 || processor_.eos_id() < 0 || processor_.unk_id() < 0) {
    throw DataError(Problem{"the vocabulary " + spiece_model.string() + " is not a T5 vocabulary",
                            "pad id " + std::to_string(processor_.pad_id()) + ", EOS id " +
                                std::to_string(processor_.eos_id()) + ", unknown id " +
                                std::to_string(processor_.unk_id()),
                            "a model with pad, EOS and unknown pieces (0, 1 and 2 in T5)", vocabulary_remedy});
  }
  const fs::path folder = spiece_model.has_parent_path() ? spiece_model.parent_path() : fs::path(".");
  const FolderTokens tokens = read_folder_tokens(folder, piece_list(file, processor_));
  unigram_ = Unigram::of(file, tokens.tail);
  ascii_ = AsciiNormalizer::of(processor_);
  pieces_ = processor_.GetPieceSize();
  for (const auto& [name, score] : tokens.tail) names_.push_back(name);
  for (const AddedToken& token : tokens.added) {
    const auto behind = static_cast<std::size_t>(std::max<int64_t>(0, token.id - pieces_ + 1));
    if (behind > names_.size()) names_.resize(behind);
    if (behind > 0) names_[behind - 1] = token.content;
    if (!token.normalized) raw_.add(token.content, token.id);
  }
  for (const AddedToken& token : tokens.added) {
    if (!token.normalized) continue;
    std::string content = normalized(token.content);
    if (content.starts_with(word_mark) && !token.content.starts_with(word_mark)) content.erase(0, word_mark.size());
    normalized_.add(content, token.id);
  }
  hash_ = hash_of(bytes, tokens);
}

// As transformers 5's T5Tokenizer, which has no `legacy` switch any more and does what legacy=True did: text
// between added tokens is encoded on its own, so white space beside one is dropped and a word after one begins
// with ▁ whether or not a space was written. Unlike there, <pad>, </s> and <unk> in a text are plain characters:
// data cannot end a sequence.
std::vector<int64_t> SentencePiece::encode(std::string_view text) const {
  std::vector<int64_t> ids;
  raw_.encode(text, ids, [&](std::string_view part) { encode_part(part, ids); });
  return ids;
}

// Without tokens that are looked for in the text as it is.
void SentencePiece::encode_part(std::string_view text, std::vector<int64_t>& ids) const {
  if (normalized_.empty() || text.empty()) return encode_plain(text, ids);
  const std::string whole = normalized(text);
  std::size_t begin = 0;
  auto match = normalized_.next(whole, 0);
  if (!match) return encode_plain(text, ids);
  const auto add = [&](std::size_t end) {
    std::string part = whole.substr(begin, end - begin);
    for (std::size_t at = part.find(word_mark); at != std::string::npos; at = part.find(word_mark, at))
      part.replace(at, word_mark.size(), " ");
    encode_plain(part, ids);
  };
  for (; match; match = normalized_.next(whole, begin)) {
    add(match->begin);
    ids.push_back(match->id);
    begin = match->begin + match->size;
  }
  add(whole.size());
}

// What the library cuts into pieces, spaces written ▁.
std::string SentencePiece::normalized(std::string_view text) const {
  std::string result;
  if (ascii_ && ascii_->normalize(text, result)) return result;
  std::vector<std::string> pieces;  // whatever their cuts, together they are the normalized text
  check(processor_.Encode(text, &pieces));
  return join(pieces, "");
}

void SentencePiece::encode_plain(std::string_view text, std::vector<int64_t>& ids) const {
  if (text.empty()) return;
  if (unigram_) return unigram_->segment(normalized(text), ids);
  std::vector<int> part;
  check(processor_.Encode(text, &part));
  ids.insert(ids.end(), part.begin(), part.end());
}

std::string SentencePiece::decode(const std::vector<int64_t>& ids) const {
  std::string text;
  std::vector<int> part;
  const auto add_part = [&] {
    if (part.empty()) return;
    // SentencePiece drops the space of the first word: right at the front, wrong after a sentinel.
    if (!text.empty() && processor_.IdToPiece(part.front()).starts_with(word_mark)) text += ' ';
    std::string plain;
    const auto status = processor_.Decode(part, &plain);
    if (!status.ok()) throw DataError(Problem{.what = "SentencePiece cannot decode ids", .found = status.ToString()});
    text += plain;
    part.clear();
  };
  for (const int64_t id : ids) {
    if (id == eos_id()) break;
    if (id == pad_id()) continue;
    if (id >= 0 && id < pieces_) {
      part.push_back(static_cast<int>(id));
    } else {
      add_part();
      // A row beyond the vocabulary has no text, yet must not read as if it had not been there.
      text += id >= pieces_ && id < size() ? piece(id) : std::string(no_text);
    }
  }
  add_part();
  return text;
}

std::string SentencePiece::piece(int64_t id) const {
  if (id >= 0 && id < pieces_) return processor_.IdToPiece(static_cast<int>(id));
  if (id >= pieces_ && id < size()) return names_[static_cast<std::size_t>(id - pieces_)];
  return "<id " + std::to_string(id) + ">";
}

int64_t SentencePiece::find_sentinel(int64_t k) const {
  if (k < 0) return -1;
  const std::string name = sentinel_name(k);
  const std::vector<int64_t> ids = encode(name);  // mT5 has them among its pieces
  if (ids.size() == 1 && ids.front() != processor_.unk_id()) return ids.front();
  const auto behind = std::find(names_.begin(), names_.end(), name);
  return behind == names_.end() ? -1 : pieces_ + (behind - names_.begin());
}

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::load(const fs::path& spiece_model) {
  if (!file_exists(spiece_model)) {
    throw DataError(Problem{.what = "the vocabulary " + spiece_model.string() + " is missing",
                            .expected = "a SentencePiece model",
                            .remedy = vocabulary_remedy});
  }
  return std::make_shared<const SentencePiece>(spiece_model);
}

}  // namespace peftbench::text
