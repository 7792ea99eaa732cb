#include "plugin/loader.h"

#include "core/names.h"
#include "plugin/note.h"
#include "plugin/schema.h"

#include <peftbench/abi.h>

#include <cxxabi.h>
#include <fmt/format.h>
#include <boost/core/demangle.hpp>
#include <boost/dll/shared_library.hpp>

#include <algorithm>
#include <map>
#include <mutex>
#include <new>
#include <system_error>
#include <typeinfo>

namespace peftbench::plugin {

namespace {

using Library = boost::dll::shared_library;
constexpr const char* symbol = "peftbench_plugin";

PluginError refusal(PluginStep step, const fs::path& file, const std::string& what, std::string found,
                    std::string expected, std::string remedy) {
  return PluginError(
      step, Problem{"plugin " + file.string() + ": " + what, std::move(found), std::move(expected), std::move(remedy)});
}

// Every library ever opened. Never unloaded: autograd nodes and exceptions made by a plugin outlive any use of it,
// and their code must stay.
struct Registry {
  std::mutex mutex;
  std::map<fs::path, Library> libraries;
  std::map<fs::path, PluginHandle> plugins;
};
Registry& registry() {
  static auto* instance = new Registry;
  return *instance;
}

// The loader's own words within what Boost.DLL says.
std::string loader_message(const std::string& text, const fs::path& file) {
  constexpr std::string_view mark = "dlerror system message: ";
  const std::size_t begin = text.find(mark);
  if (begin == std::string::npos) return text;
  const std::size_t end = text.rfind(')');
  std::string message = text.substr(begin + mark.size(), end - begin - mark.size());
  const std::string prefix = file.string() + ": ";
  return message.starts_with(prefix) ? message.substr(prefix.size()) : message;
}

PluginError open_error(const fs::path& file, const std::string& text) {
  const std::string message = loader_message(text, file);
  constexpr std::string_view undefined = "undefined symbol: ", missing = ": cannot open shared object file";
  if (message.starts_with(undefined)) {
    const std::string mangled =
        message.substr(undefined.size(), message.find_first_of(" ,", undefined.size()) - undefined.size());
    const std::string name = boost::core::demangle(mangled.c_str());
    const bool ours = name.find("peftbench::") != std::string::npos;
    return refusal(PluginStep::open, file, "it uses a symbol that no library defines", name,
                   "all symbols defined when the plugin is loaded",
                   ours ? "define it in the plugin, or use only what <peftbench/plugin.h> declares with PEFTBENCH_API"
                        : "add the source file or library that defines it to the plugin's CMakeLists.txt");
  }
  if (const std::size_t at = message.find(missing); at != std::string::npos) {
    return refusal(PluginStep::open, file, "a library that it needs is missing", message.substr(0, at), {},
                   "install that library, or set the plugin's RPATH to its folder");
  }
  return refusal(PluginStep::open, file, "it cannot be loaded", message,
                 "a shared library that the dynamic loader accepts", "build it again with peftbench_add_plugin(…)");
}

Library open(const fs::path& file) {
  try {
    return Library(file, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
  } catch (const std::system_error& error) {
    throw open_error(file, error.what());
  }
}

const PluginHeader& header_of(const Library& library, const fs::path& file, const std::string& note) {
  if (!library.has(symbol)) {
    throw refusal(PluginStep::header, file, "it has no symbol peftbench_plugin", "a note, but no header",
                  "the symbol that PEFTBENCH_PLUGIN(…) writes",
                  "write PEFTBENCH_PLUGIN(…) outside any namespace, and let peftbench_add_plugin(…) link the library");
  }
  const auto& header = library.get<const PluginHeader>(symbol);
  const auto refuse = [&](const std::string& what, const std::string& found, const std::string& expected) {
    return refusal(PluginStep::header, file, what, found, expected,
                   "let PEFTBENCH_PLUGIN(…) write the header, and build it against this peft-bench");
  };
  if (header.struct_size != sizeof(PluginHeader)) {
    throw refuse("its header has the wrong size", fmt::format("{} bytes", header.struct_size),
                 fmt::format("{} bytes", sizeof(PluginHeader)));
  }
  if (header.api_version != PEFTBENCH_API_VERSION) {
    throw refuse("its header has another plugin interface version", std::to_string(header.api_version),
                 std::to_string(PEFTBENCH_API_VERSION));
  }
  std::vector<std::string> absent;
  const auto need = [&](const void* field, const char* name) {
    if (field == nullptr) absent.push_back(name);
  };
  need(header.abi_note, "abi_note");
  need(header.name, "name");
  need(header.version, "version");
  need(header.summary, "summary");
  need(header.reference, "reference");
  need(reinterpret_cast<const void*>(header.torch_identity), "torch_identity");
  need(reinterpret_cast<const void*>(header.register_method), "register_method");
  if (!absent.empty()) throw refuse("its header has null fields", join(absent), "no null fields");
  check_note(file, find_note(header.abi_note).value_or(std::string()), note, false);
  return header;
}

void check_torch(const PluginHeader& header, const fs::path& file) {
  const void* theirs = header.torch_identity();
  const void* ours = detail::torch_identity();
  if (theirs == ours) return;
  throw refusal(PluginStep::torch_identity, file, "it is bound to a second LibTorch in this process",
                fmt::format("the plugin's CPU allocator at {}", theirs), fmt::format("the host's, at {}", ours),
                "do not link LibTorch into the plugin: link PeftBench::peftbench alone, which brings the host's");
}

void check_name(const PluginHeader& header, const fs::path& file) {
  const std::string name = header.name;
  if (!is_method_name(name)) {
    throw refusal(PluginStep::name, file, "invalid method name", "'" + name + "'", method_name_rule,
                  "rename the method in PEFTBENCH_PLUGIN(…), and its file");
  }
  if (name != file.stem()) {
    throw refusal(PluginStep::name, file, "the method name differs from the file name", "the name '" + name + "'",
                  "'" + file.stem().string() + "'",
                  "rename the file to " + name + ".so, or the method in PEFTBENCH_PLUGIN(…)");
  }
  for (const auto& [path, plugin] : registry().plugins) {
    if (plugin->name == name) {
      throw refusal(PluginStep::name, file, "method '" + name + "' is already loaded", "from " + path.string(),
                    "one library per method", "give only one of the two files, or rename one method");
    }
  }
}

// Types by their names in the source, of whatever is being thrown.
std::string thrown_type() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  return type ? boost::core::demangle(type->name()) : "unknown";
}

// LibTorch appends a stack trace to its messages, in one of two forms.
std::string without_trace(const std::string& text) {
  return text.substr(0, std::min(text.find("\nException raised from "), text.find("\nframe #0: ")));
}

void run_guarded(const std::string& name, const fs::path& file, PluginStep step, const std::string& doing,
                 const std::function<void()>& code) {
  const auto fault = [&](const std::string& found) {
    return PluginError(step, Problem{.what = fmt::format("method '{}' failed while {}", name, doing),
                                     .found = found,
                                     .remedy = "this is a bug in the plugin " + file.string() +
                                               ": fix it or report it to its author"});
  };
  const auto no_memory = [&](const std::string& asked) {  // nobody's fault but the sizes'
    return Error({.what = fmt::format("not enough memory for method '{}' while {}", name, doing),
                  .found = asked,
                  .remedy = "choose smaller sizes for the method (length, rank, hidden), or a smaller backbone"});
  };
  try {
    code();
  } catch (const UserError& error) {
    throw PluginError(step, Problem{.what = fmt::format("method '{}', while {}: {}", name, doing, error.what())});
  } catch (const std::bad_alloc&) {
    throw no_memory({});
  } catch (const std::exception& error) {
    const std::string text = without_trace(error.what());
    if (text.find("not enough memory") != std::string::npos || text.find("can't allocate memory") != std::string::npos)
      throw no_memory(text.substr(std::min(text.find("you tried"), text.size())));
    throw fault(thrown_type() + ": " + text);
  } catch (...) {
    throw fault("an exception of type " + thrown_type() + ", which is not a std::exception");
  }
}

MethodRegistrar registered(const PluginHeader& header, const fs::path& file) {
  MethodRegistrar registrar;
  run_guarded(header.name, file, PluginStep::registration, "registering itself",
              [&] { header.register_method(registrar); });
  if (!registrar.factory()) {
    throw refusal(PluginStep::registration, file, "its registrar registers no method", "a registrar that returned",
                  "a call of registrar.method<YourMethod>()", "call it in the function given to PEFTBENCH_PLUGIN(…)");
  }
  if (const auto faults = schema_faults(registrar.schema()); !faults.empty()) {
    throw refusal(PluginStep::registration, file, "invalid parameter declarations", join(faults, "\n"), {},
                  "fix the .param(…) lines of its registrar");
  }
  return registrar;
}

}  // namespace

bool is_method_name(const std::string& name) {
  return !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
}

PluginHandle load_plugin(const fs::path& file) {
  std::error_code error;
  const fs::path path = fs::absolute(file).lexically_normal();
  const fs::path key = fs::canonical(path, error);
  if (error || fs::is_directory(key)) {
    throw refusal(PluginStep::find, file, error ? "no such file" : "it is a folder", {},
                  "the path of a method library, NAME.so",
                  "check the path; `peft-bench methods` lists the available methods");
  }
  const std::lock_guard lock(registry().mutex);
  if (const auto known = registry().plugins.find(key); known != registry().plugins.end()) {
    if (known->second->name != path.stem()) {
      throw refusal(PluginStep::name, file, "the method name differs from the file name",
                    "the name '" + known->second->name + "'", "'" + path.stem().string() + "'",
                    "rename the file to " + known->second->name + ".so");
    }
    return known->second;
  }

  const std::string note = read_note(path);
  check_note(path, note, host_note_fields(), true);
  auto& library = registry().libraries[key];
  if (!library.is_loaded()) library = open(path);
  const PluginHeader& header = header_of(library, path, note);
  check_torch(header, path);
  check_name(header, path);
  const MethodRegistrar registrar = registered(header, path);
  auto plugin = std::make_shared<const LoadedPlugin>(LoadedPlugin{path, header.name, header.version, header.summary,
                                                                  header.reference, note, registrar.schema(),
                                                                  registrar.factory()});
  registry().plugins[key] = plugin;
  return plugin;
}

void call_plugin(const LoadedPlugin& plugin, PluginStep step, const std::string& doing,
                 const std::function<void()>& code) {
  run_guarded(plugin.name, plugin.path, step, doing, code);
}

std::unique_ptr<Method> make_method(const LoadedPlugin& plugin, const Values& values) {
  std::unique_ptr<Method> method;
  call_plugin(plugin, PluginStep::planning, "reading its parameters", [&] { method = plugin.factory(values); });
  if (method == nullptr) {
    throw refusal(PluginStep::planning, plugin.path, "its factory returned no method", "a null pointer", {},
                  "fix the plugin");
  }
  return method;
}

void plan_method(const LoadedPlugin& plugin, Method& method, PlanBuilder& plan) {
  plan.set_claimant(plugin.name);
  call_plugin(plugin, PluginStep::planning, "planning", [&] { method.plan(plan.backbone(), plan); });
}

}  // namespace peftbench::plugin
