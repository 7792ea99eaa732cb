#include "data_fixture.h"
#include "support/layers.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

namespace peftbench::project_tasks_test {

using namespace layers;

namespace {

// Where tools/fetch-data puts it.
fs::path data_root() {
  if (const char* root = std::getenv("PEFTBENCH_DATA"); root != nullptr && *root != 0) return root;
  if (const char* share = std::getenv("XDG_DATA_HOME"); share != nullptr && *share != 0)
    return fs::path(share) / "peft-bench";
  const char* home = std::getenv("HOME");
  return fs::path(home == nullptr ? "/" : home) / ".local/share/peft-bench";
}

struct Expected {
  const char* name;
  std::size_t train, validation, test;
  const char* hash;  // pinned: figures of two versions compare only if the examples are the same
};

void PrintTo(const Expected& expected, std::ostream* out) { *out << expected.name; }

class ProjectTasks : public testing::TestWithParam<Expected> {};

TEST_P(ProjectTasks, HaveTheSplitsThatFiguresAreQuotedFor) {
  const Expected& expected = GetParam();
  const TaskConfig config = read_task_config(expected.name, {fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "configs/tasks"});
  if (!fs::exists(data_root() / expected.name / ".ready"))
    GTEST_SKIP() << "no data: run peft-bench tasks --fetch " << expected.name;
  const TaskData data = load_task(config, data_root());
  EXPECT_EQ(data.train.size(), expected.train);
  EXPECT_EQ(data.validation.size(), expected.validation);
  EXPECT_EQ(data.test.size(), expected.test);
  EXPECT_EQ(data.hash, expected.hash);
  std::map<std::string, std::set<int>> where;
  int split = 0;
  for (const auto* examples : {&data.train, &data.validation, &data.test}) {
    std::map<int, int> labels;
    for (const TextExample& example : *examples) {
      std::string text;
      for (const Piece& piece : example.input) text += piece.text;
      where[text].insert(split);
      ++labels[example.label];
    }
    EXPECT_EQ(labels.size(), config.labels.size()) << "every label is in every split";
    const auto most = std::max_element(labels.begin(), labels.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    RecordProperty("majority_of_split_" + std::to_string(split++),
                   config.labels[static_cast<std::size_t>(most->first)] + " " + std::to_string(most->second));
  }
  for (const auto& [text, splits] : where) EXPECT_EQ(splits.size(), 1u) << text;
}

INSTANTIATE_TEST_SUITE_P(
    All, ProjectTasks,
    testing::Values(
        Expected{"movie_sentiment", 8072, 1000, 1000,
                 "d4630c7dea430c95748baa265030719497f74f33337069846984aea9cbe6268d"},
        Expected{"tweet_sentiment", 2232, 400, 800, "5b3955f3c35f1b8dab36c3be4d1c90a2238f58ac4fbbc1ba91b43bc5636b799b"},
        Expected{"product_sentiment", 1785, 400, 800,
                 "703928ae92206edbf67aa8bb1bc1f163f4ffe601a1d75839a938669f78a81a28"},
        Expected{"editorial_sentiment", 1770, 400, 800,
                 "c54e75353d6ba3224cd3d6658dd78da62210debeafd5919f020464caa636f858"},
        Expected{"wordnet_supersense", 60245, 1000, 2000,
                 "079ae4b5642eccdedd1c953104dd448be727c50e309e72d7cfd25c6e33eb0be1"},
        Expected{"wordnet_wic", 2472, 300, 600, "e93d05e5c5627e34467295dbeb8fe5c8c7965d0ace11a7312a6f571c957063b7"},
        Expected{"wordnet_hypernym", 71298, 1000, 2000,
                 "151c30ea517ad76dadad896becc24672ef8b883d26481911f35f359fffc8acd8"},
        Expected{"spam", 4545, 500, 1000, "f01575b78d51b91cb0e97cf69260fc0d78675e64d6bf33f9a717e55095354f81"},
        Expected{"food_reviews", 3593, 400, 1000, "42e44fcad5d4a411b91725386697f36cfdb92d1e4bb2641808a5469ca676f3c3"}),
    [](const testing::TestParamInfo<Expected>& task) { return std::string(task.param.name); });

}  // namespace
}  // namespace peftbench::project_tasks_test
