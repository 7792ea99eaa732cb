#pragma once

#include "data/rows.h"

#include <nlohmann/json.hpp>

#include <fstream>

namespace peftbench {

// One JSON object a line; empty lines are no rows.
class JsonlReader final : public RowReader {
 public:
  explicit JsonlReader(fs::path file);
  bool next() override;
  std::optional<std::string> field(const std::string& name) const override;
  std::vector<std::string> names() const override;

 private:
  std::ifstream in_;
  nlohmann::json row_;
};

}  // namespace peftbench
