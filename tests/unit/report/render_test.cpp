#include "report/render.h"
#include "support/layers.h"

#include <gtest/gtest.h>

namespace peftbench::render_test {

using namespace layers;

namespace {

// A text, a number, what is absent, a range and a list; lines below.
Table sample_table() {
  Table table({{"method", Align::left, "label"},
               {"score", Align::right, "score_mean", 1},
               {"steps", Align::right, "steps", 2}});
  table.title = "films | t5";
  table.add({"lora", Cell("0.750 ± 0.071", 0.75), count_cell(1200)});
  table.add({"=soft", Cell(), Cell("1–2", Json::array({1, 2}))});
  table.notes = {{"without a score", {"=soft: missing"}}};
  return table;
}

TEST(Render, Text) {
  EXPECT_EQ(render_text(sample_table()),
            "films | t5\n\n"
            "method          score  steps\n"
            "lora    0.750 ± 0.071  1,200\n"
            "=soft               –    1–2\n"
            "\nwithout a score:\n  =soft: missing\n");
}

TEST(Render, ATextThatIsTooWideComesInItsParts) {
  Table table = sample_table();
  table.title.clear();
  table.notes.clear();
  EXPECT_EQ(render_text(table, 28), render_text(table));
  EXPECT_EQ(render_text(table, 27),
            "method          score\nlora    0.750 ± 0.071\n=soft               –\n\n"
            "method  steps\nlora    1,200\n=soft     1–2\n");
}

TEST(Render, Markdown) {
  EXPECT_EQ(render_markdown(sample_table()),
            "**films \\| t5**\n\n"
            "| method | score | steps |\n|---|---:|---:|\n"
            "| lora | 0.750 ± 0.071 | 1,200 |\n"
            "| =soft | – | 1–2 |\n"
            "\nWithout a score:\n\n- =soft: missing\n");
}

TEST(Render, CsvHasKeysAndPlainValues) {
  EXPECT_EQ(render_csv(sample_table()), "label,score_mean,steps\nlora,0.75,1200\n'=soft,,1-2\n");
  Table lists({"reads"});
  lists.add({std::vector<std::string>{"a", "b"}});
  lists.add({std::vector<std::string>{}});
  EXPECT_EQ(render_csv(lists), "reads\n\"a, b\"\n\n");
}

TEST(Render, JsonHasValuesByTheirKeys) {
  EXPECT_EQ(render_json(sample_table()).dump(),
            R"([{"label":"lora","score_mean":0.75,"steps":1200},{"label":"=soft","score_mean":null,"steps":[1,2]}])");
}

TEST(Render, NotesWithoutATitleStandInTheTablesPlace) {
  Table table;
  table.title = "records that cannot be read";
  table.notes = {{"", {"a: damaged", "b: damaged"}}};
  EXPECT_EQ(render_text(table, 30), "records that cannot be read\n\n  a: damaged\n  b: damaged\n");
  EXPECT_EQ(render_markdown(table), "**records that cannot be read**\n\n- a: damaged\n- b: damaged\n");
}

}  // namespace
}  // namespace peftbench::render_test
