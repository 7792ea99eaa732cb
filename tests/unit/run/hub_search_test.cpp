// Data and models are looked for in the same Hugging Face caches, in the same order.
#include "backbone/hub.h"
#include "core/hub_cache.h"
#include "data/task/locate.h"
#include "support/layers.h"
#include "support/program.h"
#include "support/variable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>

namespace peftbench::hub_search_test {

using namespace layers;

namespace {

using testing::ElementsAreArray;
using testing_support::Scratch;
using testing_support::Variable;

// A model and a data set as the client keeps them; a test moves both from cache to cache.
constexpr const char* model = "models--me--mine";
constexpr const char* data_set = "datasets--me--rows";

class HubSearch : public testing::Test {
 protected:
  HubSearch() {
    const std::string at = std::string("kept/") + model, rows = std::string("kept/") + data_set;
    scratch_.write(at + "/refs/main", "abc");
    scratch_.write(at + "/snapshots/abc/config.json",
                   R"({"model_type":"t5","vocab_size":11,"d_model":4,"d_kv":2,"num_heads":3,"d_ff":5,"num_layers":1})");
    scratch_.write(rows + "/refs/main", "abc");
    scratch_.write(rows + "/snapshots/abc/rows.csv", "a,b\n1,2\n");
    fs::create_directories(folder("data"));
    task_ = read_task_config(
        scratch_.write("tasks/mine.yaml", "source: {hub: me/rows, file: rows.csv}\ninput: \"{a}\"\ntarget: \"{b}\"\n")
            .string(),
        {});
  }

  fs::path folder(const std::string& name) const { return scratch_.path() / name; }

  // The caches in which a search for the data set looks.
  std::vector<fs::path> caches_of_data() const {
    std::vector<fs::path> caches;
    for (const LookedAt& place : search_source(task_, folder("data")).places)
      if (place.folder.filename() == data_set) caches.push_back(place.folder.parent_path());
    return caches;
  }
  // Puts both into a cache, or back.
  void move(const fs::path& from, const fs::path& to) const {
    fs::create_directories(to);
    for (const char* name : {model, data_set}) fs::rename(from / name, to / name);
  }

  const Scratch scratch_;
  TaskConfig task_;
};

TEST_F(HubSearch, DataAndModelsAreFoundInTheSameCaches) {
  const std::array<const char*, 5> names = {"HF_HUB_CACHE", "HF_HOME", "HF_DATASETS_CACHE", "XDG_CACHE_HOME", "HOME"};
  const Variable older("HUGGINGFACE_HUB_CACHE", ""), transformers("TRANSFORMERS_CACHE", "");
  for (unsigned set = 0; set < 1u << names.size(); ++set) {
    std::vector<std::unique_ptr<const Variable>> variables;
    std::string combination;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const bool is_set = (set >> i & 1u) != 0;
      variables.push_back(std::make_unique<const Variable>(names[i], is_set ? folder(names[i]).string() : ""));
      if (is_set) combination += std::string(names[i]) + " ";
    }
    SCOPED_TRACE(combination.empty() ? "none is set" : combination);
    const auto is_set = [&](std::size_t i) { return (set >> i & 1u) != 0; };

    // HF_DATASETS_CACHE holds what the client's library made of data sets, and none of their files.
    std::vector<fs::path> expected;
    if (is_set(0)) expected.push_back(folder("HF_HUB_CACHE"));
    if (is_set(1)) expected.push_back(folder("HF_HOME") / "hub");
    if (is_set(3))
      expected.push_back(folder("XDG_CACHE_HOME") / "huggingface" / "hub");
    else if (is_set(4))
      expected.push_back(folder("HOME") / ".cache" / "huggingface" / "hub");
    EXPECT_THAT(hub_caches(), ElementsAreArray(expected));
    const BackboneSearch search = backbone_search(folder("home"));
    EXPECT_THAT(search.hub_caches, ElementsAreArray(expected));
    EXPECT_THAT(caches_of_data(), ElementsAreArray(expected));

    for (const fs::path& cache : expected) {
      move(folder("kept"), cache);
      EXPECT_EQ(resolve_backbone("me/mine", search, BackboneNeed::sizes).folder, cache / model / "snapshots" / "abc");
      EXPECT_EQ(find_source(task_, folder("data")).folder, cache / data_set / "snapshots" / "abc");
      move(cache, folder("kept"));
    }
  }
}

}  // namespace
}  // namespace peftbench::hub_search_test
