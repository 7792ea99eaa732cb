#include "plugin/layer.h"

#include <peftbench/error.h>
#include <peftbench/exchange.h>

#include <cctype>
#include <string_view>

namespace peftbench {

using namespace plugin;
namespace {

// Walks over an expression and stops at the first construct that RE2 would refuse or read otherwise than Python's re.
class Dialect {
 public:
  explicit Dialect(const std::string& text) : text_(text) {}

  void check() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\\') {
        escape(/*in_class=*/false);
      } else if (c == '[') {
        character_class();
      } else if (c == '(' && next() == '?') {
        group();
      } else if (const std::size_t length = repetition()) {
        after_repetition(length);
      } else {
        ++at_;
      }
    }
  }

 private:
  char next(std::size_t ahead = 1) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  [[noreturn]] void refuse(const std::string& what, std::size_t length) const {
    throw ConfigError(Problem{"the expression '" + text_ + "' has " + what + ", which is not supported",
                              "'" + text_.substr(at_, length) + "'",
                              "characters, classes, groups, alternatives and repetition, as in Python",
                              "write the expression without it, or list the names"});
  }

  void escape(bool in_class) {
    constexpr std::string_view alike = "dDwWsSanrtfv0x", outside = "AbB";
    const char c = next();
    const bool letter = std::isalnum(static_cast<unsigned char>(c)) != 0;
    if (letter && c >= '1' && c <= '9') refuse("a backreference", 2);
    if (c == 'x' && next(2) == '{') refuse("an escape that Python does not have", 3);
    if (letter && alike.find(c) == std::string_view::npos && (in_class || outside.find(c) == std::string_view::npos))
      refuse("an escape that means something else in RE2", 2);
    at_ += 2;
  }

  void character_class() {
    ++at_;
    if (at_ < text_.size() && text_[at_] == '^') ++at_;
    for (bool first = true; at_ < text_.size(); first = false) {
      if (text_[at_] == ']' && !first) break;
      if (text_[at_] == '[' && next() == ':') refuse("a class that means something else in RE2", 2);
      if (text_[at_] == '\\') {
        escape(/*in_class=*/true);
      } else {
        ++at_;
      }
    }
    ++at_;
  }

  void group() {
    const std::string_view rest = std::string_view(text_).substr(at_ + 2);
    if (rest.starts_with("=") || rest.starts_with("!")) refuse("a lookahead", 3);
    if (rest.starts_with("<=") || rest.starts_with("<!")) refuse("a lookbehind", 4);
    if (rest.starts_with("P=")) refuse("a backreference", 4);
    if (rest.starts_with(">")) refuse("an atomic group", 3);
    if (rest.starts_with("(")) refuse("a conditional", 3);
    if (rest.starts_with("#")) refuse("a comment", 3);
    if (rest.starts_with("P<")) {
      at_ += 4;
      return;
    }
    const std::size_t end = rest.find_first_not_of("ims-");
    if (end == std::string_view::npos || rest[end] != ':') refuse("flags, or an unsupported kind of group", end + 3);
    at_ += end + 3;
  }

  // Its length, where one begins here.
  std::size_t repetition() const {
    const char c = text_[at_];
    if (c == '*' || c == '+' || c == '?') return 1;
    if (c != '{') return 0;
    const std::size_t end = text_.find_first_not_of("0123456789,", at_ + 1);
    const bool counts = end != std::string::npos && text_[end] == '}' && end > at_ + 1;
    if (counts && next() == ',' && end > at_ + 2) refuse("a repetition without a minimum", end - at_ + 1);
    return counts && next() != ',' ? end - at_ + 1 : 0;
  }

  void after_repetition(std::size_t length) {
    const std::size_t begin = at_;
    at_ += length;
    if (at_ < text_.size() && text_[at_] == '?') ++at_;  // as few as will do: the same texts
    if (at_ >= text_.size() || !repetition()) return;
    const bool possessive = text_[at_] == '+' && at_ == begin + length;
    at_ = begin;
    refuse(possessive ? "a possessive repetition" : "a repetition of a repetition", length + 1);
  }

  const std::string& text_;
  std::size_t at_ = 0;
};

}  // namespace

Pattern python_pattern(const std::string& expression) {
  Dialect(expression).check();
  return Pattern(expression);
}

}  // namespace peftbench
