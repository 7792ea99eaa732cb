#pragma once

#include "data/layer.h"
#include "data/readers/nested_reader.h"
#include "data/readers/text_source.h"

namespace peftbench::data {

// One JSON object a line; empty lines are no rows, nor is a first line with nothing but a header, as MRQA has it.
class JsonlReader final : public NestedReader {
 public:
  JsonlReader(fs::path file, std::vector<std::string> records, RowLimits limits, int stream = no_stream);

 private:
  bool next_document(Json& document) override;
  TextSource in_;
};

}  // namespace peftbench::data
