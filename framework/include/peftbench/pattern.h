#pragma once

#include <peftbench/export.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace peftbench {

// A regular expression in RE2's syntax over UTF-8. Matching takes time linear in the text, so an expression from a file
// cannot stall the program. RE2 has no backreferences and no lookaround.
class PEFTBENCH_API Pattern {
 public:
  // Throws ConfigError with RE2's reason if the expression is invalid or too large.
  explicit Pattern(const std::string& expression);
  // The expression of a file name pattern: * (also matches '/'), ?, [a-z], [!a-z], and \ before a literal character.
  static Pattern glob(const std::string& pattern);
  ~Pattern();
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;

  bool matches(std::string_view text) const;  // the whole text
  bool found_in(std::string_view text) const;
  // The groups of a match of the whole text ("" for an unused group); empty without a match.
  std::vector<std::string> groups(std::string_view text) const;

 private:
  struct Compiled;
  std::unique_ptr<const Compiled> compiled_;
};

}  // namespace peftbench
