// Files of prepared data are found again by what they were made from, and the code is not among it. Where this test
// fails, rows give other texts or other ids than before: raise preprocessing_version (data/storage.h), and pin anew.
#include "core/hash.h"
#include "data/encode_list.h"
#include "data/load_task.h"
#include "data_fixture.h"

namespace peftbench {
namespace {

class PreprocessingPinTest : public DataTest {};

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
  const auto tokenizer =
      Tokenizer::load(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "assets/backbones/t5-nano-lm/spiece.model");
  Sha256 ids;
  for (const TextList* list : {&data.train, &data.validation, &data.test}) {
    const auto encoded = encode_list(*list, {*tokenizer, {20, 4}}, {}, {}, "task");
    for (std::size_t i = 0; i < encoded->size(); ++i) {
      const EncodedExample example = encoded->at(i);
      for (const auto* part : {&example.input, &example.target})
        for (const int64_t id : *part) ids.update(std::to_string(id) + " ");
      ids.update(std::to_string(example.label) + "\n");
    }
  }
  EXPECT_EQ(preprocessing_version, 1);
  EXPECT_EQ(data.hash, "f4f73cce5cf3d87689ea5ddac52fb2f5974cab826344b6bc288fc30f111a7c51");
  EXPECT_EQ(ids.hex(), "bfb824eedbb0355dbaa79abaceb6a9042301104d32ce5fd356cda80971fdf79e");
}

}  // namespace
}  // namespace peftbench
