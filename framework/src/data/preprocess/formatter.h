#pragma once

#include "data/layer.h"
#include "data/preprocess/row_fields.h"
#include "data/readers/rows.h"
#include "data/task/split.h"
#include "data/task/task.h"

#include <peftbench/error.h>

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace peftbench::data {

// A row that passed the filter, formatted as it is scored.
struct LoadedRow {
  TextExample example;
  std::string origin;
  RowKeys keys;  // the first is the input's text
  bool labelled = true;
};

// Applies a task's fields, filter, preprocessor and templates to the rows of a file.
class Formatter {
 public:
  explicit Formatter(const TaskConfig& config);
  bool passes(const RowReader& row) const;
  // A row of a test file may lack its label, as benchmarks keep theirs: the target is "<unk>" then, as T5's is. Any
  // other row without one is a DataError.
  LoadedRow format(const RowReader& row, Split split = Split::train) const;
  // The same input for a row that is only answered: its answer is not looked at, and need not be there.
  TextExample format_input(const RowReader& row) const;
  // What a row becomes that falls into the training split: itself, nothing, or an example for each right answer.
  std::vector<LoadedRow> for_training(LoadedRow row) const;

 private:
  void fill_input(const RowFields& fields, TextExample& example) const;
  bool has_label(const RowFields& fields) const;
  void set_label(const RowReader& row, TextExample& example) const;

  const TaskConfig& config_;
  const TaskSpec& spec_;
  MadeFields made_;
  std::unordered_map<std::string, std::string> labels_;
};

// The fields of a row that a task's input is made of, each once.
std::vector<std::string> input_fields(const TaskSpec& spec);
// Why rows without their answers cannot be given to the task, if they cannot.
std::optional<Problem> input_needs_answer(const TaskConfig& config);

}  // namespace peftbench::data
