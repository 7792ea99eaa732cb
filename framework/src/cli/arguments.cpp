#include "cli/arguments.h"

#include "cli/console.h"
#include "config/options.h"
#include "core/names.h"

#include <peftbench/error.h>

#include <algorithm>

namespace peftbench::cli {

MethodWord method_word(const std::string& word) {
  const fs::path path(word);
  const std::string name = path.stem().string();
  const bool is_path = word.find('/') != std::string::npos || path.extension() == ".so";
  if (!is_path || name.empty()) return {word, {}};
  return {name, {path}};
}

Arguments::Arguments(const std::string& command, const std::string& description)
    : command_(command), app_(description, "peft-bench " + command) {
  app_.get_formatter()->column_width(30);
  app_.set_help_flag("--help,-h", "print this and exit");
}

CLI::Option* Arguments::flag(const std::string& names, bool& value, const std::string& help) {
  return app_.add_flag(names, value, help);
}

void Arguments::add_json() { flag("--json", json_, "print JSON"); }

void Arguments::add_paths() {
  app_.add_option("--plugin", plugins_, "path of a method library, searched before the installed ones; may be repeated")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app_.add_option("--data", data_, "folder of downloaded data; default: PEFTBENCH_DATA, or the user's data folder")
      ->type_name("DIR");
}

void Arguments::add_out() { app_.add_option("--out", out_, "folder of runs")->type_name("DIR")->capture_default_str(); }

void Arguments::add_method_and_backbone() {
  app_.add_option("--method", method_, "the method to train; `peft-bench methods` lists them")->type_name("NAME");
  setting("--backbone", option_key::backbone, "a name listed by `peft-bench backbones`, or a Hugging Face folder");
}

void Arguments::add_set() {
  app_.add_option("--set", set_, "a method parameter (length=20) or any setting (train.batch_size=16); may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app_.add_option("--config", file_, "a YAML file of settings, such as a run's config.yaml")->type_name("FILE");
}

void Arguments::setting(const std::string& names, const std::string& key, const std::string& help) {
  settings_.push_back(std::make_unique<Flag>(Flag{names, key, {}, {}, nullptr}));
  settings_.back()->option = app_.add_option(names, settings_.back()->value, help)->type_name("VALUE");
}

void Arguments::list_setting(const std::string& names, const std::string& key, const std::string& help) {
  settings_.push_back(std::make_unique<Flag>(Flag{names, key, {}, {}, nullptr}));
  settings_.back()->option =
      app_.add_option(names, settings_.back()->list, help)->type_name("VALUE")->delimiter(',')->allow_extra_args(false);
}

bool Arguments::parse(std::vector<std::string> words) {
  std::reverse(words.begin(), words.end());  // as CLI11 wants them
  try {
    app_.parse(words);
  } catch (const CLI::CallForHelp&) {
    print(app_.help());
    return false;
  } catch (const CLI::ExtrasError&) {
    const std::vector<std::string> rest = app_.remaining();
    throw unknown(rest.empty() ? "" : rest.front());
  } catch (const CLI::ParseError& error) {
    for (const CLI::Option* option : app_.get_options())
      if (option->count() > 1 && option->get_items_expected_max() == 1)
        throw ConfigError({"the flag " + option->get_name() + " is given " + std::to_string(option->count()) + " times",
                           join(option->results()), "once", "remove the others"});
    throw ConfigError({.what = std::string("invalid command line: ") + error.what(),
                       .remedy = "`peft-bench " + command_ + " --help` lists its flags"});
  }
  return true;
}

ConfigError Arguments::unknown(const std::string& word) const {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app_.get_options())
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  if (!word.starts_with("-"))
    return ConfigError({.what = "unexpected argument '" + word + "' of `peft-bench " + command_ + "`",
                        .remedy = "`peft-bench " + command_ + " --help` lists its arguments"});
  const std::string flag = word.substr(0, word.find('='));
  std::string bare = flag.substr(std::min(flag.size(), flag.find_first_not_of('-')));
  std::replace(bare.begin(), bare.end(), '-', '_');
  const auto meant = setting_of_alias(bare);
  const bool takes_settings = std::count(flags.begin(), flags.end(), "--set") > 0;
  return ConfigError(
      {.what = "`peft-bench " + command_ + "` has no flag " + flag,
       .remedy = meant && takes_settings ? "did you mean --set " + *meant + "=VALUE?" : did_you_mean(flag, flags)});
}

Paths Arguments::paths() const {
  Paths paths{find_home(), {}, method_word(method_).libraries};
  paths.data = find_data_root(data_.empty() ? std::nullopt : std::optional<fs::path>(data_));
  for (const std::string& plugin : plugins_) paths.plugin_files.emplace_back(plugin);
  return paths;
}

ConfigRequest Arguments::config() const {
  ConfigRequest request;
  request.method = method_word(method_).name;
  if (!file_.empty()) request.file = file_;
  for (const auto& flag : settings_)
    if (flag->option->count() > 0)
      request.flags.push_back(
          {flag->key, flag->list.empty() ? GivenValue(flag->value) : GivenValue(flag->list), flag->name});
  for (const std::string& text : set_) request.settings.push_back(parse_set(text));
  return request;
}

}  // namespace peftbench::cli
