#pragma once

#include "data/layer.h"
#include "data/readers/rows.h"
#include "data/readers/text_source.h"

#include <string>
#include <vector>

namespace peftbench::data {

// Plain text: each line is a row whose only value has all of the names. An empty line is a row too.
class LineRows final : public RowReader {
 public:
  LineRows(fs::path file, std::vector<std::string> names, int stream = no_stream);
  bool next() override;

 private:
  std::optional<std::string> value(const std::string& name) const override;
  std::vector<std::string> fields() const override { return names_; }
  TextSource in_;
  std::vector<std::string> names_;
  std::string text_;
};

}  // namespace peftbench::data
