#include "data/preprocess.h"

#include "core/names.h"
#include "data/preprocessors.h"

namespace peftbench {

const std::vector<Preprocessor>& preprocessors() {
  using Training = Preprocessor::Training;
  static const std::vector<Preprocessor> all = {
      {.name = "mrqa",
       .summary = "as squad, without white space around the question and the context, as TensorFlow Datasets has them",
       .reads = {"question", "context", "answers[]"},
       .makes = {"question", "context", "answer"},
       .one_space = true,
       .apply = preprocess_mrqa},
      {.name = "multirc",
       .summary = "takes the tags <b>, </b> and <br> out; the answers of one question are judged together",
       .reads = {"paragraph", "question", "answer", "paragraph_idx", "question_idx"},
       .makes = {"paragraph", "question", "answer"},
       .apply = preprocess_multirc},
      {.name = "record",
       .summary =
           "entities and answers sorted, each once, highlights made sentences; training has an example an answer",
       .reads = {"passage", "query", "entities[]", "answers[]", "passage_idx", "query_idx"},
       .makes = {"passage", "entities", "answer"},
       .training = Training::each_answer,
       .apply = preprocess_record},
      {.name = "squad",
       .summary = "spaces around punctuation; the first of the answers is the target, all of them are right",
       .reads = {"question", "context", "answers[]"},
       .makes = {"question", "context", "answer"},
       .one_space = true,
       .apply = preprocess_squad},
      {.name = "stsb",
       .summary = "a score from 0 to 5, rounded to the nearest fifth and written with one decimal",
       .reads = {"score"},
       .makes = {"score"},
       .apply = preprocess_stsb},
      {.name = "wnli",
       .summary = "finds the pronoun that a hypothesis replaces and what with; training has the true pairs alone",
       .reads = {"sentence1", "sentence2", "label"},
       .makes = {"text", "referent"},
       .training = Training::if_true,
       .apply = preprocess_wnli},
      {.name = "wsc",
       .summary = "stars around the pronoun, its referent the target; training has the true pairs alone",
       .reads = {"text", "span1_text", "span1_index", "span2_text", "span2_index", "label"},
       .makes = {"text", "referent"},
       .training = Training::if_true,
       .apply = preprocess_wsc}};
  return all;
}

const Preprocessor& parse_preprocessor(const Yaml& yaml) {
  std::vector<std::string> names;
  for (const Preprocessor& preprocessor : preprocessors()) {
    if (preprocessor.name == yaml.text()) return preprocessor;
    names.push_back(preprocessor.name);
  }
  yaml.fail("unknown preprocessor", yaml.text(), "one of " + join(names), did_you_mean(yaml.text(), names));
}

}  // namespace peftbench
