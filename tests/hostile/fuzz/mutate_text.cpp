#include "fuzz/mutator.h"
#include "support/layers.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace peftbench::hostile {

using namespace layers;

namespace {

using namespace std::string_literals;

template <std::size_t N>
const std::string& one_of(const std::array<std::string, N>& items, Random& random) {
  return items[random.below(N)];
}

const std::array<std::string, 34> numbers = {"1e999",
                                             "-1e999",
                                             "NaN",
                                             "Infinity",
                                             "-Infinity",
                                             ".inf",
                                             ".nan",
                                             "1e308",
                                             "1e-400",
                                             "-0",
                                             "0",
                                             "-1",
                                             "1",
                                             "2",
                                             "00",
                                             "0x10",
                                             "0o17",
                                             "1_000",
                                             "+1",
                                             "1.",
                                             ".5",
                                             "1e",
                                             "255",
                                             "32768",
                                             "2147483647",
                                             "2147483648",
                                             "4294967296",
                                             "9223372036854775807",
                                             "9223372036854775808",
                                             "-9223372036854775809",
                                             "18446744073709551615",
                                             "18446744073709551616",
                                             "1000000000000",
                                             "0.1"};

const std::array<std::string, 22> texts = {"\"\"",
                                           "\"\\u0000\"",
                                           "\"\\ud800\"",
                                           "\"\xff\xfe\"",
                                           "\"\xc0\xaf\"",
                                           "\"../../etc/passwd\"",
                                           "\"/etc/passwd\"",
                                           "\"/dev/zero\"",
                                           "\"\x1b[31m\"",
                                           "\"\\n\"",
                                           "\"a\nb\"",
                                           "\"\xf0\x9f\x98\x80\"",
                                           "\"\\u202e\"",
                                           "\"=1+1\"",
                                           "\"a.b\"",
                                           "\"(a+)+$\"",
                                           "\"*\"",
                                           "\"%s%n\"",
                                           "\"~\"",
                                           "\"\xef\xbb\xbf\"",
                                           "\"\xcc\x81\"",
                                           "\".\""};

const std::array<std::string, 14> other_values = {"null",  "true",     "false",     "[]",
                                                  "{}",    "[[]]",     "[null]",    "{\"\":0}",
                                                  "[1,2]", "\"1\"",    "[\"a\",1]", "{\"a\":{\"a\":1}}",
                                                  "",      "undefined"};

const std::array<std::string, 26> yaml_signs = {
    "&a ", "*a", "<<: *a\n", "&a [*a]", "&a {b: *a}",  "!!binary ", "!!float ", "!!set ", "!x ",
    "? ",  "- ", "---\n",    "...\n",   "%YAML 1.2\n", "|\n",       ">-\n",     "\t",     "#",
    "~",   "@",  "`",        "{",       "}",           "[",         "]",        ": "};

const std::array<std::string, 12> table_signs = {"\"",   ",",  "\t", "\r", "\r\n",     "\n\n",
                                                 "\"\"", "\\", "'",  ";",  "\"a\nb\"", "\0"s};

std::size_t depth(Random& random) {
  static constexpr std::array<std::size_t, 10> depths = {2, 8, 32, 62, 63, 64, 65, 66, 1000, 60'000};
  return depths[random.below(depths.size())];
}

std::string repeat(std::string_view text, std::size_t times) {
  std::string result;
  for (times = std::min(times, largest_input / std::max<std::size_t>(text.size(), 1)); times > 0; --times)
    result += text;
  return result;
}

// The value wrapped in many lists or maps, closed or not.
std::string nested(const std::string& value, Syntax syntax, Random& random) {
  const std::size_t levels = depth(random);
  const std::string after = random.below(8) == 0 ? "" : "x";
  const auto wrap = [&](std::string_view open, std::string_view close) {
    return repeat(open, levels) + value + (after.empty() ? "" : repeat(close, levels));
  };
  if (syntax == Syntax::yaml && random.below(3) == 0) {
    if (random.below(2)) return repeat("- ", levels) + value;
    std::string block = "\n";  // each level one space deeper
    for (std::size_t i = 0; i < std::min<std::size_t>(levels, 1500); ++i) block += std::string(i + 9, ' ') + "k:\n";
    return block;
  }
  return random.below(2) ? wrap("[", "]") : wrap("{\"a\":", "}");
}

// Each alias twice in the next: 2^n nodes of n lines.
std::string alias_bomb(Random& random) {
  std::string text = "a0: &a0 [x, x]\n";
  const std::size_t levels = 2 + random.below(30);
  for (std::size_t i = 1; i < levels; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before + ", " + before + "]\n";
  }
  return text;
}

std::string value_like(Syntax syntax, const std::vector<std::string>& words, Random& random) {
  switch (random.below(5)) {
    case 0:
      return one_of(numbers, random);
    case 1:
      return one_of(texts, random);
    case 2:
      return one_of(other_values, random);
    case 3:
      if (random.below(4) == 0) return "\"" + repeat("ab ", 1 + random.below(30'000)) + "\"";
      if (random.below(4) == 0) return repeat("9", 1 + random.below(500));
      [[fallthrough]];
    default:
      if (syntax == Syntax::yaml && random.below(4) == 0) return one_of(yaml_signs, random);
      return words.empty() ? "a" : words[random.below(words.size())];
  }
}

struct Line {
  std::size_t begin, size;
};

Line line_at(const std::string& text, std::size_t at) {
  const std::size_t before = at == 0 ? std::string::npos : text.rfind('\n', at - 1);
  const std::size_t begin = before == std::string::npos ? 0 : before + 1;
  const std::size_t end = text.find('\n', at);
  return {begin, (end == std::string::npos ? text.size() : end + 1) - begin};
}

// A member, item or field between two commas, or a line.
Line member_at(const std::string& text, std::size_t at, Random& random) {
  if (random.below(2)) return line_at(text, at);
  const std::size_t before = text.find_last_of(",[{\n", at);
  const std::size_t begin = before == std::string::npos ? 0 : before + 1;
  const std::size_t end = text.find_first_of(",]}\n", at);
  return {begin, end == std::string::npos || end < begin ? text.size() - begin : end - begin};
}

bool is_value(std::string_view token) {
  const auto first = static_cast<unsigned char>(token.front());
  return first == '"' || first == '-' || std::isalnum(first) != 0 || first >= 0x80;
}

}  // namespace

std::vector<std::string_view> tokens_of(std::string_view text) {
  std::vector<std::string_view> tokens;
  for (std::size_t at = 0; at < text.size();) {
    const auto c = static_cast<unsigned char>(text[at]);
    std::size_t end = at + 1;
    if (c == '"') {
      while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, text.size());
    } else if (std::isalnum(c) != 0 || c == '_' || c == '-' || c >= 0x80) {
      const auto within = [&](unsigned char d) {
        return std::isalnum(d) != 0 || d == '_' || d == '-' || d == '.' || d >= 0x80;
      };
      while (end < text.size() && within(static_cast<unsigned char>(text[end]))) ++end;
    } else if (std::isspace(c) != 0) {
      at = end;
      continue;
    }
    tokens.push_back(text.substr(at, end - at));
    at = end;
  }
  return tokens;
}

void mutate_text(std::string& text, Syntax syntax, const std::vector<std::string>& words, Random& random) {
  std::vector<std::string_view> tokens = tokens_of(text);
  std::erase_if(tokens, [](std::string_view token) { return !is_value(token); });
  if (tokens.empty()) {
    text += value_like(syntax, words, random);
    return;
  }
  const std::string_view token = tokens[random.below(tokens.size())];
  const auto at = static_cast<std::size_t>(token.data() - text.data());
  const std::size_t size = token.size();
  const std::string value(token);
  switch (random.below(10)) {
    case 0:
    case 1:
    case 2:
      text.replace(at, size, value_like(syntax, words, random));
      return;
    case 3:
      text.replace(at, size, nested(value, syntax, random));
      return;
    case 4: {  // a member or line twice: duplicate keys
      const Line member = member_at(text, at, random);
      const std::string copy = text.substr(member.begin, member.size);
      const bool many = random.below(30) == 0;
      const std::string separator = copy.ends_with('\n') ? "" : ",";
      text.insert(member.begin, repeat(copy + separator, many ? 1 + random.below(20'000) : 1));
      return;
    }
    case 5: {
      const Line member = member_at(text, at, random);
      text.erase(member.begin, member.size);
      return;
    }
    case 6: {  // two values change places
      const std::string_view other = tokens[random.below(tokens.size())];
      const auto place = static_cast<std::size_t>(other.data() - text.data());
      const std::string second(other);
      if (place >= at + size) {
        text.replace(place, second.size(), value);
        text.replace(at, size, second);
      }
      return;
    }
    case 7:
      if (value.front() == '"') {  // inside a text
        static const std::array<std::string, 10> inside = {"\\u0000", "\xff", "\x1b[2J", "\\ud83d", "\\",
                                                           "\n",      "\\\"", "..",      "/",       "\0"s};
        text.insert(at + 1 + random.below(std::max<std::size_t>(size, 2) - 1), one_of(inside, random));
      } else {
        text.replace(at, size, "\"" + value + "\"");
      }
      return;
    case 8:
      if (syntax == Syntax::yaml) {
        if (random.below(12) == 0)
          text += alias_bomb(random);
        else if (random.below(2))
          text.insert(at, one_of(yaml_signs, random));
        else {  // the rest of the line anchored, and pointed at from elsewhere
          text.insert(at, "&z ");
          text.insert(random.below(text.size()), "*z");
        }
        return;
      }
      if (syntax == Syntax::table) {
        text.insert(at, random.below(20) == 0 ? repeat(",", 1 + random.below(100'000)) : one_of(table_signs, random));
        return;
      }
      text.insert(at, std::array<std::string, 6>{",", "{", "[", "}", "]", ":"}[random.below(6)]);
      return;
    default:
      text.replace(at, size, one_of(numbers, random));
  }
}

}  // namespace peftbench::hostile
