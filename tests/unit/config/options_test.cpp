#include "config/options.h"
#include "support/layers.h"

#include "plugin/schema.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <set>

namespace peftbench::options_test {

using namespace layers;

namespace {

using testing::HasSubstr;

// The number of an aggregate's members: with how many values it can be made.
struct Anything {
  template <class T>
  operator T() const;
};
template <class T, class... Values>
consteval std::size_t members() {
  if constexpr (requires { T{Values{}..., Anything{}}; }) {
    return members<T, Values..., Anything>();
  } else {
    return sizeof...(Values);
  }
}

TEST(RunOptions, EveryFieldIsVisitedOnce) {
  std::set<std::string> keys;
  std::set<const void*> fields;
  RunOptions options;
  visit_options(options, [&](const std::string& key, auto& field, const OptionInfo& info) {
    EXPECT_TRUE(keys.insert(key).second) << key;
    EXPECT_TRUE(fields.insert(&field).second) << key;
    EXPECT_FALSE(info.help.empty()) << key;
  });
  // A field that is added to a struct and not to its visitor makes these differ.
  constexpr std::size_t structs =
      members<RunOptions>() - 2 /* init_from, continue_from */ + 3 /* in TrainConfig */ + 1 /* in DeviceOptions */;
  constexpr std::size_t all = members<RunOptions>() + members<TaskOptions>() + members<DataOptions>() +
                              members<BackboneOptions>() + members<ScoreOptions>() + members<LogOptions>() +
                              members<DeviceOptions>() + members<Arithmetic>() + members<TrainConfig>() +
                              members<AdafactorConfig>() + members<AdamWConfig>() + members<EvaluationConfig>();
  EXPECT_EQ(fields.size(), all - structs);
  EXPECT_TRUE(keys.contains("train.adafactor.weight_decay_rate"));
  EXPECT_TRUE(keys.contains("eval.mode"));
  EXPECT_TRUE(keys.contains("threads"));
  EXPECT_FALSE(keys.contains("train.seed"));
}

// Another allowed value of the parameter.
Value another(const ParameterSchema& parameter) {
  if (!parameter.choices.empty()) {
    for (const std::string& choice : parameter.choices)
      if (Value(choice) != parameter.standard) return choice;
  }
  if (const auto* flag = std::get_if<bool>(&parameter.standard)) return !*flag;
  if (const auto* number = std::get_if<std::int64_t>(&parameter.standard)) return *number + 1;
  if (const auto* number = std::get_if<double>(&parameter.standard)) return *number == 0 ? 0.5 : *number / 2;
  if (std::holds_alternative<Names>(parameter.standard)) return Names{"a", "b"};
  return std::string("another");
}

TEST(RunOptions, KeysThatOtherCodeRefersToAreThoseOfOptions) {
  std::set<std::string> keys;
  for (const ParameterSchema& option : option_schema().parameters()) keys.insert(option.name);
  for (const char* key : option_key::all) EXPECT_TRUE(keys.contains(key)) << key;
}

TEST(RunOptions, WhatIsSetIsReadWrittenAndTellsRunsApart) {
  const nlohmann::json defaults = to_json(RunOptions{});
  EXPECT_EQ(defaults.size(), option_schema().parameters().size());
  for (const ParameterSchema& parameter : option_schema().parameters()) {
    RunOptions options;
    set_option(options, parameter.name, another(parameter));
    const nlohmann::json json = to_json(options);
    ASSERT_EQ(json.size(), defaults.size());
    for (const auto& [key, value] : json.items())
      EXPECT_EQ(value == defaults.at(key), key != parameter.name) << "setting " << parameter.name << " and " << key;
  }
}

TEST(RunOptions, RangesAreToldBeforeARun) {
  const auto fault = [](const std::string& key, const std::string& text) -> std::string {
    for (const ParameterSchema& parameter : option_schema().parameters())
      if (parameter.name == key) {
        try {
          parse_value(parameter, text, "file.yaml:3");
          return "accepted";
        } catch (const ConfigError& error) {
          return error.what();
        }
      }
    return "no such option";
  };
  EXPECT_THAT(fault("train.batch_size", "0"), testing::AllOf(HasSubstr("file.yaml:3"), HasSubstr("batch_size")));
  EXPECT_THAT(fault("eval.beams", "2000"), HasSubstr("1024"));
  EXPECT_THAT(fault("train.dropout", "1"), HasSubstr("0.999999"));
  EXPECT_THAT(fault("backbone.quantization", "fp4"), HasSubstr("nf4"));
  EXPECT_THAT(fault("eval.split", "train"), HasSubstr("validation"));
  EXPECT_EQ(fault("train.adafactor.initial_step", "1100000"), "accepted");
}

}  // namespace
}  // namespace peftbench::options_test
