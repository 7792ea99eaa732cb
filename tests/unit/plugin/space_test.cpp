#include "plugin/space.h"
#include "plugin/schema.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <limits>
#include <set>

namespace peftbench::space_test {

using namespace layers;

namespace {

using ::testing::HasSubstr;

ParameterSchema integer(std::optional<std::pair<double, double>> range = {}) {
  return {"rank", int64_t{8}, "", range, {}, {}};
}
ParameterSchema real(std::optional<std::pair<double, double>> range = {}) { return {"alpha", 1.0, "", range, {}, {}}; }

std::string fault(const ParameterSchema& parameter, const Space& of) { return space_fault(parameter, of).value_or(""); }

TEST(Space, IsCheckedAgainstItsParameter) {
  EXPECT_EQ(fault(integer(), space::log(2, 64)), "");
  EXPECT_EQ(fault(real(std::pair(0.0, 1.0)), space::uniform(0, 1)), "");
  EXPECT_EQ(fault(integer(), space::choices({"2", "4"})), "");
  EXPECT_EQ(fault({"on", true, "", {}, {}, {}}, space::choices({"true", "false"})), "");
  EXPECT_EQ(fault({"at", Names{"q"}, "", {}, {"q", "v"}, {}}, space::choices({"q", "q,v"})), "");

  EXPECT_THAT(fault(integer(), space::log(64, 2)), HasSubstr("64 … 2 is empty"));
  EXPECT_THAT(fault(real(), space::uniform(1, 1)), HasSubstr("is empty"));
  EXPECT_THAT(fault(real(), space::log(0, 1)), HasSubstr("must be above 0"));
  EXPECT_THAT(fault(real(), space::uniform(0, std::numeric_limits<double>::infinity())), HasSubstr("not finite"));
  EXPECT_THAT(fault(real(), space::uniform(std::nan(""), 1)), HasSubstr("not finite"));
  EXPECT_THAT(fault(integer(std::pair(1.0, 32.0)), space::log(2, 64)), HasSubstr("not within the parameter's range"));
  EXPECT_THAT(fault(integer(), space::uniform(1.5, 3)), HasSubstr("whole numbers"));
  EXPECT_THAT(fault({"on", true, "", {}, {}, {}}, space::uniform(0, 1)), HasSubstr("of the type flag"));
  EXPECT_THAT(fault(integer(), space::choices({"2", "two"})), HasSubstr("'two' is not a value of 'rank'"));
  EXPECT_THAT(fault(integer(std::pair(1.0, 3.0)), space::choices({"2", "4"})), HasSubstr("'4' is not a value"));
  EXPECT_THAT(fault(integer(), space::choices({"2"})), HasSubstr("fewer than two"));
  EXPECT_THAT(fault(integer(), space::choices({"2", "2"})), HasSubstr("'2' twice"));
}

TEST(Space, GivesEveryIntegerItsShare) {
  std::multiset<int64_t> values;
  for (int i = 0; i < 300; ++i) values.insert(std::get<int64_t>(value_at(integer(), space::uniform(3, 5), i / 300.0)));
  for (const int64_t value : {3, 4, 5}) EXPECT_NEAR(static_cast<double>(values.count(value)), 100, 1) << value;
  EXPECT_EQ(values.size(), values.count(3) + values.count(4) + values.count(5));
}

TEST(Space, IsUniformInTheLogarithm) {
  const Space rate = space::log(1e-4, 1e-2);
  EXPECT_EQ(std::get<double>(value_at(real(), rate, 0)), 1e-4);
  EXPECT_EQ(std::get<double>(value_at(real(), rate, 0.5)), 1e-3);
  EXPECT_NEAR(std::get<double>(value_at(real(), rate, 1 - 1e-12)), 1e-2, 1e-5);
  EXPECT_EQ(std::get<int64_t>(value_at(integer(), space::log(2, 64), 0)), 2);
  EXPECT_EQ(std::get<int64_t>(value_at(integer(), space::log(2, 64), 1 - 1e-12)), 64);
}

// Rounding does not leave the space.
TEST(Space, ValuesAreWithinAndShort) {
  const Space narrow = space::uniform(0.123451, 0.123459);
  for (int i = 0; i < 100; ++i) {
    const double value = std::get<double>(value_at(real(), narrow, i / 100.0));
    EXPECT_GE(value, narrow.low);
    EXPECT_LE(value, narrow.high);
  }
  EXPECT_EQ(to_text(value_at(real(), space::uniform(0, 1), 1.0 / 3)), "0.3333");
}

TEST(Space, ChoicesAreEquallyLikely) {
  const Space words = space::choices({"4", "8", "16", "32"});
  EXPECT_EQ(std::get<int64_t>(value_at(integer(), words, 0)), 4);
  EXPECT_EQ(std::get<int64_t>(value_at(integer(), words, 0.49)), 8);
  EXPECT_EQ(std::get<int64_t>(value_at(integer(), words, 0.999)), 32);
}

TEST(Space, IsCheckedWhereTheSchemaIs) {
  MethodSchema schema;
  schema.param("rank", 8, "")
      .range(1, 16)
      .space(space::log(2, 64))
      .space("train.learning_rate", space::log(1, 0.1))
      .space("eval.beams", space::choices({"1", "4"}))
      .space("eval.beams", space::choices({"1", "2"}));
  std::string text;
  for (const std::string& one : schema_faults(schema)) text += one + "\n";
  EXPECT_THAT(text, HasSubstr("parameter 'rank' has an invalid space: 2 … 64 is not within"));
  EXPECT_THAT(text, HasSubstr("'train.learning_rate' has an invalid space: 1 … 0.1 is empty"));
  EXPECT_THAT(text, HasSubstr("'eval.beams' cannot be searched"));
  EXPECT_THAT(text, HasSubstr("'eval.beams' has two spaces"));
}

TEST(Space, IsShownWithItsParameter) {
  MethodSchema schema;
  schema.param("rank", 8, "")
      .space(space::choices({"4", "8"}))
      .param("alpha", 1.0, "")
      .space("train.learning_rate", space::log(1e-4, 0.01));
  EXPECT_EQ(describe(schema)[0].space, "4, 8");
  EXPECT_EQ(describe(schema)[1].space, "");
  const nlohmann::json json = describe_as_json(schema);
  EXPECT_EQ(json.at("parameters")[0].at("space"), (nlohmann::json{{"choices", {"4", "8"}}}));
  EXPECT_FALSE(json.at("parameters")[1].contains("space"));
  EXPECT_EQ(json.at("spaces").at("train.learning_rate"), (nlohmann::json{{"log", {1e-4, 0.01}}}));
  EXPECT_EQ(to_text(space::log(1e-4, 0.01)), "log 0.0001 … 0.01");
}

}  // namespace
}  // namespace peftbench::space_test
