#include "support/layers.h"

#include <peftbench/error.h>
#include <peftbench/exchange.h>

#include <ATen/ops/ones.h>
#include <gmock/gmock.h>

namespace peftbench::exchange_test {

using namespace layers;

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ForeignAdapter adapter() {
  ForeignAdapter made;
  made.config = {{"peft_type", "LORA"},
                 {"r", std::int64_t{8}},
                 {"lora_alpha", std::int64_t{16}},
                 {"lora_dropout", 0.1},
                 {"use_rslora", true},
                 {"target_modules", Names{"q", "v"}},
                 {"exclude_modules", "k"},
                 {"rank_pattern", ForeignNumbers{{"q", 4}}},
                 {"revision", std::monostate()}};
  made.tensors = {{"a", at::ones({2})}, {"b", at::ones({3})}};
  return made;
}

template <class Read>
std::string refusal(Read read) {
  try {
    read();
    return "taken";
  } catch (const CheckpointError& error) {
    return error.what();
  }
}

TEST(ForeignAdapter, GivesEntriesByType) {
  const ForeignAdapter made = adapter();
  EXPECT_EQ(made.text("peft_type"), "LORA");
  EXPECT_EQ(made.integer("r", 1), 8);
  EXPECT_EQ(made.real("lora_dropout", 0), 0.1);
  EXPECT_EQ(made.real("lora_alpha", 0), 16);  // JSON writes 16.0 as it likes
  EXPECT_TRUE(made.flag("use_rslora", false));
  EXPECT_THAT(made.names("target_modules"), ElementsAre("q", "v"));
  EXPECT_THAT(made.names("exclude_modules"), ElementsAre("k"));
  EXPECT_EQ(made.numbers("rank_pattern").at(0).second, 4);
  EXPECT_EQ(made.tensor("b").numel(), 3);
}

TEST(ForeignAdapter, WhatIsAbsentOrNullHasTheDefault) {
  const ForeignAdapter made = adapter();
  EXPECT_EQ(made.text("revision", "main"), "main");
  EXPECT_EQ(made.integer("nothing", 3), 3);
  EXPECT_FALSE(made.flag("nothing", false));
  EXPECT_TRUE(made.names("nothing").empty());
  EXPECT_TRUE(made.numbers("revision").empty());
}

// S8
TEST(ForeignAdapter, WhatAsksForSomethingIsSeenWhateverItsForm) {
  ForeignAdapter made = adapter();
  made.config["init"] = "OLoRA";
  made.config["nothing"] = Names{};
  made.config["indices"] = std::vector<std::int64_t>{3};
  made.config["off"] = false;
  EXPECT_EQ(made.word("init"), "olora");
  EXPECT_TRUE(made.is_set("indices"));
  for (const char* key : {"nothing", "off", "revision", "absent"}) EXPECT_FALSE(made.is_set(key)) << key;
  EXPECT_THAT(made.set_beyond({"r", "lora_alpha", "lora_dropout", "use_rslora", "target_modules", "exclude_modules"}),
              ElementsAre("indices", "init", "rank_pattern"));
}

TEST(ForeignAdapter, AnotherTypeOrAnAbsentTensorIsTold) {
  const ForeignAdapter made = adapter();
  EXPECT_THAT(refusal([&] { made.integer("peft_type", 1); }), HasSubstr("'peft_type'"));
  EXPECT_THAT(refusal([&] { made.flag("r", true); }), HasSubstr("true or false"));
  EXPECT_THAT(refusal([&] { made.tensor("c"); }), HasSubstr("a, b"));
}

}  // namespace
}  // namespace peftbench::exchange_test
