#include "support/layers.h"

// S11: Python's meaning or a refusal.
#include <peftbench/error.h>
#include <peftbench/exchange.h>

#include <gmock/gmock.h>

#include <chrono>

namespace peftbench::python_pattern_test {

using namespace layers;

namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string refusal(const std::string& expression) {
  try {
    python_pattern(expression);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "taken";
}

TEST(PythonPattern, WhatBothHaveIsTaken) {
  const std::string name = "encoder.block.0.layer.0.SelfAttention.q";
  for (const char* text : {"encoder.*q", "\\Aencoder.*q", "(?:.*\\.)?(?:q|v)", ".*\\.[qv]", ".*[^]x]",
                           "(?P<stack>enc|dec)oder.*", ".*block\\.\\d{1,2}\\..*", ".*?q", "(?i:ENCODER).*",
                           ".+Self\\w+\\.q$", "^encoder.*\\bq", ".*layer\\.0{1}.*", ".*q{1,}"})
    EXPECT_TRUE(python_pattern(text).matches(name)) << text;
  EXPECT_TRUE(python_pattern("a{b").matches("a{b"));  // no count: itself
  EXPECT_FALSE(python_pattern("x\\Aencoder.*").matches("xencoder.q"));
}

TEST(PythonPattern, WhatCannotBeHonouredIsNamed) {
  const std::pair<const char*, const char*> constructs[] = {
      {"encoder.*+q", "'*+'"},    {"q++", "'++'"},          {"(q)?+", "'?+'"},     {"q{1,2}+", "'{1,2}+'"},
      {"(?=encoder).*", "'(?='"}, {"(?!x)q", "'(?!'"},      {"(?<=x)q", "'(?<='"}, {"(?<!x)q", "'(?<!'"},
      {"(q)\\1", "'\\1'"},        {"(?P<a>q)(?P=a)", "P="}, {"(?>q)", "'(?>'"},    {"(?(1)q|v)", "'(?('"},
      {"(?#note)q", "'(?#'"},     {"(?i)q", "'(?i)"},       {"(?x:q )", "'(?x"},   {"(?<a>q)", "'(?<"},
      {"q\\Z", "'\\Z'"},          {"q\\z", "'\\z'"},        {"\\pLq", "'\\p'"},    {"\\Qq\\E", "'\\Q'"},
      {"[[:alpha:]]", "'[:'"},    {"q{,3}", "'{,3}'"},      {"q{2}{3}", "'{2}{'"}, {"\\x{71}", "'\\x{'"},
      {"\\u0071", "'\\u'"},       {"q**", "'**'"},          {"[\\b]q", "'\\b'"},
  };
  for (const auto& [text, part] : constructs) EXPECT_THAT(refusal(text), HasSubstr(part)) << text;
  for (const char* invalid : {"(q", "q)", "[q", "*q", "q\\"}) EXPECT_NE(refusal(invalid), "taken") << invalid;
}

TEST(PythonPattern, TimeIsBounded) {
  const auto begin = std::chrono::steady_clock::now();
  const std::string name(4000, 'a');
  EXPECT_FALSE(python_pattern("(a*)*(a|a)*(a?){30}b").matches(name));
  refusal("((((a{1000}){1000}){1000}){1000})");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

}  // namespace
}  // namespace peftbench::python_pattern_test
