#include "data/preprocess/preprocessors.h"

#include "core/ascii.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace peftbench::data {

namespace {

// Spaces around each ASCII punctuation mark, then one space for each run of white space.
std::string pad_punctuation(const std::string& text) {
  std::string result;
  const auto add_space = [&] {
    if (result.empty() || result.back() != ' ') result += ' ';
  };
  for (const char c : text) {
    if (is_re2_space(c)) {
      add_space();
    } else if (is_ascii_punctuation(c)) {
      add_space();
      result += c;
      result += ' ';
    } else {
      result += c;
    }
  }
  return result;
}

// Python's str.strip, Unicode's white space too.
std::string_view stripped(std::string_view text) {
  // clang-format off
  constexpr std::array<std::string_view, 29> spaces = {
      " ", "\t", "\n", "\v", "\f", "\r", "\x1c", "\x1d", "\x1e", "\x1f", "\xc2\x85", "\xc2\xa0", "\xe1\x9a\x80",
      "\xe2\x80\x80", "\xe2\x80\x81", "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85",
      "\xe2\x80\x86", "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
      "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};
  // clang-format on
  for (;;) {
    const auto at_an_end = std::find_if(spaces.begin(), spaces.end(), [&](std::string_view space) {
      return text.starts_with(space) || text.ends_with(space);
    });
    if (at_an_end == spaces.end()) return text;
    if (text.starts_with(*at_an_end))
      text.remove_prefix(at_an_end->size());
    else
      text.remove_suffix(at_an_end->size());
  }
}

bool preprocess_question(RowFields& fields, TextExample& example, Preprocessor::Part part, bool strip,
                         const std::string& asked) {
  for (const char* name : {"question", "context"}) {
    const std::string text = fields.text(name, asked);
    fields.set(name, pad_punctuation(strip ? std::string(stripped(text)) : text));
  }
  if (part == Preprocessor::Part::input) return false;
  for (const std::string& answer : fields.list("answers")) example.references.push_back(pad_punctuation(answer));
  if (example.references.empty()) return false;
  fields.set("answer", example.references.front());
  return true;
}

}  // namespace

bool preprocess_squad(RowFields& fields, TextExample& example, Preprocessor::Part part) {
  return preprocess_question(fields, example, part, false, "the preprocessor 'squad'");
}

bool preprocess_mrqa(RowFields& fields, TextExample& example, Preprocessor::Part part) {
  return preprocess_question(fields, example, part, true, "the preprocessor 'mrqa'");
}

}  // namespace peftbench::data
