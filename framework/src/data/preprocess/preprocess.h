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
  // What a row that is trained on becomes, once it is known which are.
  enum class Training {
    as_it_is,
    each_answer,  // an example for each of its right answers
    if_true,      // the row itself if its label is 1, else nothing
  };
  std::string name;
  std::string summary;             // one line for `tasks`
  std::vector<std::string> reads;  // fields that it needs; [] after the name: a list of them
  std::vector<std::string> makes;  // fields that templates can use
  bool one_space = false;          // runs of white space in the input become one space
  Training training = Training::as_it_is;
  // False if the row has no correct answer, as in test sets with secret labels.
  bool (*apply)(RowFields& fields, TextExample& example);
};

// All there are, by name.
const std::vector<Preprocessor>& preprocessors();

// Throws ConfigError if there is none of this name.
const Preprocessor& parse_preprocessor(const Yaml& yaml);

}  // namespace peftbench::data
