#include "text/tokenizer.h"

#include "core/hash.h"
#include "core/names.h"
#include "text/ascii_normalizer.h"

#include <peftbench/error.h>

#include <sentencepiece_processor.h>

#include <charconv>
#include <optional>

namespace peftbench {

namespace {

constexpr int sentinels = 100;
constexpr std::string_view sentinel_begin = "<extra_id_";
constexpr std::string_view word_mark = "\xe2\x96\x81";  // ▁, SentencePiece's space
constexpr std::string_view no_text = " \xe2\x81\x87 ";  // ⁇, as SentencePiece writes an unknown piece

constexpr const char* remedy =
    "take spiece.model from the Hugging Face folder that the weights came from (T5, T5 v1.1 and Flan share one)";

// The number k of a <extra_id_k> at the front of `text`, written without leading zeros, and its length there.
struct Mark {
  int number;
  std::size_t size;
};
std::optional<Mark> sentinel_at(std::string_view text) {
  if (!text.starts_with(sentinel_begin)) return std::nullopt;
  const char* digits = text.data() + sentinel_begin.size();
  const char* end = text.data() + text.size();
  int number = 0;
  const auto [stop, error] = std::from_chars(digits, end, number);
  if (error != std::errc() || number < 0 || number >= sentinels || stop == end || *stop != '>') return std::nullopt;
  if (*digits == '-' || (*digits == '0' && stop - digits > 1)) return std::nullopt;
  return Mark{number, static_cast<std::size_t>(stop - text.data()) + 1};
}

// The library's, with what is known of its normalizer.
struct Processor final : sentencepiece::SentencePieceProcessor {
  std::optional<AsciiNormalizer> ascii;
};

}  // namespace

Tokenizer::Tokenizer() : processor_(std::make_unique<Processor>()) {}
Tokenizer::~Tokenizer() = default;

std::shared_ptr<const Tokenizer> Tokenizer::load(const fs::path& spiece_model) {
  if (!fs::is_regular_file(spiece_model)) {
    throw DataError(
        Problem{"the vocabulary " + spiece_model.string() + " is missing", {}, "a SentencePiece model", remedy});
  }
  const std::string bytes = read_text(spiece_model);
  std::shared_ptr<Tokenizer> tokenizer(new Tokenizer);
  const auto status = tokenizer->processor_->LoadFromSerializedProto(bytes);
  if (bytes.empty() || !status.ok()) {
    throw DataError(Problem{"cannot read the vocabulary " + spiece_model.string(),
                            bytes.empty() ? "an empty file" : status.ToString(), "a SentencePiece model", remedy});
  }
  const sentencepiece::SentencePieceProcessor& processor = *tokenizer->processor_;
  if (processor.pad_id() < 0 || processor.eos_id() < 0 || processor.unk_id() < 0) {
    throw DataError(Problem{"the vocabulary " + spiece_model.string() + " is not one of T5's",
                            "pad id " + std::to_string(processor.pad_id()) + ", EOS id " +
                                std::to_string(processor.eos_id()) + ", unknown id " +
                                std::to_string(processor.unk_id()),
                            "a model with pad, EOS and unknown pieces (0, 1 and 2 in T5)", remedy});
  }
  tokenizer->unigram_ = Unigram::of(processor, bytes);
  static_cast<Processor&>(*tokenizer->processor_).ascii = AsciiNormalizer::of(processor);
  tokenizer->pieces_ = processor.GetPieceSize();
  tokenizer->hash_ = sha256(bytes);
  return tokenizer;
}

// As transformers 5's T5Tokenizer, which has no `legacy` switch any more and does what legacy=True did: text
// between sentinels is encoded on its own, so white space beside a sentinel is dropped and a word after one begins
// with ▁ whether or not a space was written. Unlike there, <pad>, </s> and <unk> in a text are plain characters:
// data cannot end a sequence.
std::vector<int64_t> Tokenizer::encode(std::string_view text) const {
  std::vector<int64_t> ids;
  std::size_t begin = 0;
  for (std::size_t at = text.find(sentinel_begin); at != std::string_view::npos; at = text.find(sentinel_begin, at)) {
    if (const std::optional<Mark> mark = sentinel_at(text.substr(at))) {
      encode_plain(text.substr(begin, at - begin), ids);
      ids.push_back(sentinel(mark->number));
      begin = at += mark->size;
    } else {
      ++at;
    }
  }
  encode_plain(text.substr(begin), ids);
  return ids;
}

void Tokenizer::encode_plain(std::string_view text, std::vector<int64_t>& ids) const {
  const auto check = [](const sentencepiece::util::Status& status) {
    if (!status.ok()) throw DataError(Problem{"SentencePiece cannot encode a text", status.ToString(), {}, {}});
  };
  if (text.empty()) return;
  const auto& ascii = static_cast<const Processor&>(*processor_).ascii;
  if (std::string normalized; unigram_ && ascii && ascii->normalize(text, normalized)) {
    unigram_->segment(normalized, ids);
  } else if (unigram_) {
    std::vector<std::string> pieces;  // whatever their cuts, together they are the normalized text
    check(processor_->Encode(text, &pieces));
    unigram_->segment(join(pieces, ""), ids);
  } else {
    std::vector<int> part;
    check(processor_->Encode(text, &part));
    ids.insert(ids.end(), part.begin(), part.end());
  }
}

std::string Tokenizer::decode(const std::vector<int64_t>& ids) const {
  std::string text;
  std::vector<int> part;
  const auto add_part = [&] {
    if (part.empty()) return;
    // SentencePiece drops the space of the first word: right at the front, wrong after a sentinel.
    if (!text.empty() && processor_->IdToPiece(part.front()).starts_with(word_mark)) text += ' ';
    std::string plain;
    const auto status = processor_->Decode(part, &plain);
    if (!status.ok()) throw DataError(Problem{"SentencePiece cannot decode ids", status.ToString(), {}, {}});
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

std::string Tokenizer::piece(int64_t id) const {
  if (id >= 0 && id < pieces_) return processor_->IdToPiece(static_cast<int>(id));
  if (id >= pieces_ && id < size()) return std::string(sentinel_begin) + std::to_string(size() - 1 - id) + ">";
  return "<id " + std::to_string(id) + ">";
}

int64_t Tokenizer::sentinel(int k) const {
  if (k < 0 || k >= sentinels) {
    throw ConfigError(Problem{
        "there is no such sentinel", "<extra_id_" + std::to_string(k) + ">", "<extra_id_0> to <extra_id_99>", {}});
  }
  return pieces_ + sentinels - 1 - k;
}

int64_t Tokenizer::size() const { return pieces_ + sentinels; }
int64_t Tokenizer::eos_id() const { return processor_->eos_id(); }
int64_t Tokenizer::pad_id() const { return processor_->pad_id(); }

}  // namespace peftbench
