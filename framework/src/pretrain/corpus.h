#pragma once

#include "core/files.h"
#include "core/progress.h"
#include "formats/record_file.h"
#include "pretrain/documents.h"
#include "pretrain/layer.h"
#include "text/tokenizer.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace peftbench::pretrain {

struct CorpusOptions {
  fs::path cache;  // folder of the files of ids; made if absent
  int threads = 1;
  ProgressSink* progress = nullptr;
};

// A text as ids, without EOS, in a file (RecordFile) of which only what is asked for is read: it may be larger than the
// memory. Threads may read at once.
class Corpus {
 public:
  // Tokenizes the source, unless a file in the cache was made of the same bytes with the same vocabulary. A damaged
  // one is made again. The file's bytes do not depend on the number of threads. Throws DataError.
  static std::shared_ptr<const Corpus> open(const Documents& source, const Tokenizer& tokenizer,
                                            const CorpusOptions& options);

  int64_t documents() const;
  int64_t tokens() const;
  int64_t length(int64_t document) const;
  // Appends the ids [begin, begin + count) of a document.
  void append(int64_t document, int64_t begin, int64_t count, std::vector<int64_t>& ids) const;
  // Depends on the document's text alone, so more text moves no document from one side to the other.
  bool held_out(int64_t document, double fraction) const;
  uint64_t text_hash(int64_t document) const;
  const std::string& name() const { return name_; }
  const std::string& key() const { return key_; }  // of the text's bytes and the vocabulary
  const fs::path& file() const { return path_; }

 private:
  Corpus() = default;
  std::shared_ptr<const RecordFile> file_;
  fs::path path_;
  std::string name_, key_;
  std::size_t width_ = 2;                       // bytes of an id
  std::vector<std::uint64_t> starts_, hashes_;  // documents + 1; documents

  static std::shared_ptr<Corpus> read(const fs::path& path, const std::string& key);  // null if unusable
};

}  // namespace peftbench::pretrain
