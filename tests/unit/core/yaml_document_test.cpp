#include "core/yaml_document.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <string>

namespace peftbench::yaml_document_test {

using namespace layers;

namespace {

using testing::HasSubstr;

std::string refusal(const std::string& text) {
  try {
    parse_yaml(text, "settings.yaml");
  } catch (const ConfigError& error) {
    return error.what();
  }
  ADD_FAILURE() << "accepted: " << text.substr(0, 200);
  return {};
}

TEST(YamlDoor, ReadsWhatTheLibraryReads) {
  const YAML::Node root = parse_yaml("a: &x [1, 2]\nb: *x\nc: {d: *x}\n", "f");
  EXPECT_EQ(root["b"].as<std::vector<int>>(), (std::vector<int>{1, 2}));
  EXPECT_EQ(root["c"]["d"][1].as<int>(), 2);
  EXPECT_TRUE(parse_yaml("", "f").IsNull());
  EXPECT_TRUE(parse_yaml("# only a comment\n", "f").IsNull());
  EXPECT_TRUE(parse_yaml("---\na: 1\n...\n", "f").IsMap());
}

TEST(YamlDoor, RefusesValuesThatContainThemselves) {  // hostile 9
  EXPECT_THAT(refusal("on: &a {t*: *a}\n"), HasSubstr("settings.yaml:1: recursive alias"));
  EXPECT_THAT(refusal("a: &x [1, [*x]]\n"), HasSubstr("alias"));
  EXPECT_THAT(refusal("&r\na: 1\nb: *r\n"), HasSubstr("alias"));
}

// hostile 15: a task's text went into JSON, whose library threw. Found by a mutant of a task.
TEST(YamlDoor, RefusesWhatIsNotUtf8) {
  EXPECT_THAT(refusal("a: 1\nb: \"\xff\"\n"), HasSubstr("settings.yaml:2: not UTF-8"));
  EXPECT_THAT(refusal("# \xc0\xaf\n"), HasSubstr("settings.yaml:1: not UTF-8"));
  EXPECT_THAT(refusal("\xff\xfe" + std::string("a\0:\0", 4)), HasSubstr("settings.yaml:1: "));
  EXPECT_EQ(parse_yaml("\xef\xbb\xbf"
                       "a: \"ä\"\n",
                       "f")["a"]
                .as<std::string>(),
            "ä");
}

TEST(YamlDoor, CountsAliasesAsWhatTheyReferTo) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last;
    for (int j = 0; j < 9; ++j) bomb += ", " + last;
    bomb += "]\n";
  }
  EXPECT_THAT(refusal(bomb), HasSubstr("too many values"));
}

TEST(YamlDoor, RefusesDepthAlsoThroughAliases) {
  const auto nest = [](int depth, const std::string& inner) {
    return std::string(depth, '[') + inner + std::string(depth, ']');
  };
  EXPECT_NO_THROW(parse_yaml(nest(60, "1"), "f"));
  EXPECT_THAT(refusal(nest(65, "1")), HasSubstr("64 levels"));
  EXPECT_THAT(refusal(nest(60'000, "1")), HasSubstr("64 levels"));
  EXPECT_THAT(refusal(std::string(60'000, '{')), HasSubstr("64 levels"));
  EXPECT_THAT(refusal("a: &x " + nest(40, "1") + "\nb: " + nest(40, "*x") + "\n"), HasSubstr("64 levels"));
}

TEST(YamlDoor, SaysWhereItIsNotYaml) {
  EXPECT_THAT(refusal("a: 1\nb: [1, 2\n"), HasSubstr("settings.yaml:"));
  EXPECT_THAT(refusal("a:\n\tb: 1\n"), HasSubstr("settings.yaml:2: not YAML"));
  EXPECT_THAT(refusal(std::string("a: 1\nb: \0x\n", 11)), HasSubstr("settings.yaml:2: not YAML"));
  EXPECT_THAT(refusal("a: 1\n---\nb: 2\n"), HasSubstr("more than one YAML document"));
  EXPECT_THAT(refusal(std::string(max_yaml_bytes + 1, ' ')), HasSubstr("too large"));
}

}  // namespace
}  // namespace peftbench::yaml_document_test
