#include "config/run_config.h"

#include "config/machine.h"
#include "config/options.h"
#include "config/value_files.h"
#include "core/names.h"
#include "core/terminal_text.h"
#include "core/utf8.h"
#include "devices/choice.h"
#include "devices/driver.h"
#include "plugin/schema.h"
#include "plugin/space.h"
#include "results/evaluation.h"

#include <peftbench/error.h>

#include <yaml-cpp/yaml.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>

namespace peftbench::config {
namespace {

std::vector<std::string> names_of(const MethodSchema& schema) {
  std::vector<std::string> names;
  for (const ParameterSchema& parameter : schema.parameters()) names.push_back(parameter.name);
  return names;
}

// Only a name that no task has is a path, as where tasks are read.
std::string absolute_task(const std::string& name, const fs::path& base, ConfigSources& sources) {
  if (sources.has_task(name)) return name;
  const bool path = name.ends_with(".yaml") || name.ends_with(".yml") || name.find('/') != std::string::npos;
  const auto found = path ? existing_path(name, base) : std::nullopt;
  return found ? found->string() : name;
}

std::string absolute_backbone(const std::string& name, const fs::path& base) {
  const auto found = existing_path(name, base);
  return found && file_exists(*found / "config.json") ? found->string() : name;
}

// Puts a setting where it belongs, or says what could have been meant.
class Resolver {
 public:
  Resolver(std::string method, const MethodSchema& schema, ConfigSources& sources)
      : method_(std::move(method)), schema_(schema), sources_(sources) {
    const std::string origin = "the plugin " + method_;
    for (const ParameterSchema& p : schema.parameters()) {
      config_.values.set(p.name, p.standard);
      if (p.space) search(p.name, *p.space, origin);
    }
    for (const auto& [key, space] : schema.spaces()) search(key, space, origin);
  }

  // `fixes`: a value that is given is not searched.
  void apply(const Setting& setting, bool fixes) {
    refuse_other_bytes(setting);
    if (is_space_setting(setting.key)) return apply_space(setting);
    if (setting.key == option_key::trial) return apply_trial(setting);
    if (fixes) fix(setting.key.starts_with("set.") ? setting.key.substr(4) : setting.key);
    config_.origins[setting.key] = setting.origin;
    if (setting.key.starts_with("set.")) {
      const std::string name = setting.key.substr(4);
      const ParameterSchema* parameter = find(schema_, name);
      if (!parameter) throw unknown_parameter(setting, name);
      config_.values.set(
          name, absolute_file(*parameter, parse_value(*parameter, setting.value, setting.origin), setting.base));
    } else {
      const ParameterSchema* option = find(option_schema(), setting.key);
      if (!option) throw unknown_option(setting);
      set_option(config_.options, setting.key,
                 absolute_option(setting.key, parse_value(*option, setting.value, setting.origin), setting.base));
    }
  }

  RunConfig finish() {
    config_.method = method_;
    // Resolved before it is hashed, since results depend on it in the last digits.
    if (config_.options.train.threads == 0) config_.options.train.threads = default_threads();
    resolve_device();
    check(config_.options.train);
    add_learning_rate();
    return config_;
  }

 private:
  // What the results depend on is kept, not that it was the machine's default.
  void resolve_device() {
    std::string& name = config_.options.device.name;
    const auto origin = config_.origins.find(option_key::device);
    config_.device = find_device(name, origin == config_.origins.end() ? option_key::device : origin->second);
    name = name_of(config_.device);
    const Backend backend = config_.load_options().backend;
    require_backend(backend, config_.device);
    config_.options.backbone.backend = backend == Backend::fast ? BackendChoice::fast : BackendChoice::reference;
    if (config_.options.backbone.precision != Precision::bfloat16) return;
    if (const auto facts = devices::describe(config_.device); facts && facts->has_bfloat16 == false)
      throw ConfigError({name + " has no bfloat16", facts->name + ", compute capability " + facts->capability,
                         "compute capability 8.0 or newer", "set backbone.precision to float32"});
  }

  void apply_trial(const Setting& setting) {
    const ParameterSchema number{option_key::trial, std::int64_t{0}, "", std::pair(0.0, 1e9), {}, std::nullopt};
    config_.trial = std::get<std::int64_t>(parse_value(number, setting.value, setting.origin));
  }

  void apply_space(const Setting& setting) {
    const SpaceSetting given = parse_space(setting);
    if (given.space) return search(given.name, *given.space, setting.origin);
    if (given.name.empty())
      for (const SearchDimension& dimension : SearchSpace(config_.space)) fix(dimension.name);
    else
      require_searchable(given.name, setting.origin);
    fix(given.name.empty() ? option_key::learning_rate : given.name);
  }

  // The parameter or training setting of this name.
  const ParameterSchema& require_searchable(const std::string& name, const std::string& origin) const {
    const bool training = name.starts_with("train.");
    if (const ParameterSchema* found = find(training ? option_schema() : schema_, name)) return *found;
    std::vector<std::string> names = names_of(schema_);
    for (const std::string& key : names_of(option_schema()))
      if (key.starts_with("train.")) names.push_back(key);
    throw ConfigError({.what = origin + ": '" + name + "' cannot be searched",
                       .expected = "a parameter of " + method_ + ", or a setting of 'train'",
                       .remedy = did_you_mean(name, names)});
  }

  void search(const std::string& name, const Space& space, const std::string& origin) {
    const ParameterSchema& parameter = require_searchable(name, origin);
    if (const auto fault = space_fault(parameter, space))
      throw ConfigError({origin + ": invalid space of '" + name + "'", *fault, "", "correct the space"});
    const auto same = [&](const SearchDimension& other) { return other.name == name; };
    const auto known = std::find_if(config_.space.begin(), config_.space.end(), same);
    if (known == config_.space.end())
      config_.space.push_back({name, parameter, space, origin});
    else
      *known = {name, parameter, space, origin};
  }

  void fix(const std::string& name) {
    std::erase_if(config_.space, [&](const SearchDimension& dimension) { return dimension.name == name; });
    if (name == option_key::learning_rate) rate_is_fixed_ = true;
  }

  // The host's space, where nothing says another or that there is none.
  void add_learning_rate() {
    const double rate = config_.options.train.learning_rate;
    const auto is_rate = [](const SearchDimension& d) { return d.name == option_key::learning_rate; };
    const bool has_space = rate > 1e-300 && rate < 1e300;
    if (rate_is_fixed_ || !has_space || std::any_of(config_.space.begin(), config_.space.end(), is_rate)) return;
    search(option_key::learning_rate, space::log(four_digits(rate / 10), four_digits(rate * 10)),
           "default space of the learning rate");
  }

  // Configurations are kept as YAML and JSON, and both are UTF-8.
  static void refuse_other_bytes(const Setting& setting) {
    const auto check = [&](const std::string& text) {
      if (invalid_utf8(text))
        throw ConfigError({setting.origin + ": the value of '" + setting.key + "' is not UTF-8", in_one_line(text),
                           "UTF-8 text", "if it is a file name, rename the file or use a link to it"});
    };
    if (const auto* list = std::get_if<Names>(&setting.value))
      for (const std::string& text : *list) check(text);
    else
      check(std::get<std::string>(setting.value));
  }

  static const ParameterSchema* find(const MethodSchema& schema, const std::string& name) {
    for (const ParameterSchema& parameter : schema.parameters())
      if (parameter.name == name) return &parameter;
    return nullptr;
  }

  // What is kept must be found from any other folder.
  Value absolute_option(const std::string& key, Value value, const fs::path& base) const {
    if (auto* names = std::get_if<Names>(&value); names && key == option_key::eval_tasks)
      for (std::string& name : *names) name = absolute_task(name, base, sources_);
    auto* text = std::get_if<std::string>(&value);
    if (!text) return value;
    if (key == option_key::task) *text = absolute_task(*text, base, sources_);
    if (key == option_key::backbone) *text = absolute_backbone(*text, base);
    if (key == option_key::init_from || key == option_key::continue_from)
      if (const auto found = existing_path(*text, base)) *text = found->string();
    return value;
  }

  // A parameter of the method that names a file of values; a word of a text may be a file's name by chance.
  static Value absolute_file(const ParameterSchema& parameter, Value value, const fs::path& base) {
    auto* text = std::get_if<std::string>(&value);
    if (!text || !parameter.choices.empty()) return value;
    if (!parameter.name.ends_with("file") && text->find('/') == std::string::npos) return value;
    const auto found = existing_path(*text, base);
    if (found && !files_of_values(*found).empty()) *text = found->string();
    return value;
  }

  ConfigError unknown_parameter(const Setting& setting, const std::string& name) const {
    std::vector<std::string> elsewhere;  // a bare key that was meant for training: --set batch_size=8
    for (const std::string& key : names_of(option_schema()))
      if (key == name || key.ends_with("." + name)) elsewhere.push_back("'" + key + "'");
    std::string remedy = did_you_mean(name, names_of(schema_));
    if (const auto meant = setting_of_alias(name); meant && elsewhere.empty()) elsewhere.push_back("'" + *meant + "'");
    if (!elsewhere.empty())
      remedy = "did you mean " + join(elsewhere, " or ") + "? Parameters of the method: " + join(names_of(schema_));
    if (name == option_key::seed || name == option_key::threads)
      remedy = "not a method parameter: use --" + name + " N";
    if (name == "device") remedy = "not a method parameter: use --device NAME";
    if (name == option_key::continue_from) remedy = "not a method parameter: use --continue-from PATH";
    if (name == option_key::init_from) remedy = "not a method parameter: use --init-from PATH";
    return ConfigError(
        {.what = setting.origin + ": " + method_ + " has no parameter '" + name + "'", .remedy = remedy});
  }

  static ConfigError unknown_option(const Setting& setting) {
    const std::string section = setting.key.substr(0, setting.key.find('.') + 1);
    const std::vector<std::string> all = names_of(option_schema());
    std::vector<std::string> near;
    for (const std::string& key : all)
      if (!section.empty() && key.starts_with(section)) near.push_back(key);
    if (near.empty())  // the section itself is unknown
      near = {"method", "task",  "backbone", "seed", "threads", "device", option_key::init_from,
              "set",    "train", "eval",     "data", "log",     "on"};
    std::string remedy = did_you_mean(setting.key, near);
    if (const auto guess = nearest(setting.key, all); guess && remedy.starts_with("available"))
      remedy = "did you mean '" + *guess + "'? A" + remedy.substr(1);
    // The field's usual word for it comes before words that are spelt alike: train.lr is not train.loss.
    const std::size_t dot = setting.key.rfind('.');
    if (const auto meant = setting_of_alias(setting.key.substr(dot == std::string::npos ? 0 : dot + 1)))
      remedy = "did you mean '" + *meant + "'? Available: " + join(near);
    return ConfigError({.what = setting.origin + ": unknown setting '" + setting.key + "'", .remedy = remedy});
  }

  std::string method_;
  const MethodSchema& schema_;
  ConfigSources& sources_;
  RunConfig config_;
  bool rate_is_fixed_ = false;
};

// Of the task or the backbone that a setting names.
Called called(const Setting& setting, ConfigSources& sources) {
  const auto* text = std::get_if<std::string>(&setting.value);
  if (!text || text->empty()) return {};
  const bool task = setting.key != option_key::backbone;
  const std::string given = task ? absolute_task(*text, setting.base, sources) : absolute_backbone(*text, setting.base);
  const fs::path place = fs::path(given).is_absolute() ? fs::path(given) : fs::path();
  const std::string own = task ? sources.name_of_task(given) : sources.name_of_backbone(given);
  // A backbone that is known by its weights goes by that name, whatever its folder is called.
  if (!task && !own.empty()) return {{own}, place};
  const fs::path path(*text);
  Called result{{*text, path.stem().string(), path.filename().string()}, place};
  if (!own.empty()) result.names.push_back(own);
  return result;
}

// A table compares methods, so what a method brings is training and parameters of its own, never its evaluation.
void refuse_evaluation(const SettingsBlock& block) {
  for (const Setting& setting : block.settings)
    if (decides_evaluation(setting.key))
      throw ConfigError(
          {.what =
               setting.origin + ": '" + setting.key + "' is an evaluation setting, which a method's file cannot set",
           .expected = "settings of 'set' and 'train', so that all methods in a table are evaluated equally",
           .remedy = "set it for all methods: in configs/defaults.yaml, under 'defaults' of a suite, or with --set"});
  for (const auto& condition : block.conditions) refuse_evaluation(condition.block);
}

void check_conditions(const SettingsBlock& block, ConfigSources& sources, const std::vector<Called>& subjects) {
  for (const SettingsBlock::Condition* condition : conditions_of(block)) {
    const auto fits = [&](const Called& named) { return fits_condition(*condition, named); };
    if (std::any_of(subjects.begin(), subjects.end(), fits)) continue;
    const std::vector<std::string> names = sources.names();
    if (fits({names, {}}) || fits({sources.aliases(), {}})) continue;
    // A file of another task, or the folder of another backbone.
    if (const auto place = existing_path(condition->name, condition->base);
        place && (place->extension() == ".yaml" || place->extension() == ".yml" || file_exists(*place / "config.json")))
      continue;
    throw ConfigError(
        {.what = condition->origin + ": 'on' names neither a task nor a backbone: '" + condition->name + "'",
         .expected =
             "a name listed by `peft-bench tasks` or `peft-bench backbones`, the run's own, or an existing path",
         .remedy = did_you_mean(condition->name, names)});
  }
}

// `method` is read before everything else.
std::vector<Setting> without_method(std::vector<Setting> settings) {
  std::erase_if(settings, [](const Setting& setting) { return setting.key == "method"; });
  return settings;
}

}  // namespace

RequestedMethod requested_method(const ConfigRequest& request, ConfigSources& sources) {
  if (!request.method.empty()) return {request.method, request.method_by};
  if (request.file)
    for (const Setting& setting : sources.settings(*request.file).settings)
      if (const auto* text = std::get_if<std::string>(&setting.value); setting.key == "method" && text)
        return {*text, {setting.origin, {}}};
  throw ConfigError({.what = "no method given",
                     .expected = "--method NAME, or 'method: NAME' in the file of --config",
                     .remedy = "`peft-bench methods` lists the available methods"});
}

RunConfig resolve_config(const ConfigRequest& request, const MethodSchema& schema, const fs::path& configs,
                         ConfigSources& sources) {
  const std::string method = requested_method(request, sources).name;
  std::vector<SettingsBlock> layers;
  const auto read_if_there = [&](const fs::path& file) {
    std::error_code error;
    layers.push_back(fs::exists(file, error) ? sources.settings(file) : SettingsBlock{});
  };
  read_if_there(configs / "defaults.yaml");
  SettingsBlock recommended;
  for (const auto& [key, value] : schema.recommendations())
    recommended.settings.push_back({key, value, "recommended by the plugin " + method});
  layers.push_back(recommended);
  read_if_there(configs / "methods" / (method + ".yaml"));
  refuse_evaluation(layers.back());
  layers.push_back(request.file ? sources.settings(*request.file) : SettingsBlock{});
  layers.back().settings = without_method(layers.back().settings);
  const std::size_t first_fixing = layers.size();  // what a suite or the command line says of these runs
  layers.insert(layers.end(), request.layers.begin(), request.layers.end());
  layers.push_back({request.flags, {}});
  layers.push_back({request.settings, {}});

  // Task and backbone first: what else is in force may depend on them.
  std::map<std::string, Setting> named;
  for (const SettingsBlock& layer : layers)
    for (const Setting& setting : layer.settings)
      if (setting.key == option_key::task || setting.key == option_key::backbone) named[setting.key] = setting;
  std::vector<Called> subjects, mentioned;
  for (const auto& [key, setting] : named) subjects.push_back(called(setting, sources));
  mentioned = subjects;
  for (const Setting& setting : request.beside) mentioned.push_back(called(setting, sources));

  Resolver resolver(method, schema, sources);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    check_conditions(layers[i], sources, mentioned);
    std::vector<Setting> settings = in_force(layers[i], subjects);
    // Within a layer a space counts, wherever it stands.
    std::stable_partition(settings.begin(), settings.end(), [](const auto& s) { return !is_space_setting(s.key); });
    for (const Setting& setting : settings) resolver.apply(setting, i >= first_fixing);
  }
  return resolver.finish();
}

nlohmann::json to_json(const RunConfig& config) {
  nlohmann::json json = {{"method", config.method}, {"set", plugin::to_json(config.values)}};
  const nlohmann::json options = to_json(config.options);
  for (const auto& [key, value] : options.items()) {
    std::string pointer = "/" + key;
    std::replace(pointer.begin(), pointer.end(), '.', '/');
    json[nlohmann::json::json_pointer(pointer)] = value;
  }
  if (config.trial > 0) json["search"]["trial"] = config.trial;  // other runs keep their ids
  return json;
}

namespace {

// `origins`: by dotted key; a value that has one says so behind it.
void emit(YAML::Emitter& out, const nlohmann::json& json, const std::map<std::string, std::string>& origins,
          const std::string& path = {}) {
  if (json.is_object()) {
    out << YAML::BeginMap;
    for (const auto& [key, value] : json.items()) {
      out << YAML::Key << key << YAML::Value;
      emit(out, value, origins, path.empty() ? key : path + "." + key);
    }
    out << YAML::EndMap;
    return;
  }
  if (json.is_array()) {
    out << YAML::Flow << YAML::BeginSeq;
    for (const auto& item : json) emit(out, item, {});
    out << YAML::EndSeq;
  } else if (json.is_string()) {
    out << json.get<std::string>();
  } else {
    out << json.dump();  // numbers by their shortest text that reads back as the same bits
  }
  if (const auto origin = origins.find(path); origin != origins.end()) out << YAML::Comment(origin->second);
}

}  // namespace

std::string to_yaml(const RunConfig& config, const std::vector<std::string>& comments, bool origins) {
  std::string text;
  // A comment ends with its line, so that what it tells can never be settings.
  for (const std::string& comment : comments) text += "# " + in_one_line(comment) + "\n";
  YAML::Emitter out;
  emit(out, to_json(config), origins ? config.origins : std::map<std::string, std::string>());
  return text + out.c_str() + "\n";
}

}  // namespace peftbench::config
