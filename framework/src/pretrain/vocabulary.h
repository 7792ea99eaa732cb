#pragma once

#include "core/files.h"
#include "core/progress.h"
#include "pretrain/documents.h"
#include "pretrain/layer.h"

#include <cstdint>
#include <vector>

namespace peftbench::pretrain {

struct VocabularyOptions {
  int64_t pieces = 8000;          // the 100 sentinels come after them
  int64_t sentences = 1'000'000;  // at most so many to learn from: a sample by chance where there are more
  uint64_t seed = 0;              // of the sample
  ProgressSink* progress = nullptr;
};

struct VocabularyOutcome {
  int64_t documents = 0, sentences = 0;  // that there are
  int64_t learnt_from = 0;               // sentences
  double characters_per_token = 0;       // of them
};

// Trains a SentencePiece unigram vocabulary with the settings of T5's own (pad 0, EOS 1, unknown 2, NMT's NFKC) and
// writes it. The same text and options give the same bytes. Throws DataError if the text is too little for so many
// pieces, ConfigError where `file` is there.
VocabularyOutcome train_vocabulary(const std::vector<Documents>& texts, const fs::path& file,
                                   const VocabularyOptions& options);

}  // namespace peftbench::pretrain
