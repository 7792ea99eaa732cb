#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "config/options.h"
#include "core/first_line.h"
#include "core/json.h"
#include "plugin/finder.h"
#include "plugin/schema.h"
#include "plugin/space.h"
#include "report/render.h"
#include "run/workbench.h"

#include <nlohmann/json.hpp>

#include <map>
#include <optional>

namespace peftbench::cli {
namespace {

// Settings that a run with this method would have, and where each is from that is not a default.
struct InForce {
  std::string backbone, task;
  nlohmann::json values;  // by dotted key
  std::map<std::string, std::string> origins;
};

std::optional<InForce> settings_in_force(const Arguments& arguments, const MethodWord& method) {
  ConfigRequest request = arguments.config();
  if (request.flags.empty()) return std::nullopt;
  request.method = method.name;
  Paths paths = arguments.paths();
  paths.plugin_files.insert(paths.plugin_files.begin(), method.libraries.begin(), method.libraries.end());
  Resources resources(paths);
  const Setup setup = set_up(resources, request, BackboneNeed::sizes);
  InForce result{setup.backbone.name, setup.config.task(), nlohmann::json::object(), setup.config.origins};
  const nlohmann::json values = to_json(setup.config.values), options = to_json(setup.config.options);
  for (const auto& [key, origin] : result.origins)
    result.values[key] = key.starts_with("set.") ? values.at(key.substr(4)) : options.at(key);
  return result;
}

std::string text_of(const InForce& settings) {
  Table table({"setting", "value", "from"});
  for (const auto& [key, value] : settings.values.items()) table.add({key, json_text(value), settings.origins.at(key)});
  return "\neffective settings on " + settings.backbone + (settings.task.empty() ? "" : ", " + settings.task) +
         ", apart from the defaults above and those in docs/cli.md:\n" + render_text(table, terminal_width(1));
}

// What `search` chooses if nothing else is said.
std::string spaces_text(const MethodSchema& schema, const std::vector<ParameterDescription>& parameters) {
  std::string text;
  for (const ParameterDescription& p : parameters)
    if (!p.space.empty()) text += "  " + p.name + ": " + p.space + "\n";
  for (const auto& [key, space] : schema.spaces()) text += "  " + key + ": " + to_text(space) + "\n";
  return text.empty() ? "" : "\nsearched by `peft-bench search`, which files and --set can change:\n" + text;
}

int describe_method(const PluginFinder& finder, const std::string& name, const std::optional<InForce>& settings,
                    bool as_json) {
  const PluginHandle plugin = finder.load_method(name);
  if (as_json) {
    Json json = {{"name", plugin->name},
                 {"version", plugin->version},
                 {"summary", plugin->summary},
                 {"reference", plugin->reference},
                 {"plugin", plugin->path.string()}};
    json.update(Json(describe_as_json(plugin->schema)));
    if (settings)
      json["in_force"] = {{"backbone", settings->backbone},
                          {"task", settings->task},
                          {"settings", settings->values},
                          {"from", settings->origins}};
    print_json(json);
    return 0;
  }
  const std::vector<ParameterDescription> parameters = describe(plugin->schema);
  Table table({"parameter", "type", "default", "allowed", "meaning"});
  for (const ParameterDescription& p : parameters) table.add({p.name, p.type, p.standard, p.allowed, p.help});
  std::string text = plugin->name + " " + plugin->version + ": " + plugin->summary + " (" + plugin->reference + ")\n" +
                     plugin->path.string() + "\n\n" +
                     (table.empty() ? "no parameters\n" : render_text(table, terminal_width(1)));
  if (!plugin->schema.recommendations().empty()) {
    text += "\nrecommended training settings, which files and --set can override:\n";
    for (const auto& [key, value] : plugin->schema.recommendations()) text += "  " + key + "=" + value + "\n";
  }
  text += spaces_text(plugin->schema, parameters);
  text += settings ? text_of(*settings)
                   : "\n`peft-bench methods " + name +
                         " --backbone NAME` prints the settings of a run on it and their sources\n";
  print(text);
  return 0;
}

}  // namespace

int methods_command(const std::vector<std::string>& words) {
  Arguments arguments("methods", "Lists the available methods, or the parameters of one method.");
  std::string name;
  arguments.app().add_option("NAME", name, "a method, or the path of its library")->type_name("");
  arguments.setting("--backbone", option_key::backbone,
                    "print the settings of a run on this backbone, and their sources");
  arguments.setting("--task", option_key::task, "print the settings of a run on this task, and their sources");
  arguments.add_paths();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  const MethodWord method = method_word(name);
  std::vector<fs::path> libraries = method.libraries;
  for (const fs::path& file : arguments.paths().plugin_files) libraries.push_back(file);
  const PluginFinder finder(libraries);
  if (!name.empty())
    return describe_method(finder, method.name, settings_in_force(arguments, method), arguments.json());
  Table table({"method", "version", "where", "summary"});
  Json json = Json::array();
  std::string troubles;
  for (const FoundPlugin& found : finder.list()) {
    Json row = {{"name", found.name},
                {"path", found.path.string()},
                {"origin", found.origin},
                {"error", found.error},
                {"hidden_by", found.hidden_by.string()}};
    if (found.plugin) {
      row["version"] = found.plugin->version;
      row["summary"] = found.plugin->summary;
      row["reference"] = found.plugin->reference;
      table.add({found.name, found.plugin->version, found.origin,
                 found.plugin->summary + " (" + found.plugin->reference + ")"});
    } else if (!found.error.empty()) {
      table.add({found.name, "-", found.origin, "refused: " + first_line(found.error)});
      troubles += "\n" + found.error + "\n";
    } else {
      table.add({found.name, "-", found.origin, "hidden by " + found.hidden_by.string()});
    }
    json.push_back(std::move(row));
  }
  if (arguments.json())
    print_json(json);
  else if (table.empty())
    print("no methods found; build the plugins, or set PEFTBENCH_PLUGIN_PATH\n");
  else
    print(render_text(table, terminal_width(1)) + troubles);
  return 0;
}

}  // namespace peftbench::cli
