#include "targets.h"

#include <peftbench/error.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace pb = peftbench;

namespace lora {
namespace {

// By our name or Hugging Face's.
bool fits(const EndPattern& pattern, const pb::LinearSite& site) {
  return pattern.fits(site.name()) || pattern.fits(module_of(site));
}

[[noreturn]] void nothing_fits(const std::string& key, const std::string& pattern, const pb::BackboneSpec& backbone) {
  std::string maps;
  for (const std::string& map : backbone.linear_names()) maps += map + ", ";
  throw pb::ConfigError(
      pb::Problem{.what = key + ": '" + pattern + "' matches no linear map" + (key == "targets" ? "" : " in targets"),
                  .expected = maps + "lm_head, or a pattern for names like " + backbone.linears().front().name() +
                              " and " + module_of(backbone.linears().front()),
                  .remedy = "correct the pattern, or remove it"});
}

std::vector<pb::LinearSite> selected(const pb::Names& patterns, const pb::BackboneSpec& backbone) {
  if (patterns.empty()) {
    throw pb::ConfigError(
        pb::Problem{.what = "targets is empty", .expected = "linear maps, such as q,v", .remedy = "name at least one"});
  }
  // The embedding is a table that is looked up, not a map of vectors.
  std::vector<pb::LinearSite> all = backbone.linears();
  std::erase_if(all, [](const pb::LinearSite& site) { return site.map == "embedding"; });
  std::vector<bool> chosen(all.size());
  for (const std::string& text : patterns) {
    bool any = false;
    const bool everything = text == "all-linear";  // Hugging Face's word: all but the output layer
    const EndPattern pattern(everything ? "lm_head" : text);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (fits(pattern, all[i]) == everything) continue;
      chosen[i] = any = true;
    }
    if (!any) nothing_fits("targets", text, backbone);
  }
  std::vector<pb::LinearSite> result;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (chosen[i]) result.push_back(std::move(all[i]));
  }
  return result;
}

// The value of the first pattern that fits, for each target.
template <class Set>
void assign(std::vector<Target>& targets, const pb::Values& values, const std::string& key,
            const pb::BackboneSpec& backbone, Set set) {
  std::vector<bool> done(targets.size());
  for (const Assignment& assignment : assignments(values, key)) {
    const EndPattern pattern(assignment.pattern);
    bool any = false;
    for (std::size_t i = 0; i < targets.size(); ++i) {
      if (!fits(pattern, targets[i].site)) continue;
      any = true;
      if (!done[i]) set(targets[i], assignment.value);
      done[i] = true;
    }
    if (!any) nothing_fits(key, assignment.pattern, backbone);
  }
}

}  // namespace

std::string module_of(const pb::LinearSite& site) {
  if (site.layer < 0) return site.map;
  const std::string tensor = site.tensor_name();
  return tensor.substr(0, tensor.size() - std::string_view(".weight").size());
}

EndPattern::EndPattern(const std::string& text) : expression_(pb::python_pattern("(?:.*\\.)?(?:" + text + ")")) {}

std::string show(double number) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  return {text.data(), end};
}

std::vector<Assignment> assignments(const pb::Values& values, const std::string& key) {
  std::vector<Assignment> result;
  for (const std::string& entry : values.names(key)) {
    const std::size_t equals = entry.rfind('=');
    Assignment made;
    if (equals != std::string::npos) {
      made.pattern = entry.substr(0, equals);
      const char* end = entry.data() + entry.size();
      const auto read = std::from_chars(entry.data() + equals + 1, end, made.value);
      if (read.ec == std::errc() && read.ptr == end && !made.pattern.empty()) {
        result.push_back(std::move(made));
        continue;
      }
    }
    throw pb::ConfigError(pb::Problem{key + ": an entry is not of the form pattern=number", entry,
                                      "such as decoder.*q=4", "correct the entry"});
  }
  return result;
}

std::vector<Target> targets(const pb::Values& values, const pb::BackboneSpec& backbone) {
  std::vector<Target> result;
  for (pb::LinearSite& site : selected(values.names("targets"), backbone)) {
    result.push_back({std::move(site), values.integer("rank"), values.real("alpha"), 0});
  }
  assign(result, values, "rank_pattern", backbone, [](Target& target, double value) {
    if (value < 1 || value != std::floor(value) || value > 1e6) {
      throw pb::ConfigError(
          pb::Problem{.what = "rank_pattern: " + target.site.name() + " would have a rank of " + show(value),
                      .expected = "a whole number, at least 1",
                      .remedy = "correct the number"});
    }
    target.rank = static_cast<int64_t>(value);
  });
  assign(result, values, "alpha_pattern", backbone, [](Target& target, double value) {
    if (!std::isfinite(value) || value < 0) {
      throw pb::ConfigError(
          pb::Problem{.what = "alpha_pattern: " + target.site.name() + " would have an alpha of " + show(value),
                      .expected = "a number, at least 0",
                      .remedy = "correct the number"});
    }
    target.alpha = value;
  });
  for (Target& target : result) {
    const auto rank = static_cast<double>(target.rank);
    target.scale = target.alpha / (values.flag("rslora") ? std::sqrt(rank) : rank);
  }
  return result;
}

}  // namespace lora
