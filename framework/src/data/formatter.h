#pragma once

#include "data/rows.h"
#include "data/split.h"
#include "data/task.h"

#include <string>
#include <unordered_map>

namespace peftbench {

// A row that passed the filter, formatted.
struct LoadedRow {
  TextExample example;
  std::string origin;
  RowKeys keys;  // the first is the input's text
};

// Applies a task's fields, filter and templates to the rows of a file.
class Formatter {
 public:
  explicit Formatter(const TaskConfig& config);
  bool passes(const RowReader& row) const;
  LoadedRow format(const RowReader& row) const;

 private:
  std::string value(const RowReader& row, const std::string& name, const std::string& place) const;
  std::string raw(const RowReader& row, const std::string& name, const std::string& place) const;
  void set_label(const RowReader& row, TextExample& example) const;

  const TaskConfig& config_;
  const TaskSpec& spec_;
  std::unordered_map<std::string, const MadeField*> made_;
  std::unordered_map<std::string, std::string> labels_;
};

}  // namespace peftbench
