#pragma once

#include "data/layer.h"
#include "data/preprocess/row_fields.h"

#include <peftbench/layout.h>

#include <string>
#include <vector>

namespace peftbench::data {

// What templates cannot say, under a name that a task's YAML gives: fields made from a row's before the templates are
// filled in, and what an answer is judged by.
struct Preprocessor {
  // What a row is read for. Of a row that is only answered the answer, the label and the group are not looked at.
  enum class Part { all, input };
  // What a row that is trained on becomes, once it is known which are.
  enum class Training {
    as_it_is,
    each_answer,  // an example for each of its right answers
    if_true,      // the row itself if its label is 1, else nothing
  };
  std::string name;
  std::string summary;                             // one line for `tasks`
  std::vector<std::string> reads;                  // fields that it needs; [] after the name: a list of them
  std::vector<std::string> reads_for_answer = {};  // those of them that Part::input does not need
  std::vector<std::string> makes;                  // fields that templates can use
  std::vector<std::string> makes_of_answer = {};   // those of them that only a row with its answer has
  bool one_space = false;                          // runs of white space in the input become one space
  Training training = Training::as_it_is;
  // False if the row has no correct answer, as in test sets with secret labels; for Part::input always.
  bool (*apply)(RowFields& fields, TextExample& example, Part part);
};

// All there are, by name.
const std::vector<Preprocessor>& preprocessors();

// Throws ConfigError if there is none of this name.
const Preprocessor& parse_preprocessor(const Yaml& yaml);

}  // namespace peftbench::data
