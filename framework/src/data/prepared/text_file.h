#pragma once

#include "data/layer.h"
#include "data/prepared/storage.h"
#include "data/prepared/text_list.h"
#include "formats/record_file.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace peftbench::data {

// Texts in a file of records. The paths of the sources are not in it: the same rows elsewhere give the same file.
class TextsInFile final : public TextStore {
 public:
  TextsInFile(std::shared_ptr<const RecordFile> file, std::vector<std::string> sources);
  std::size_t size() const override { return file_->size(); }
  std::unique_ptr<Reader> reader() const override;
  std::string key() const override { return file_->key(); }

 private:
  std::shared_ptr<const RecordFile> file_;
  std::vector<std::string> sources_;  // paths, as origins begin with them
};

// Takes texts from `next` until it says that there are no more, in memory while they are few, else into `records`.
std::shared_ptr<const TextStore> store_texts(const std::function<bool(StoredText&)>& next,
                                             const std::vector<std::string>& sources, const StoredRecords& records,
                                             std::int64_t memory_bytes);

// About what a text takes in memory.
std::size_t memory_of(const StoredText& text);

}  // namespace peftbench::data
