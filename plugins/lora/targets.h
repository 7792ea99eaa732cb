#pragma once

// Which linear maps get a low-rank update, of which rank and scale: what a method's values say of a backbone.
#include <peftbench/exchange.h>
#include <peftbench/spec.h>
#include <peftbench/values.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lora {

struct Target {
  peftbench::LinearSite site;
  int64_t rank = 0;
  double alpha = 0;
  double scale = 0;  // α/r, or α/√r
};

// `pattern` as it stands in a list of patterns, with what follows the last '='.
struct Assignment {
  std::string pattern;
  double value = 0;
};

// The targets in order of the sites. Throws ConfigError for a pattern that is no regular expression or fits no map, and
// for a rank or alpha that is no number.
std::vector<Target> targets(const peftbench::Values& values, const peftbench::BackboneSpec& backbone);

// Throws ConfigError where an entry of the list is not `pattern=number`.
std::vector<Assignment> assignments(const peftbench::Values& values, const std::string& key);

// A map's name in Hugging Face's T5: encoder.block.3.layer.0.SelfAttention.q
std::string module_of(const peftbench::LinearSite& site);

// peft's rule: an expression of Python's for a whole name or for what follows one of its dots: a map's name (q), the
// end of a longer name (decoder.2.cross.q, SelfAttention.q) or decoder.*q. Throws ConfigError for an invalid one.
class EndPattern {
 public:
  explicit EndPattern(const std::string& text);
  bool fits(const std::string& name) const { return expression_.matches(name); }

 private:
  peftbench::Pattern expression_;
};

// A number as short as it reads back.
std::string show(double number);

}  // namespace lora
