// Files of prepared data are found again by what they were made from, and the code is not among it. Where this test
// fails, rows give other texts or other ids than before: raise preprocessing_version (data/prepared/storage.h), and pin anew.
#include "core/hash.h"
#include "data/prepared/encode_list.h"
#include "data/preprocess/preprocess.h"
#include "data/task/load_task.h"
#include "data_fixture.h"
#include "support/layers.h"

#include <map>

namespace peftbench::preprocessing_pin_test {

using namespace layers;

namespace {

class PreprocessingPinTest : public DataTest {
 protected:
  static void SetUpTestSuite() {
    tokenizer_ = Tokenizer::load(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "assets/backbones/t5-nano-lm/spiece.model");
  }
  static void TearDownTestSuite() { tokenizer_.reset(); }

  static std::string hash_of_ids(const TaskData& data) {
    Sha256 ids;
    for (const TextList* list : {&data.train, &data.validation, &data.test}) {
      const auto encoded = encode_list(*list, {*tokenizer_, {20, 4}}, {}, {}, "task");
      for (std::size_t i = 0; i < encoded->size(); ++i) {
        const EncodedExample example = encoded->at(i);
        for (const auto* part : {&example.input, &example.target})
          for (const int64_t id : *part) ids.update(std::to_string(id) + " ");
        ids.update(std::to_string(example.label) + "\n");
      }
    }
    return ids.hex();
  }

  static std::shared_ptr<const Tokenizer> tokenizer_;
};
std::shared_ptr<const Tokenizer> PreprocessingPinTest::tokenizer_;

TEST_F(PreprocessingPinTest, TheSameRowsGiveTheSameTextsAndIds) {
  std::string rows = "id,text,stars\n";
  for (int i = 0; i < 40; ++i) {
    const std::string n = std::to_string(i);
    rows += n + ",\"Ünder " + n + " \"\"trees\"\",  " + std::string(i % 7, '!') + "\n<extra_id_1> 9999 ＡＢ …\"," +
            std::to_string(i % 5) + "\n";
  }
  write("r.csv", rows);
  const TaskData data = load(
      "source: r.csv\nfields: {side: {from: stars, cut: [2], words: [bad, good]}}\nprefix: 'mood:'\n"
      "filter: {stars: {outside: [1, 3]}}\ninput: 'review {id}: {text}'\ntarget: '{side}'\nlabels: [bad, good]\n"
      "split: {seed: 3, validation: 5, test: 5}\n");
  EXPECT_EQ(preprocessing_version, 4);
  EXPECT_EQ(data.hash, "f4f73cce5cf3d87689ea5ddac52fb2f5974cab826344b6bc288fc30f111a7c51");
  EXPECT_EQ(hash_of_ids(data), "bfb824eedbb0355dbaa79abaceb6a9042301104d32ce5fd356cda80971fdf79e");
}

// Groups, right answers, splits that files give, rows alike but for white space.
TEST_F(PreprocessingPinTest, GroupsAndReferences) {
  const auto rows = [](int first, int last) {
    std::string text;
    for (int i = first; i < last; ++i) {
      const std::string n = std::to_string(i % 30);
      text += R"({"page": )" + std::to_string(i / 3) + R"(, "question": "Who\t is )" + n + std::string(i % 3, ' ') +
              R"(?  ", "answers": ["Ann )" + n + R"(", "Böb"]})" + "\n";
    }
    return text;
  };
  write("a.jsonl", rows(0, 60));
  write("b.jsonl", rows(55, 70));
  const TaskData data = load(
      "source: {train: a.jsonl, test: b.jsonl}\nreferences: answers\ngroup: [page]\ninput: '{question}'\n"
      "target: '{answers.0}'\nmetrics: [squad_f1]\nsplit: {seed: 1, validation: 9, by: question}\n");
  EXPECT_EQ(data.hash, "3d2cf7648a04af4f328021423e957fe0de9398f6c762019c3ed60a7f5c4ca9ca");
  EXPECT_EQ(hash_of_ids(data), "fddd186cda291010cc48b539b57e3332edadec4b531664e778d6245d5f2cb31d");
}

struct Pinned {
  const char *templates, *rows, *texts, *ids;
};

// Rows as the preprocessor of this name reads them; of each kind of row that it tells apart one or more.
const std::map<std::string, Pinned>& pinned() {
  static const std::map<std::string, Pinned> all = {
      {"mrqa",
       {"input: 'question: {question} context: {context}'\ntarget: '{answer}'\n",
        R"({"question": " A question? ", "context": "\u3000Some context.\n\u00a0", "answers": [" The answer. ", "b"]}
{"question": "", "context": "\t", "answers": ["a"]}
)",
        "ab20a26d5ccde0972c273a50e1b54ed6af80b6f751d4aead844796a256667baf",
        "10cd25eb3a4c9e425f13224f8b1f92165a425e6512d087d50b6fb64a8dfca718"}},
      {"multirc",
       {"input: 'question: {question} answer: {answer} paragraph: {paragraph}'\ntarget: '{label}'\n"
        "labels: {0: 'False', 1: 'True'}\n",
        R"({"paragraph": "<b>Sent 1: </b>Ann\tsaw it.<br><b>Sent 2: </b>Bob did not.<br>", "question": "Who <b>saw</b> it?", "answer": "Ann<br>", "paragraph_idx": 3, "question_idx": 7, "label": 1}
{"paragraph": "plain", "question": "Who?", "answer": "Bob", "paragraph_idx": 3, "question_idx": 8, "label": 0}
)",
        "f2d47b064b2f599e4c2beb36e93cc062ff458f7fe2babd169a2dba08e4710643",
        "36445f267c06a5f2d8d952afec0a10a4cad3659b315485270d350305f588a93c"}},
      {"record",
       {"prefix: record\ninput: 'query: {query} entities: {entities} passage: {passage}'\ntarget: '{answer}'\n",
        R"({"query": "It was @placeholder.", "entities": ["C", "A", "É", "A"], "passage": "Some text\n@highlight\nAnother sentence.\n@highlight\nThird \"one\"\n@highlight\nEnd", "answers": ["C", "A", "C"], "passage_idx": 1, "query_idx": 2}
{"query": "@placeholder won.", "spans": [{"start": 0, "end": 2}, {"start": 8, "end": 10}], "passage": "Añn saw Bob.", "answers": [{"text": "Bob"}], "passage_idx": 1, "query_idx": 3}
)",
        "f86dbefb2887f9cb509c1bcc8ed2f166d98d3d150c78dedc68bc45864cd91b44",
        "ebe27804a876394f9588a6d1aae702e85d623c5b35b8193f933b739340d8fdb6"}},
      {"squad",
       {"input: 'question: {question} context: {context}'\ntarget: '{answer}'\n",
        R"({"question": "A question?", "context": "Some context.\n\n(Naïve, 3.5 %\f–\u000bco-op_x)  ", "answers": [{"text": "The answer."}, {"text": " $5\t~"}]}
{"question": " Why", "context": "", "answers": {"text": ["a", "b"], "answer_start": [1, 2]}}
)",
        "d1102e5a0ec9a7e81c0e4f3bd2b3c81ffca8b928fff7ffa01f51e33447f82397",
        "81365f7c5752022d4ce4e98c5fc8ffef1caab7a20af894b7b236f1b72725bc60"}},
      {"stsb",
       {"prefix: stsb\ninput: 'a: {a}'\ntarget: '{score}'\n",
        R"({"a": "one", "score": 2.8}
{"a": "two", "score": 0.5}
{"a": "three", "score": "3.75"}
{"a": "four", "score": 5}
)",
        "2943ba599967caa5d3499728dcd49b619cb60f676222b28e41ac5ba2aadfda80",
        "fc63cf89b1da8969dcf10f97a189df5c13848bd6dcea0d29ef55f2435242acd0"}},
      {"wnli",
       {"prefix: 'wsc:'\ninput: '{text}'\ntarget: '{referent}'\n",
        R"({"sentence1": "Lily spoke to Donna breaking her silence.", "sentence2": "Lily spoke to Donna breaking Donna's silence.", "label": 1}
{"sentence1": "The fish ate the worm. It was tasty.", "sentence2": "The fish was tasty.", "label": 0}
{"sentence1": " Edward dropped adhesive tape onto his window sill, and when he pulled the tape off, some of the glue was stuck on it.", "sentence2": "Some of the glue was stuck on the window sill.", "label": 1}
)",
        "d25d515b7e6c76405f21941b788fe4b8a27b831e0f38c435c57e116a022f7704",
        "46e2e10c65cec81588e896760f94f8c658655ba84e198aac458e553ad08f2697"}},
      {"wsc",
       {"prefix: 'wsc:'\ninput: '{text}'\ntarget: '{referent}'\n",
        R"({"text": "Mitchell asked Tom if he could lend some money.", "span1_text": "Tom", "span1_index": 2, "span2_text": "he", "span2_index": 4, "label": true}
{"text": "He told me", "span1_text": "me", "span1_index": 2, "span2_text": "He", "span2_index": 0, "label": 0}
{"text": "The man\tsaw Ann, but he left her", "span1_text": "the man.", "span1_index": 0, "span2_text": "He.", "span2_index": 4, "label": "True"}
{"text": "Ann  saw her", "span1_text": "Ann", "span1_index": 0, "span2_text": "her", "span2_index": 3, "label": 1}
)",
        "77ce3452f12bd76548d57453b494ccc0135700135f5b6278559d3e186f670499",
        "cad142f09d5047b18237bff5a3ef8fdd8825063da5ec2b07b5a7f99cded070aa"}}};
  return all;
}

TEST_F(PreprocessingPinTest, EachPreprocessor) {
  for (const Preprocessor& preprocessor : preprocessors()) {
    SCOPED_TRACE(preprocessor.name);
    const auto found = pinned().find(preprocessor.name);
    ASSERT_NE(found, pinned().end()) << "give rows that this preprocessor reads, and pin what it makes of them";
    const auto& [templates, rows, texts, ids] = found->second;
    write("train.jsonl", rows);
    write("validation.jsonl", rows);
    const TaskData data =
        load("source: {train: train.jsonl, validation: validation.jsonl}\npreprocess: " + preprocessor.name +
             "\nsplit: {test: 0, overlap: keep}\n" + templates);
    EXPECT_EQ(data.hash, texts);
    EXPECT_EQ(hash_of_ids(data), ids);
  }
}

}  // namespace
}  // namespace peftbench::preprocessing_pin_test
