#pragma once

#include "data/layer.h"
#include "data/prepared/example_list.h"
#include "data/prepared/storage.h"
#include "formats/record_file.h"

#include <functional>
#include <memory>
#include <string>

namespace peftbench::data {

// Examples in a file of records.
class ExamplesInFile final : public ExampleList {
 public:
  explicit ExamplesInFile(std::shared_ptr<const RecordFile> file) : file_(std::move(file)) {}
  std::size_t size() const override { return file_->size(); }
  EncodedExample at(std::size_t index) const override;

 private:
  std::shared_ptr<const RecordFile> file_;
};

// Takes examples from `next` until it says that there are no more, in memory while they are few, else into `records`,
// with what `counts` says after the last one in the section "counts".
std::shared_ptr<const ExampleList> store_examples(const std::function<bool(EncodedExample&)>& next,
                                                  const StoredRecords& records, std::int64_t memory_bytes,
                                                  const std::function<std::string()>& counts);

}  // namespace peftbench::data
