#include "data/preprocess/preprocess.h"

#include "core/names.h"
#include "data/preprocess/preprocessors.h"

namespace peftbench::data {

const std::vector<Preprocessor>& preprocessors() {
  using Training = Preprocessor::Training;
  static const std::vector<Preprocessor> all = {
      {.name = "mrqa",
       .summary = "as squad, without white space around question and context, as in TensorFlow Datasets",
       .reads = {"question", "context", "answers[]"},
       .reads_for_answer = {"answers[]"},
       .makes = {"question", "context", "answer"},
       .makes_of_answer = {"answer"},
       .one_space = true,
       .apply = preprocess_mrqa},
      {.name = "multirc",
       .summary = "removes the tags <b>, </b> and <br>; the answers of one question are scored together",
       .reads = {"paragraph", "question", "answer", "paragraph_idx", "question_idx"},
       .reads_for_answer = {"paragraph_idx", "question_idx"},
       .makes = {"paragraph", "question", "answer"},
       .apply = preprocess_multirc},
      {.name = "record",
       .summary = "sorts and deduplicates entities and answers, makes sentences of highlights; one training example "
                  "per answer",
       .reads = {"passage", "query", "entities[]", "answers[]", "passage_idx", "query_idx"},
       .reads_for_answer = {"answers[]", "passage_idx", "query_idx"},
       .makes = {"passage", "entities", "answer"},
       .makes_of_answer = {"answer"},
       .training = Training::each_answer,
       .apply = preprocess_record},
      {.name = "squad",
       .summary = "puts spaces around punctuation; the first answer is the target, all answers are correct",
       .reads = {"question", "context", "answers[]"},
       .reads_for_answer = {"answers[]"},
       .makes = {"question", "context", "answer"},
       .makes_of_answer = {"answer"},
       .one_space = true,
       .apply = preprocess_squad},
      {.name = "stsb",
       .summary = "rounds a score from 0 to 5 to the nearest 0.2, and writes it with one decimal",
       .reads = {"score"},
       .reads_for_answer = {"score"},
       .makes = {"score"},
       .makes_of_answer = {"score"},
       .apply = preprocess_stsb},
      {.name = "wnli",
       .summary = "finds the pronoun that the hypothesis replaces, and its replacement; trains on true pairs only",
       .reads = {"sentence1", "sentence2", "label"},
       .reads_for_answer = {"label"},
       .makes = {"text", "referent"},
       .training = Training::if_true,
       .apply = preprocess_wnli},
      {.name = "wsc",
       .summary = "puts stars around the pronoun; its referent is the target; trains on true pairs only",
       .reads = {"text", "span1_text", "span1_index", "span2_text", "span2_index", "label"},
       .reads_for_answer = {"span1_text", "span1_index", "label"},
       .makes = {"text", "referent"},
       .makes_of_answer = {"referent"},
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

}  // namespace peftbench::data
