#pragma once

#include "data/layer.h"
#include "data/readers/rows.h"
#include "data/task/task_spec.h"

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace peftbench::data {

using MadeFields = std::unordered_map<std::string, const MadeField*>;

// The fields of one row under the names that a task uses: what a preprocessor made of them, the task's own `fields`,
// and the source's. Whoever asks is named in the message where a field is missing. Outlives neither argument.
class RowFields {
 public:
  RowFields(const RowReader& row, const MadeFields& made) : row_(row), made_(made) {}

  const RowReader& row() const { return row_; }
  std::optional<std::string> find(const std::string& name) const;
  std::string text(const std::string& name, const std::string& asked_by) const;  // Throws DataError if missing
  double number(const std::string& name, const std::string& asked_by) const;     // Throws DataError if it is none
  // 0 or 1 of a field that is true, false, 1 or 0; −1 where it is absent or −1. Throws DataError for anything else.
  int truth(const std::string& name, const std::string& asked_by) const;
  // The items of a list: texts, or the `text` of each; where the name is an object's, those of the list `text` in it
  // (the hub has SQuAD's answers so). None if there is no such list.
  std::vector<std::string> list(const std::string& name) const;
  void set(const std::string& name, std::string text) { set_[name] = std::move(text); }

 private:
  const RowReader& row_;
  const MadeFields& made_;
  std::unordered_map<std::string, std::string> set_;
};

}  // namespace peftbench::data
