#pragma once

#include "core/files.h"
#include "text/unigram.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace peftbench {

// T5's vocabulary: SentencePiece pieces, then 100 sentinels whose ids fall: <extra_id_0> is the highest,
// pieces + 99, and <extra_id_99> the first after the pieces. Rows of the embedding table beyond them never occur.
class Tokenizer {
 public:
  // From a Hugging Face folder's spiece.model. Throws DataError with the remedy where it is absent or damaged.
  static std::shared_ptr<const Tokenizer> load(const fs::path& spiece_model);
  ~Tokenizer();

  // Ids without EOS. Sentinels written <extra_id_k> become their one id; white space beside them goes as in
  // Hugging Face's T5 tokenizer.
  std::vector<int64_t> encode(std::string_view text) const;
  // Text of the ids; pad, EOS and what follows EOS are dropped, sentinels are written out.
  std::string decode(const std::vector<int64_t>& ids) const;
  std::string piece(int64_t id) const;  // for display
  int64_t sentinel(int k) const;        // Throws ConfigError outside 0…99
  int64_t size() const;                 // pieces + 100
  int64_t eos_id() const;
  int64_t pad_id() const;
  const std::string& hash() const { return hash_; }  // SHA-256 of the model file

 private:
  Tokenizer();
  void encode_plain(std::string_view text, std::vector<int64_t>& ids) const;
  std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
  std::optional<Unigram> unigram_;
  std::string hash_;
  int64_t pieces_ = 0;
};

}  // namespace peftbench
