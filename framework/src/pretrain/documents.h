#pragma once

#include "core/files.h"
#include "data/readers/rows.h"
#include "pretrain/layer.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace peftbench::pretrain {

// Running text to learn from: files of documents. In JSONL (and whatever else has rows) each row's field `text` is a
// document; a .txt is one document.
struct Documents {
  std::string name;             // for messages
  std::vector<fs::path> files;  // in order
};

// `what` is a file, a folder of such files, or the name of a text that was fetched: <data root>/text/<name>.
// Throws DataError with the remedy.
Documents find_text(const std::string& what, const fs::path& data_root);

// The documents of a source, one at a time; those without a word are left out.
class DocumentReader {
 public:
  explicit DocumentReader(Documents source);
  bool next();  // false after the last; throws DataError that names file and line
  const std::string& text() const { return text_; }

 private:
  bool next_in_file();
  Documents source_;
  std::size_t file_ = 0;  // the next one to open
  std::unique_ptr<RowReader> rows_;
  std::string text_;
};

}  // namespace peftbench::pretrain
