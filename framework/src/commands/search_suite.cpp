#include "commands/search_suite.h"

#include "config/settings.h"
#include "core/option_keys.h"
#include "results/suite_manifest.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace peftbench::commands {
namespace {

// The file of the suite lies in another folder than the path is of.
std::string found_anywhere(const std::string& name) {
  const bool path = name.ends_with(".yaml") || name.ends_with(".yml") || name.find('/') != std::string::npos;
  const auto found = path ? existing_path(name, {}) : std::nullopt;
  return found ? fs::absolute(*found).lexically_normal().string() : name;
}

std::string part_of_name(const std::string& given) {
  if (given.empty()) return {};
  std::string name = fs::path(given).stem().string();
  if (name.empty()) name = fs::path(given).parent_path().filename().string();  // a folder with a slash at its end
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  std::replace_if(
      name.begin(), name.end(), [&](char c) { return !is_plain(c); }, '_');
  return "-" + name;
}

}  // namespace

SuiteSpec search_suite(const SearchRequest& request) {
  SuiteSpec suite;
  suite.name = "search" + part_of_name(request.method) + part_of_name(request.task) + part_of_name(request.backbone);
  suite.file = suite_folder(request.out, suite.name) / (suite.name + ".yaml");
  suite.summary = "the search of " + request.method;
  suite.rows = {{request.method, request.method, {}}};
  if (request.threads > 0)
    suite.defaults.settings = {{option_key::threads, std::to_string(request.threads), "--threads"}};
  suite.tasks = {found_anywhere(request.task)};
  suite.backbones = {found_anywhere(request.backbone)};
  suite.seeds = request.seeds;
  suite.search = request.search;
  check_search(request.search, request.seeds, "search");
  return suite;
}

std::string text_of_suite(const SuiteSpec& suite) {
  Json json = {{"summary", suite.summary}};  // JSON is YAML
  if (suite.tasks != std::vector<std::string>{""}) json["tasks"] = suite.tasks;
  if (suite.backbones != std::vector<std::string>{""}) json["backbones"] = suite.backbones;
  json["seeds"] = suite.seeds;
  if (suite.search)
    json["search"] = {{"trials", suite.search->trials},
                      {"sampler", std::string(enum_name(suite.search->sampler))},
                      {"seed", suite.search->seed},
                      {"halving", suite.search->halving}};
  for (const Setting& setting : suite.defaults.settings)
    json["defaults"][setting.key] = std::get<std::string>(setting.value);
  json["rows"] = Json::array();
  for (const SuiteRow& row : suite.rows) json["rows"].push_back({{"method", row.method}, {"name", row.name}});
  return "# Made by `peft-bench search`.\n" + json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace peftbench::commands
