#include "pretrain/config.h"

#include "backbone/catalogue.h"
#include "backbone/model_folder.h"
#include "core/json.h"
#include "core/names.h"
#include "core/yaml.h"
#include "pretrain/span_corruption.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <type_traits>

namespace peftbench::pretrain {
namespace {

constexpr double most_times = 1000;  // that an epoch goes through a text
constexpr std::int64_t sentinels = 100;
constexpr std::int64_t longest_inputs = 65536;  // tokens; no longer part of a document is read (segments.h)

double positive(const Yaml& yaml, bool zero_allowed = false) {
  const double value = yaml.number();
  if (!std::isfinite(value) || value < 0 || (value == 0 && !zero_allowed))
    yaml.fail("invalid share or weight", yaml.text(), zero_allowed ? "0 or more" : "a number above 0");
  return value;
}

std::int64_t count(const Yaml& yaml, std::int64_t least, std::int64_t most = INT64_MAX) {
  const std::int64_t value = yaml.integer();
  if (value < least) yaml.fail("number too small", std::to_string(value), std::to_string(least) + " or more");
  if (value > most) yaml.fail("number too large", std::to_string(value), std::to_string(most) + " or less");
  return value;
}

Precision precision(const Yaml& yaml) {
  const auto named = enum_from<Precision>(yaml.text());
  if (!named) yaml.fail("unknown precision", yaml.text(), join(enum_choices<Precision>(), " or "));
  return *named;
}

void read_model(const Yaml& yaml, PretrainConfig& config) {
  if (yaml.is_map() && yaml.has("from")) {
    yaml.only({"from", "note"});
    config.from = yaml.at("from").text();
    config.from_place = yaml.at("from").place();
    if (yaml.has("note")) config.from_note = yaml.at("note").text();
    return;
  }
  config.sizes.name = config.name;
  read_sizes(yaml, config.sizes);
}

void read_text_shares(const Yaml& yaml, PretrainConfig& config) {
  if (!yaml.is_map()) {
    for (const std::string& name : yaml.texts()) config.text.push_back({name, 1});
    return;
  }
  for (const auto& [name, weight] : yaml.entries()) {
    config.text.push_back({name, positive(weight)});
    if (config.text.back().weight > most_times)
      weight.fail("the weight of a text is out of range", weight.text(),
                  "0 to 1000: how often each document occurs per epoch");
  }
}

void read_objectives(const Yaml& yaml, PretrainConfig& config) {
  yaml.only({"span_corruption", "prefix_lm", "tasks"});
  const auto read = [&](const char* name, double& share, const std::vector<std::string>& keys,
                        const std::function<void(const Yaml&)>& more) {
    if (!yaml.has(name)) return;
    const Yaml part = yaml.at(name);
    if (!part.is_map()) {
      share = positive(part, true);
      return;
    }
    std::vector<std::string> all = keys;
    all.emplace_back("share");
    part.only(all);
    share = part.has("share") ? positive(part.at("share"), true) : 1;
    more(part);
  };
  read("span_corruption", config.shares.span_corruption, {"noise_density", "mean_noise_span_length"},
       [&](const Yaml& part) {
         if (part.has("noise_density")) config.noise_density = part.at("noise_density").number();
         if (part.has("mean_noise_span_length")) config.mean_span = part.at("mean_noise_span_length").number();
         if (!(config.noise_density > 0 && config.noise_density < 1) ||
             !(config.mean_span >= 1 && std::isfinite(config.mean_span)))
           part.fail("invalid span-corruption settings",
                     "noise_density " + std::to_string(config.noise_density) + ", mean_noise_span_length " +
                         std::to_string(config.mean_span),
                     "a density between 0 and 1, a mean length of 1 or more");
       });
  read("prefix_lm", config.shares.prefix_lm, {}, [](const Yaml&) {});
  read("tasks", config.shares.tasks, {"tasks", "rate", "cap"},
       [&](const Yaml& part) { config.mixture = parse_mixture(part, {"share"}); });
  ObjectiveShares& shares = config.shares;
  const double sum = shares.span_corruption + shares.prefix_lm + shares.tasks;
  if (sum <= 0) yaml.fail("no training objective", "no objective with a share above 0", "span_corruption: 1");
  for (double* share : {&shares.span_corruption, &shares.prefix_lm, &shares.tasks}) *share /= sum;
  if (shares.tasks > 0 && config.mixture.names.empty())
    yaml.fail("the share of tasks has no tasks", yaml.at("tasks").text(), "tasks: {share: 0.5, tasks: [a, b]}");
}

// Keys of `train:` may stand in sections (adafactor: {…}) or with dots.
std::map<std::string, Yaml> flat(const Yaml& yaml) {
  std::map<std::string, Yaml> values;
  for (const auto& [key, value] : yaml.entries()) {
    if (!value.is_map()) {
      values.emplace(key, value);
      continue;
    }
    for (const auto& [inner, innermost] : flat(value)) values.emplace(key + "." + inner, innermost);
  }
  return values;
}

void read_train(const Yaml& yaml, TrainConfig& train) {
  std::map<std::string, Yaml> values = flat(yaml);
  std::vector<std::string> known;
  visit(train, [&](const std::string& key, auto& field, const OptionInfo& info) {
    using Field = std::decay_t<decltype(field)>;
    if (info.runs_alone) return;
    known.push_back(key);
    const auto found = values.find(key);
    if (found == values.end()) return;
    const Yaml& value = found->second;
    if constexpr (std::is_enum_v<Field>) {
      const auto named = enum_from<Field>(value.text());
      if (!named) {
        const std::vector<std::string> choices = enum_choices<Field>();
        value.fail("'" + key + "' has an invalid value", value.text(), "one of " + join(choices));
      }
      field = *named;
    } else if constexpr (std::is_same_v<Field, bool>) {
      field = value.flag();
    } else if constexpr (std::is_same_v<Field, double>) {
      field = value.number();
    } else {
      field = value.integer();
    }
    values.erase(found);
  });
  if (!values.empty()) {
    const auto& [key, value] = *values.begin();
    value.fail("unknown key 'train." + key + "'", key, "a training option", did_you_mean(key, known));
  }
  check(train);
}

// A model's folder lies beside those of the checkpoint and the log.
bool may_name_a_model(const std::string& name) {
  static const std::vector<std::string> taken = {"checkpoint", "config.json", "lock", "log.jsonl", "time.json"};
  return !name.empty() && name.front() != '.' && name.find('/') == std::string::npos &&
         std::find(taken.begin(), taken.end(), name) == taken.end();
}

std::vector<Snapshot> read_snapshots(const Yaml& yaml, const std::string& model, std::int64_t steps) {
  std::vector<Snapshot> snapshots;
  for (const auto& [name, at] : yaml.entries()) {
    if (!may_name_a_model(name) || name == model)
      at.fail("invalid snapshot name", "'" + name + "'",
              "a folder name other than those of the checkpoint and of the model '" + model + "'");
    const double part = positive(at);
    if (part >= 1 && part != std::floor(part))
      at.fail("invalid snapshot step", at.text(), "a fraction of the steps below 1, or a whole number");
    if (steps < 2 || part >= static_cast<double>(steps))
      at.fail("the snapshot step is outside training", at.text() + " of " + std::to_string(steps) + " steps",
              "a fraction of the steps below 1, or a step before " + std::to_string(steps));
    // A part of few steps is the first or the last but one, never none.
    const auto step = part < 1 ? std::clamp<std::int64_t>(std::llround(part * static_cast<double>(steps)), 1, steps - 1)
                               : static_cast<std::int64_t>(part);
    snapshots.push_back({name, step});
  }
  std::sort(snapshots.begin(), snapshots.end(), [](const Snapshot& a, const Snapshot& b) { return a.step < b.step; });
  return snapshots;
}

// The lengths that span corruption makes of these inputs.
void check_spans(const Yaml& yaml, const PretrainConfig& config) {
  if (config.shares.span_corruption == 0) return;
  const Yaml place = yaml.at("objectives").at("span_corruption");
  const SpanLengths lengths = [&] {
    try {
      return span_lengths(config.input_tokens, config.noise_density, config.mean_span);
    } catch (const ConfigError& fault) {
      throw ConfigError(place.place() + ": " + fault.what());
    }
  }();
  if (lengths.spans > sentinels)
    place.fail(
        "span corruption needs more sentinels than available",
        std::to_string(lengths.spans) + " spans in an input of " + std::to_string(config.input_tokens) + " tokens",
        "at most " + std::to_string(sentinels), "use shorter inputs, a smaller noise_density or longer spans");
}

}  // namespace

PretrainConfig read_pretrain_config(const fs::path& file, std::optional<std::int64_t> steps) {
  const Yaml yaml = Yaml::load(file);
  yaml.only({"summary", "model", "vocabulary", "text", "objectives", "lengths", "tokens", "held_out", "precision",
             "snapshots", "train"});
  PretrainConfig config;
  config.name = file.stem().string();
  config.file = file;
  if (!may_name_a_model(config.name))
    yaml.fail("the file name is not a valid model name", "'" + config.name + "'",
              "a folder name other than that of the checkpoint", "rename the file");
  if (yaml.has("summary")) config.summary = yaml.at("summary").text();
  read_model(yaml.at("model"), config);
  if (yaml.has("vocabulary")) config.vocabulary = yaml.at("vocabulary").text();
  if (config.from.empty() && config.vocabulary.empty())
    yaml.fail("no vocabulary given", "a model with random weights", "vocabulary: PATH of a spiece.model",
              "train one with `peft-bench vocab`");
  read_objectives(yaml.at("objectives"), config);
  if (yaml.has("text")) read_text_shares(yaml.at("text"), config);
  if (config.text.empty() && config.shares.tasks < 1)
    yaml.fail("no text given", "no key 'text'", "text: {sotu: 1, …}",
              "`peft-bench tasks --recipes` lists the available texts");
  if (yaml.has("lengths")) {
    yaml.at("lengths").only({"inputs"});
    config.input_tokens = count(yaml.at("lengths").at("inputs"), 8, longest_inputs);
  }
  check_spans(yaml, config);
  if (yaml.has("tokens")) config.tokens = count(yaml.at("tokens"), config.input_tokens);
  if (yaml.has("held_out")) {
    const Yaml held_out = yaml.at("held_out");
    held_out.only({"documents", "examples"});
    if (held_out.has("documents")) config.held_out = held_out.at("documents").number();
    if (!(config.held_out >= 0 && config.held_out < 1))
      held_out.fail("invalid fraction of held-out documents", std::to_string(config.held_out), "0 or more, below 1");
    if (held_out.has("examples")) config.held_out_examples = count(held_out.at("examples"), 1);
  }
  if (yaml.has("precision")) {
    const Yaml kinds = yaml.at("precision");
    kinds.only({"compute", "stored"});
    if (kinds.has("compute")) config.compute = precision(kinds.at("compute"));
    if (kinds.has("stored")) config.stored = precision(kinds.at("stored"));
  }
  config.train.dropout = 0;  // as T5 v1.1 was pre-trained
  config.train.adafactor.multiply_by_parameter_scale = true;
  config.train.adafactor.weight_decay_rate = 0;
  config.train.schedule = ScheduleKind::inverse_sqrt;
  config.train.learning_rate = 0.01;
  if (yaml.has("train")) read_train(yaml.at("train"), config.train);
  if (steps) config.train.steps = *steps;
  check(config.train);
  if (yaml.has("snapshots")) config.snapshots = read_snapshots(yaml.at("snapshots"), config.name, config.train.steps);
  return config;
}

nlohmann::json to_json(const PretrainConfig& config) {
  nlohmann::json text = nlohmann::json::array(), train;
  for (const TextShare& share : config.text) text.push_back({share.name, share.weight});
  visit(config.train, [&](const std::string& key, const auto& field, const OptionInfo& info) {
    using Field = std::decay_t<decltype(field)>;
    // Neither changes what is learnt, and a long run may go on with more processors or be watched more closely.
    if (info.runs_alone || key == "threads" || key == "checkpoint_every") return;
    if constexpr (std::is_enum_v<Field>) {
      train[key] = enum_name(field);
    } else {
      train[key] = field;
    }
  });
  return {{"from", config.from},
          {"sizes", config.from.empty()
                        ? parse_json<nlohmann::json>(config_json(config.sizes, Precision::float32), "config.json")
                        : nlohmann::json()},
          {"text", text},
          {"shares", {config.shares.span_corruption, config.shares.prefix_lm, config.shares.tasks}},
          {"noise_density", config.noise_density},
          {"mean_noise_span_length", config.mean_span},
          {"tasks", config.mixture.names},
          {"rate",
           {static_cast<int>(config.mixture.policy.kind), config.mixture.policy.cap, config.mixture.policy.temperature,
            config.mixture.policy.given}},
          {"input_tokens", config.input_tokens},
          {"tokens", config.tokens},
          {"held_out", config.held_out},
          {"held_out_examples", config.held_out_examples},
          {"compute", enum_name(config.compute)},
          {"train", train}};
}

}  // namespace peftbench::pretrain
