#include "run/foreign.h"

#include "support/program.h"

#include <peftbench/error.h>

#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace peftbench {
namespace {

using ::testing::ElementsAre;
using testing_support::Scratch;

// A folder as peft writes it, with one tensor and these entries.
ForeignAdapter adapter_with(const Scratch& scratch, const std::string& entries) {
  ForeignAdapter adapter;
  adapter.config["peft_type"] = "LORA";
  adapter.tensors["w"] = at::ones({2});
  write_foreign_adapter(scratch.path(), adapter, "t5");
  scratch.write("adapter_config.json", "{" + entries + "}");
  return read_foreign_adapter(scratch.path());
}

TEST(ForeignAdapters, EntriesOfEveryFormAreSeen) {
  const Scratch scratch;
  const ForeignAdapter adapter = adapter_with(
      scratch,
      R"("none": null, "flag": true, "whole": 3, "real": 0.5, "text": "a", "texts": ["a", "b"], "empty": [],
         "numbers": {"q": 2, "v": 0.5}, "list": [7, 8], "nested": {"a": {"b": 1}})");
  EXPECT_EQ(adapter.text("none", "x"), "x");
  EXPECT_TRUE(adapter.flag("flag", false));
  EXPECT_EQ(adapter.integer("whole", 0), 3);
  EXPECT_EQ(adapter.real("whole", 0), 3);
  EXPECT_EQ(adapter.real("real", 0), 0.5);
  EXPECT_THAT(adapter.names("texts"), ElementsAre("a", "b"));
  EXPECT_TRUE(adapter.names("empty").empty());
  EXPECT_EQ(adapter.numbers("numbers"), (std::map<std::string, double>{{"q", 2}, {"v", 0.5}}));
  // A format must see that these are set.
  EXPECT_EQ(adapter.text("list"), "[7,8]");
  EXPECT_EQ(adapter.text("nested"), R"({"a":{"b":1}})");
}

TEST(ForeignAdapters, WholeNumbersAreWrittenAsSuch) {
  const Scratch scratch;
  ForeignAdapter adapter;
  adapter.config = {{"peft_type", "LORA"}, {"rank_pattern", std::map<std::string, double>{{"q", 2}, {"v", 0.5}}}};
  adapter.tensors["w"] = at::ones({2});
  write_foreign_adapter(scratch.path(), adapter, "t5");
  const auto config = nlohmann::json::parse(testing_support::file_text(scratch.path() / "adapter_config.json"));
  EXPECT_TRUE(config["rank_pattern"]["q"].is_number_integer());  // peft builds no matrix of 2.0 rows
  EXPECT_EQ(config["rank_pattern"]["v"], 0.5);
  EXPECT_EQ(config["base_model_name_or_path"], "t5");
  EXPECT_EQ(read_foreign_adapter(scratch.path()).numbers("rank_pattern").at("q"), 2);
}

}  // namespace
}  // namespace peftbench
