#include "commands/suite_spec.h"

#include "config/options.h"
#include "core/names.h"
#include "core/numbers.h"
#include "core/terminal_text.h"
#include "core/yaml.h"

#include <peftbench/error.h>

#include <algorithm>
#include <charconv>
#include <set>

namespace peftbench::commands {
namespace {

// What of a suite's file decides this setting, where the grid itself does.
const char* axis_of(const std::string& key) {
  if (key == option_key::task) return "tasks";
  if (key == option_key::backbone) return "backbones";
  if (key == option_key::eval_tasks) return "eval_tasks";
  return key == option_key::seed ? "seeds" : nullptr;
}

// The mark of a search's runs, which tables do not show.
void refuse_trial(const Setting& setting) {
  if (setting.key == option_key::trial)
    throw ConfigError({.what = setting.origin + ": '" + setting.key + "' cannot be set in a suite",
                       .remedy = "remove it: the suite's 'search' sets it for its trials"});
}

void refuse_axes(const SettingsBlock& block) {
  for (const Setting& setting : block.settings) {
    if (const char* axis = axis_of(setting.key))
      throw ConfigError({.what = setting.origin + ": '" + setting.key + "' cannot be set for one row of a suite",
                         .remedy = std::string("set it under '") + axis + "' at the top of the file"});
    refuse_trial(setting);
  }
  for (const auto& condition : block.conditions) refuse_axes(condition.block);
}

SettingsBlock settings_of(const Yaml& yaml, const std::set<std::string>& other_keys) {
  SettingsBlock block = read_settings(yaml);
  std::erase_if(block.settings, [&](const Setting& setting) { return other_keys.contains(setting.key); });
  refuse_axes(block);
  return block;
}

std::vector<SuiteRow> read_rows(const Yaml& yaml) {
  if (!yaml.is_list()) yaml.fail("'rows' must be a list", {}, "lines like '- {method: lora, set: {rank: 8}}'");
  std::vector<SuiteRow> rows;
  std::set<std::string> names;
  for (const Yaml& item : yaml.items()) {
    if (!item.is_map()) item.fail("a row is not a map", {}, "{method: lora, set: {rank: 8}}");
    SuiteRow row;
    row.method = item.at("method").text();
    row.name = item.has("name") ? item.at("name").text() : row.method;
    if (row.name.empty() || in_one_line(row.name) != row.name)
      item.fail("invalid row name", in_one_line(row.name),
                "letters, digits and punctuation, without line breaks and control characters", "choose another 'name'");
    if (!names.insert(row.name).second)
      item.fail("duplicate row name '" + row.name + "'", {}, "unique row names", "choose another 'name' for this row");
    row.settings = settings_of(item, {"method", "name"});
    rows.push_back(std::move(row));
  }
  if (rows.empty()) yaml.fail("'rows' is empty", {}, "at least one row");
  return rows;
}

std::vector<std::string> distinct(const Yaml& yaml) {
  const std::vector<std::string> texts = yaml.texts();
  std::set<std::string> seen;
  for (const std::string& text : texts)
    if (!seen.insert(text).second) yaml.fail("duplicate entry '" + text + "'", {}, "each entry once");
  if (texts.empty()) yaml.fail("the list is empty", {}, "at least one entry");
  return texts;
}

std::optional<SuiteForgetting> forgetting_of(const Yaml& yaml) {
  if (!yaml.is_map()) return yaml.flag() ? std::optional(SuiteForgetting()) : std::nullopt;
  yaml.only({"text", "examples", "tokens"});
  SuiteForgetting forgetting;
  const auto number = [&](const char* key, std::int64_t least, std::int64_t value) {
    if (!yaml.has(key)) return value;
    const Yaml at = yaml.at(key);
    if (at.integer() < least) at.fail("number too small", at.text(), "at least " + std::to_string(least));
    return static_cast<std::int64_t>(at.integer());
  };
  forgetting.examples = number("examples", 0, forgetting.examples);
  forgetting.max_tokens = number("tokens", 2, forgetting.max_tokens);
  if (!yaml.has("text")) return forgetting;
  const fs::path text = yaml.at("text").text(), here = fs::absolute(yaml.file()).parent_path() / text;
  forgetting.text = file_exists(here) ? here : fs::absolute(text);
  if (!file_exists(*forgetting.text)) yaml.at("text").fail("there is no such file", text.string(), "one text per line");
  return forgetting;
}

std::uint64_t seed_from(const std::string& text, const std::string& whole, const std::string& origin) {
  if (const auto seed = parse_number<std::uint64_t>(text)) return *seed;
  throw ConfigError({.what = origin + ": invalid seed list",
                     .found = "'" + whole + "'",
                     .expected = "whole numbers, as 1,2,3 or 1-3"});
}

}  // namespace

void refuse_axes(const std::vector<Setting>& settings, const SuiteSpec& suite) {
  for (const Setting& setting : settings) {
    refuse_trial(setting);
    const char* axis = axis_of(setting.key);
    const std::size_t size = setting.key == option_key::task         ? suite.tasks.size()
                             : setting.key == option_key::backbone   ? suite.backbones.size()
                             : setting.key == option_key::eval_tasks ? 1  // does not make runs equal
                                                                     : suite.seeds.size();
    if (axis && size > 1)
      throw ConfigError({.what = setting.origin + ": the suite has " + std::to_string(size) + " " + axis +
                                 ", but this setting would give every run the same one",
                         .expected = "a setting that does not change the suite's grid",
                         .remedy = std::string("remove it, or shorten '") + axis + "' in " + suite.file.string()});
  }
}

std::vector<std::uint64_t> parse_seeds(const std::string& text, const std::string& origin) {
  std::vector<std::uint64_t> seeds;
  std::set<std::uint64_t> seen;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::string part = text.substr(at, end - at);
    const std::size_t dash = part.find('-');
    const std::uint64_t first = seed_from(part.substr(0, dash), text, origin);
    const std::uint64_t last = dash == std::string::npos ? first : seed_from(part.substr(dash + 1), text, origin);
    if (last < first || last - first >= 10000)
      throw ConfigError({.what = origin + ": invalid range of seeds",
                         .found = "'" + part + "'",
                         .expected = "FIRST-LAST with FIRST ≤ LAST, and at most 10,000 seeds"});
    for (std::uint64_t seed = first;; ++seed) {
      if (seen.insert(seed).second) seeds.push_back(seed);
      if (seed == last) break;
    }
    at = end + 1;
  }
  return seeds;
}

SuiteSpec read_suite(const std::string& name_or_file, const fs::path& configs) {
  const fs::path file = find_yaml(name_or_file, configs / "suites", "suite");
  const Yaml yaml = Yaml::load(file);
  yaml.only(
      {"summary", "tasks", "eval_tasks", "backbones", "seeds", "search", "defaults", "rows", "columns", "forgetting"});
  SuiteSpec suite;
  suite.file = file;
  suite.name = file.stem().string();
  if (yaml.has("summary")) suite.summary = yaml.at("summary").text();
  suite.rows = read_rows(yaml.at("rows"));
  if (yaml.has("defaults")) suite.defaults = settings_of(yaml.at("defaults"), {});
  // An empty name is what configs/defaults.yaml says.
  suite.tasks = yaml.has("tasks") ? distinct(yaml.at("tasks")) : std::vector<std::string>{""};
  if (yaml.has("columns")) {
    suite.columns = yaml.at("columns").texts();
    suite.columns_place = yaml.at("columns").place();
  }
  if (yaml.has("forgetting")) suite.forgetting = forgetting_of(yaml.at("forgetting"));
  if (yaml.has("eval_tasks")) suite.eval_tasks = distinct(yaml.at("eval_tasks"));
  suite.backbones = yaml.has("backbones") ? distinct(yaml.at("backbones")) : std::vector<std::string>{""};
  suite.seeds = {1};
  if (yaml.has("seeds")) suite.seeds = parse_seeds(join(distinct(yaml.at("seeds")), ","), yaml.at("seeds").place());
  if (yaml.has("search")) {
    suite.search = read_search(yaml.at("search"));
    check_search(*suite.search, suite.seeds, yaml.at("search").place());
  }
  return suite;
}

}  // namespace peftbench::commands
