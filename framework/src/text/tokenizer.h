#pragma once

#include "core/files.h"
#include "text/added_tokens.h"
#include "text/layer.h"
#include "text/token_matcher.h"
#include "text/unigram.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace peftbench::text {

inline constexpr const char* vocabulary_remedy =
    "use spiece.model from the Hugging Face folder of the weights (T5, T5 v1.1 and Flan share one)";

// T5's vocabulary: SentencePiece pieces, then sentinels in descending order (<extra_id_0> is the highest), then tokens
// that the tokenizer files add. Rows of the embedding table beyond them are never used.
class Tokenizer {
 public:
  // From the spiece.model and tokenizer_files of a Hugging Face folder. Throws DataError if
  // it is missing or damaged.
  static std::shared_ptr<const Tokenizer> load(const fs::path& spiece_model);
  ~Tokenizer();

  // Ids without EOS. Sentinels written <extra_id_k> and added tokens become their one id; white space around them is
  // removed, as in Hugging Face's T5 tokenizer.
  std::vector<int64_t> encode(std::string_view text) const;
  // Text of the ids; pad, EOS and what follows EOS are dropped, sentinels and added tokens are written out.
  std::string decode(const std::vector<int64_t>& ids) const;
  std::string piece(int64_t id) const;  // for display
  int64_t sentinel(int k) const;        // Throws ConfigError if the vocabulary has no such sentinel
  int64_t sentinels() const;            // number of sentinels, from 0, with descending ids
  int64_t size() const;                 // the highest id + 1
  int64_t eos_id() const;
  int64_t pad_id() const;
  int64_t unk_id() const;                            // for characters without a piece
  const std::string& hash() const { return hash_; }  // SHA-256 of everything that affects the ids

 private:
  Tokenizer();
  void encode_part(std::string_view text, std::vector<int64_t>& ids) const;
  std::string normalized(std::string_view text) const;
  int64_t find_sentinel(int64_t k) const;  // −1: none
  void encode_plain(std::string_view text, std::vector<int64_t>& ids) const;
  std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
  std::optional<Unigram> unigram_;
  TokenMatcher raw_, normalized_;   // tokens that are one id in a text, and in a normalized text
  std::vector<std::string> names_;  // of the ids after the pieces
  std::string hash_;
  int64_t pieces_ = 0;
};

}  // namespace peftbench::text
