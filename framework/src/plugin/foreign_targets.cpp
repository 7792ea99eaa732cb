#include "plugin/layer.h"

#include <peftbench/error.h>
#include <peftbench/exchange.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace peftbench {

using namespace plugin;
namespace {

// Whole, or what follows one of its dots.
bool ends_with_name(const std::string& module, const std::string& name) {
  return module == name || module.ends_with("." + name);
}

// A text is an expression for whole names, a list has ends of names.
class Choice {
 public:
  Choice(const ForeignAdapter& adapter, const std::string& key, const Names& standard) {
    const auto found = adapter.config.find(key);
    if (found != adapter.config.end() && std::holds_alternative<std::string>(found->second)) {
      if (adapter.word(key) == "all-linear") {
        everything_ = true;
      } else {
        expression_ = python_pattern(adapter.text(key));
      }
      return;
    }
    ends_ = adapter.names(key);
    if (ends_.empty()) ends_ = standard;
  }
  bool is_list() const { return !expression_ && !everything_; }
  bool has(const std::string& module) const {
    if (everything_) return module != "lm_head" && module != "shared";
    if (expression_) return expression_->matches(module);
    return std::any_of(ends_.begin(), ends_.end(), [&](const std::string& end) { return ends_with_name(module, end); });
  }

 private:
  bool everything_ = false;  // peft's all-linear: but the output layer
  std::optional<Pattern> expression_;
  Names ends_;
};

// The number of the layer that a name has, peft's `(?:^|.*?\.)PATTERN\.(\d+)\.`: the first place that fits.
std::optional<int64_t> layer_of(const std::string& module, const std::vector<Pattern>& patterns) {
  const auto number_at = [&](std::size_t begin) -> std::optional<int64_t> {
    int64_t number = 0;
    const char* const end = module.data() + module.size();
    const auto read = std::from_chars(module.data() + begin, end, number);
    if (read.ec != std::errc() || read.ptr == end || *read.ptr != '.') return std::nullopt;
    return number;
  };
  for (std::size_t begin = 0; begin != std::string::npos;) {
    for (std::size_t dot = module.find('.', begin); dot != std::string::npos; dot = module.find('.', dot + 1)) {
      const std::string name = module.substr(begin, dot - begin);
      // Without a pattern any one word counts, behind another.
      const bool fits = patterns.empty() ? begin > 0 && name.find('.') == std::string::npos
                                         : std::any_of(patterns.begin(), patterns.end(),
                                                       [&](const Pattern& pattern) { return pattern.matches(name); });
      if (!fits) continue;
      if (const auto number = number_at(dot + 1)) return number;
    }
    const std::size_t dot = module.find('.', begin);
    begin = dot == std::string::npos ? dot : dot + 1;
  }
  return std::nullopt;
}

}  // namespace

Names foreign_targets(const ForeignAdapter& adapter, const Names& modules, const Names& standard) {
  const Choice targets(adapter, "target_modules", standard), excluded(adapter, "exclude_modules", {});
  const std::vector<int64_t> layers = adapter.integers("layers_to_transform");
  std::vector<Pattern> patterns;
  for (const std::string& pattern : adapter.names("layers_pattern")) patterns.push_back(python_pattern(pattern));
  Names chosen;
  for (const std::string& module : modules) {
    if (!targets.has(module) || excluded.has(module)) continue;
    if (targets.is_list() && !layers.empty()) {
      const std::optional<int64_t> layer = layer_of(module, patterns);
      if (!layer || std::find(layers.begin(), layers.end(), *layer) == layers.end()) continue;
    }
    chosen.push_back(module);
  }
  return chosen;
}

}  // namespace peftbench
