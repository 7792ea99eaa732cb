#pragma once

#include "core/files.h"
#include "text/layer.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace peftbench::text {

inline constexpr const char* vocabulary_remedy =
    "use spiece.model from the Hugging Face folder of the weights (T5, T5 v1.1 and Flan share one)";
// The SentencePiece model in a Hugging Face folder.
inline constexpr const char* spiece_file = "spiece.model";

// Text ↔ ids. Rows of the embedding table beyond size() are never used.
class Tokenizer {
 public:
  virtual ~Tokenizer();
  // From a SentencePiece model and the tokenizer files beside it. Throws DataError if it is missing or damaged.
  static std::shared_ptr<const Tokenizer> load(const fs::path& spiece_model);

  // Ids without EOS. Sentinels written <extra_id_k> and added tokens become their one id. Special tokens (</s>) in a
  // text are plain characters: data cannot end a sequence.
  virtual std::vector<int64_t> encode(std::string_view text) const = 0;
  // Text of the ids; pad, EOS and what follows EOS are dropped, sentinels and added tokens are written out.
  virtual std::string decode(const std::vector<int64_t>& ids) const = 0;
  virtual std::string piece(int64_t id) const = 0;  // for display
  // Of <extra_id_k>. Throws ConfigError if the vocabulary has no such sentinel.
  int64_t sentinel(int k) const;
  // Number of sentinels, from 0, with descending ids as in T5's pre-training.
  int64_t sentinels() const;
  virtual int64_t size() const = 0;  // the highest id + 1
  virtual int64_t eos_id() const = 0;
  virtual int64_t pad_id() const = 0;
  virtual int64_t unk_id() const = 0;           // for characters without a piece
  virtual const std::string& hash() const = 0;  // SHA-256 of everything that affects the ids

 private:
  virtual int64_t find_sentinel(int64_t k) const = 0;  // −1: none
};

std::string sentinel_name(int64_t k);  // <extra_id_7>

bool has_tokenizer(const fs::path& folder);
// The tokenizer of a Hugging Face folder: of its spiece.model, or bytes where tokenizer_config.json says so (ByT5).
// Throws DataError if there is none, or it is damaged.
std::shared_ptr<const Tokenizer> open_tokenizer(const fs::path& folder);

}  // namespace peftbench::text
