#pragma once

#include <peftbench/export.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace peftbench {

// A regular expression of RE2's syntax over UTF-8. Matching takes time linear in the text, so an expression from a file
// cannot stall the program. RE2 has no backreferences and no lookaround.
class PEFTBENCH_API Pattern {
 public:
  // Throws ConfigError with RE2's reason where the expression is invalid or too large.
  explicit Pattern(const std::string& expression);
  // The expression of a file name pattern: * (also over '/'), ?, [a-z], [!a-z], and \ before a plain character.
  static Pattern glob(const std::string& pattern);
  ~Pattern();
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;

  bool matches(std::string_view text) const;  // the whole text
  bool found_in(std::string_view text) const;
  // The groups of a match of the whole text ("" for a group that took no part); empty where it does not match.
  std::vector<std::string> groups(std::string_view text) const;

 private:
  struct Compiled;
  std::unique_ptr<const Compiled> compiled_;
};

}  // namespace peftbench
