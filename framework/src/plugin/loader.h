#pragma once

#include "core/files.h"
#include "plugin/layer.h"

#include <peftbench/error.h>
#include <peftbench/method.h>

#include <functional>
#include <memory>
#include <string>

namespace peftbench::plugin {

// A method whose library passed every step of loading. It stays loaded until the process ends.
struct LoadedPlugin {
  fs::path path;
  std::string name;
  std::string version;
  std::string summary;
  std::string reference;
  std::string note;  // its ABI note's fields
  MethodSchema schema;
  MethodFactory factory;
};
using PluginHandle = std::shared_ptr<const LoadedPlugin>;

// The valid names of methods and libraries; a name read from a file can never be a path.
bool is_method_name(const std::string& name);
inline constexpr const char* method_name_rule = "a name of the letters a-z, digits and '_'";

// Reads the note, opens, checks and registers the library in `file`, once for each file in a process. Throws
// PluginError with the step that failed.
PluginHandle load_plugin(const fs::path& file);

// Runs code of a plugin. Its exceptions become PluginError(step): peft-bench's own UserErrors with the
// method's name, anything else as a bug in the plugin. `doing`: "making it", "planning".
void call_plugin(const LoadedPlugin& plugin, PluginStep step, const std::string& doing,
                 const std::function<void()>& code);

std::unique_ptr<Method> make_method(const LoadedPlugin& plugin, const Values& values);
void plan_method(const LoadedPlugin& plugin, Method& method, PlanBuilder& plan);

}  // namespace peftbench::plugin
