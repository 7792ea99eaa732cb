#include "core/json.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <string>

namespace peftbench::json_test {

using namespace layers;

namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using testing::HasSubstr;
using testing::Not;

template <class Json = json>
std::optional<Json> parsed(const std::string& text) {
  JsonFault ignored;
  return parse_json<Json>(text, ignored);
}
std::string fault_of(const std::string& text) {
  JsonFault fault;
  EXPECT_FALSE(parse_json<json>(text, fault)) << text.substr(0, 100);
  return fault.text();
}
std::string nested(std::size_t depth, const std::string& open, const std::string& close) {
  std::string text;
  for (std::size_t i = 0; i < depth; ++i) text += open;
  text += "1";
  for (std::size_t i = 0; i < depth; ++i) text += close;
  return text;
}

TEST(JsonDoor, GivesWhatTheLibraryGives) {
  for (const std::string text : {R"({"b": [1, -2, 3.5, "x\u00e9", null, true], "a": {}, "": [[]]})", "[]", "3", "\"a\"",
                                 "18446744073709551615", "-9223372036854775808", " [1e308] "}) {
    EXPECT_EQ(parsed(text), json::parse(text)) << text;
    EXPECT_EQ(parsed<ordered_json>(text)->dump(), ordered_json::parse(text).dump()) << text;
  }
}

TEST(JsonDoor, RefusesDepth) {  // hostile 8
  EXPECT_TRUE(parsed(nested(max_json_depth, "[", "]")));
  EXPECT_THAT(fault_of(nested(max_json_depth + 1, "[", "]")), HasSubstr("64 levels"));
  EXPECT_THAT(fault_of(nested(60'000, "{\"a\":", "}")), HasSubstr("64 levels"));
  EXPECT_THAT(fault_of(nested(60'000, "[{\"a\":", "}]")), HasSubstr("64 levels"));
}

TEST(JsonDoor, RefusesMoreValuesThanMemoryHolds) {  // hostile 10
  std::string text = "[";
  for (int i = 0; i < 4'000'000; ++i) text += "{},";
  EXPECT_THAT(fault_of(text + "{}]"), HasSubstr("more than 4000000 values"));
}

TEST(JsonDoor, RefusesDuplicateKeysAtEachLevel) {
  EXPECT_THAT(fault_of(R"({"a": 1, "b": 2, "a": 3})"), HasSubstr("duplicate key 'a'"));
  EXPECT_THAT(fault_of(R"([{"x": {"a": 1, "a": 1}}])"), HasSubstr("duplicate key 'a'"));
  EXPECT_TRUE(parsed(R"({"a": {"a": 1}, "b": {"a": 1}})"));
}

TEST(JsonDoor, SaysWhereAndWithoutTheLibrarysName) {  // hostile 15
  for (const std::string text : {"1e999", "{\"a\":\n 1,}", "[1", "", "{} {}", "\"\xff\"", "[1e400]", "nan"}) {
    EXPECT_THAT(fault_of(text), Not(HasSubstr("json.exception"))) << text;
    EXPECT_THAT(fault_of(text), Not(testing::IsEmpty())) << text;
  }
  EXPECT_THAT(fault_of("{\"a\":\n 1,}"), HasSubstr("line 2"));
}

TEST(JsonDoor, KeepsDigitsWhereAsked) {  // S14
  JsonFault fault;
  const auto row = parse_json<json>(R"({"uuid": 340282366920938463463374607431768211455, "x": 1.5, "n": -7})", fault,
                                    Numbers::as_written);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->at("uuid"), "340282366920938463463374607431768211455");
  EXPECT_EQ(row->at("x"), 1.5);
  EXPECT_EQ(row->at("n"), -7);
}

TEST(JsonDoor, IntegersDoNotWrap) {  // hostile 19
  EXPECT_EQ(json_integer(json(18446744073709551615ULL)), std::nullopt);
  EXPECT_EQ(json_integer(json(9223372036854775807LL)), 9223372036854775807LL);
  EXPECT_EQ(json_integer(json(-3)), -3);
  EXPECT_EQ(json_integer(json(3.0)), std::nullopt);
  EXPECT_EQ(json_integer(json("3")), std::nullopt);
}

TEST(JsonDoor, TakesLinearTime) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += (i ? ",\"k" : "\"k") + std::to_string(i) + "\": {}";
  text += "}";
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(parsed<ordered_json>(text)->size(), 200'000U);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST(JsonDoor, ThrowsTheCallersError) {
  EXPECT_THROW((parse_json<json, CheckpointError>("{", "a file")), CheckpointError);
  try {
    parse_json<json>("[1,", "rows.json", "copy it again");
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("rows.json is not JSON"));
    EXPECT_THAT(error.what(), HasSubstr("copy it again"));
  }
}

}  // namespace
}  // namespace peftbench::json_test
