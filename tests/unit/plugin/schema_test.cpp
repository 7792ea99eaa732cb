#include "plugin/schema.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <limits>

namespace peftbench::schema_test {

using namespace layers;

namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

MethodSchema schema() {
  MethodRegistrar registrar;
  registrar.add([](const Values&) { return std::unique_ptr<Method>(); })
      .param("rank", 8, "rank of the update")
      .range(1, 1024)
      .param("alpha", 16.0, "scale")
      .at_least(0)
      .param("targets", Names{"q", "v"}, "maps")
      .choices({"q", "k", "v", "o"})
      .param("init", "zeros", "first value")
      .choices({"zeros", "normal"})
      .param("path", "", "file")
      .param("bias", false, "train biases")
      .capability(Capability::merges)
      .recommend("train.learning_rate", "0.3");
  return registrar.schema();
}

std::string refusal(const GivenValues& given) {
  try {
    parse_values("lora", schema(), given);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

std::string faults_of(const std::function<void(MethodSchema&)>& declare) {
  MethodSchema made;
  declare(made);
  std::string text;
  for (const std::string& fault : schema_faults(made)) text += fault + "\n";
  return text;
}

TEST(Values, DefaultsFillWhatIsNotGiven) {
  const Values values = parse_values("lora", schema(), {});
  EXPECT_EQ(values.integer("rank"), 8);
  EXPECT_EQ(values.real("alpha"), 16.0);
  EXPECT_EQ(values.names("targets"), (Names{"q", "v"}));
  EXPECT_EQ(values.text("init"), "zeros");
  EXPECT_FALSE(values.flag("bias"));
}

TEST(Values, TextTakesTheTypeOfTheDefault) {
  const Values values =
      parse_values("lora", schema(),
                   {{"rank", "+32"}, {"alpha", "1e-3"}, {"targets", "[q, k ,o]"}, {"bias", "yes"}, {"path", " a b "}});
  EXPECT_EQ(values.integer("rank"), 32);
  EXPECT_EQ(values.real("alpha"), 1e-3);
  EXPECT_EQ(values.names("targets"), (Names{"q", "k", "o"}));
  EXPECT_TRUE(values.flag("bias"));
  EXPECT_EQ(values.text("path"), " a b ");
  EXPECT_THAT(parse_values("lora", schema(), {{"targets", "[]"}}).names("targets"), IsEmpty());
}

TEST(Values, WhatCannotBeReadIsRefused) {
  for (const char* text : {"", "8.0", "eight", "8 ", "1e3", "99999999999999999999"}) {
    EXPECT_THAT(refusal({{"rank", text}}),
                HasSubstr("'rank' is '" + std::string(text) + "'; expected a value of type integer (1 … 1024)"));
  }
  EXPECT_THAT(refusal({{"alpha", "inf"}}), HasSubstr("'alpha' is 'inf'; expected a value of type real"));
  EXPECT_THAT(refusal({{"alpha", "nan"}}), HasSubstr("'alpha' is 'nan'; expected a value of type real"));
  EXPECT_THAT(refusal({{"bias", "maybe"}}), HasSubstr("type flag (true, false)"));
  EXPECT_THAT(refusal({{"rank", Names{"1", "2"}}}), HasSubstr("[1, 2]"));
}

TEST(Values, RangesAndChoicesHold) {
  EXPECT_THAT(refusal({{"rank", "0"}}), HasSubstr("'rank' is 0; allowed: 1 … 1024"));
  EXPECT_EQ(refusal({{"rank", "1024"}}), "accepted");
  EXPECT_THAT(refusal({{"alpha", "-0.5"}}), HasSubstr("allowed: ≥ 0"));
  EXPECT_THAT(refusal({{"init", "normla"}}), HasSubstr("did you mean 'normal'"));
  EXPECT_THAT(refusal({{"targets", "q,qq"}}), HasSubstr("Available: q, k, v, o"));
  EXPECT_THAT(refusal({{"targets", "q,q"}}), HasSubstr("'q' twice"));
}

TEST(Values, AllFaultsAreToldAtOnceWithTheNearestName) {
  const std::string text = refusal({{"ranks", "8"}, {"alpha", "x"}, {"init", "ones"}});
  for (const char* part : {"method 'lora'", "no parameter 'ranks'; did you mean 'rank'?", "'alpha' is 'x'",
                           "'init' is 'ones'", "peft-bench methods lora"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(Values, TextsAndListsAreTaken) {
  const Values values =
      parse_values("lora", schema(), {{"rank", "4"}, {"targets", Names{"q", "o"}}, {"bias", "true"}, {"alpha", "2"}});
  EXPECT_EQ(values.integer("rank"), 4);
  EXPECT_EQ(values.names("targets"), (Names{"q", "o"}));
  EXPECT_TRUE(values.flag("bias"));
  EXPECT_EQ(values.real("alpha"), 2.0);
}

TEST(Values, EqualValuesHaveEqualTexts) {
  const auto text = [](const GivenValues& given) { return to_json(parse_values("lora", schema(), given)).dump(); };
  EXPECT_EQ(text({}), R"({"alpha":16.0,"bias":false,"init":"zeros","path":"","rank":8,"targets":["q","v"]})");
  EXPECT_EQ(text({{"alpha", "1.60e1"}, {"targets", "[q, v]"}, {"bias", "off"}}), text({}));
  EXPECT_NE(text({{"alpha", "16.0000001"}}), text({}));
}

TEST(Values, AMethodThatAsksWronglyIsTold) {
  const Values values = parse_values("lora", schema(), {});
  const auto message = [](const std::function<void()>& call) -> std::string {
    try {
      call();
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(message([&] { values.integer("rnak"); }), HasSubstr("'rnak'"));
  EXPECT_THAT(message([&] { values.real("rank"); }), HasSubstr("values.integer()"));
  EXPECT_THAT(message([&] { values.text("targets"); }), HasSubstr("values.names()"));
}

TEST(Schema, AGoodOneHasNoFaults) { EXPECT_THAT(schema_faults(schema()), IsEmpty()); }

TEST(Schema, FaultsAreFound) {
  EXPECT_THAT(faults_of([](MethodSchema& s) { s.param("rank", 0, "").range(1, 4); }),
              HasSubstr("'rank' has an invalid default: it is 0; allowed: 1 … 4"));
  EXPECT_THAT(faults_of([](MethodSchema& s) { s.param("init", "x", "").choices({"a", "b"}); }), HasSubstr("it is 'x'"));
  EXPECT_THAT(faults_of([](MethodSchema& s) {
                s.param("maps", Names{"q", "z"}, "").choices({"q"});
              }),
              HasSubstr("it is 'z'"));
  EXPECT_THAT(faults_of([](MethodSchema& s) { s.param("a", 1, "").param("a", 2.0, ""); }),
              HasSubstr("'a' is declared twice"));
  EXPECT_THAT(faults_of([](MethodSchema& s) { s.param("train.rate", 1, ""); }), HasSubstr("[a-z]"));
  EXPECT_THAT(faults_of([](MethodSchema& s) { s.param("a", "x", "").range(0, 1); }),
              HasSubstr("has a range, but its type is text"));
  EXPECT_THAT(faults_of([](MethodSchema& s) { s.param("a", 1, "").choices({"1"}); }),
              HasSubstr("has choices, but its type is integer"));
  EXPECT_THAT(faults_of([](MethodSchema& s) { s.param("a", 1, "").range(2, 1); }), HasSubstr("empty range"));
  EXPECT_THAT(faults_of([](MethodSchema& s) { s.param("a", std::numeric_limits<double>::quiet_NaN(), ""); }),
              HasSubstr("finite"));
  EXPECT_THAT(faults_of([](MethodSchema& s) { s.recommend("train.steps", "1").recommend("train.steps", "2"); }),
              HasSubstr("recommended twice"));
  // S17: rows of a table are evaluated alike.
  for (const char* key : {"eval.mode", "eval.beams", "task.max_input_tokens", "seed", "threads"})
    EXPECT_THAT(faults_of([&](MethodSchema& s) { s.recommend(key, "1"); }),
                HasSubstr("'" + std::string(key) + "' cannot be recommended"));
}

TEST(Schema, ARangeNeedsItsParameter) {
  EXPECT_THROW(MethodSchema().range(0, 1), ConfigError);
  EXPECT_THROW(MethodSchema().at_least(0), ConfigError);
  EXPECT_THROW(MethodSchema().choices({"a"}), ConfigError);
}

TEST(Schema, IsDescribed) {
  const auto rows = describe(schema());
  ASSERT_EQ(rows.size(), 6u);
  EXPECT_EQ(rows[0].type, "integer");
  EXPECT_EQ(rows[0].standard, "8");
  EXPECT_EQ(rows[0].allowed, "1 … 1024");
  EXPECT_EQ(rows[1].allowed, "≥ 0");
  EXPECT_EQ(rows[2].standard, "q,v");
  EXPECT_EQ(rows[2].allowed, "q, k, v, o");
  EXPECT_EQ(rows[5].allowed, "true, false");
  const nlohmann::json json = describe_as_json(schema());
  EXPECT_EQ(json["parameters"][1]["range"], (nlohmann::json{0.0, nullptr}));
  EXPECT_EQ(json["parameters"][2]["default"], (nlohmann::json{"q", "v"}));
  EXPECT_EQ(json["capabilities"], nlohmann::json{"merges"});
  EXPECT_EQ(json["recommendations"]["train.learning_rate"], "0.3");
}

}  // namespace
}  // namespace peftbench::schema_test
