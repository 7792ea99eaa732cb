#include <peftbench/error.h>
#include <peftbench/pattern.h>

#include "core/utf8.h"

#include <re2/re2.h>

namespace peftbench {

using namespace core;

namespace {

re2::RE2::Options options() {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_dot_nl(false);
  options.set_max_mem(8 << 20);
  return options;
}

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct Pattern::Compiled {
  explicit Compiled(const std::string& expression) : expression(expression, options()) {}
  re2::RE2 expression;
};

Pattern::Pattern(const std::string& expression) : compiled_(std::make_unique<const Compiled>(expression)) {
  if (!compiled_->expression.ok())
    throw ConfigError(Problem{"invalid regular expression '" + printable(expression, 200) + "'",
                              printable(compiled_->expression.error(), 200), "an expression in RE2's syntax",
                              "correct it; RE2 does not support lookaround and backreferences"});
}
Pattern::~Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;

Pattern Pattern::glob(const std::string& pattern) {
  std::string expression = "(?s)";
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    const std::size_t first = i + 1 < pattern.size() && pattern[i + 1] == '!' ? i + 2 : i + 1;
    const std::size_t end = c == '[' ? pattern.find(']', first + 1) : std::string::npos;  // a first ] is a member
    if (c == '*') {
      expression += ".*";
    } else if (c == '?') {
      expression += '.';
    } else if (end != std::string::npos) {
      expression += first == i + 2 ? "[^" : "[";
      for (std::size_t j = first; j < end; ++j) {
        if (pattern[j] == '\\' || pattern[j] == '[' || pattern[j] == ']' || pattern[j] == '^') expression += '\\';
        expression += pattern[j];
      }
      expression += ']';
      i = end;
    } else {
      if (c == '\\' && i + 1 < pattern.size()) ++i;
      expression += re2::RE2::QuoteMeta(re2::StringPiece(&pattern[i], 1));
    }
  }
  return Pattern(expression);
}

bool Pattern::matches(std::string_view text) const { return re2::RE2::FullMatch(piece(text), compiled_->expression); }

bool Pattern::found_in(std::string_view text) const {
  return re2::RE2::PartialMatch(piece(text), compiled_->expression);
}

std::vector<std::string> Pattern::groups(std::string_view text) const {
  std::vector<re2::StringPiece> found(static_cast<std::size_t>(compiled_->expression.NumberOfCapturingGroups()) + 1);
  if (!compiled_->expression.Match(piece(text), 0, text.size(), re2::RE2::ANCHOR_BOTH, found.data(),
                                   static_cast<int>(found.size())))
    return {};
  std::vector<std::string> groups;
  for (std::size_t i = 1; i < found.size(); ++i) groups.emplace_back(found[i].data() ? found[i].as_string() : "");
  return groups;
}

}  // namespace peftbench
