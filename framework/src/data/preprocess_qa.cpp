#include "data/preprocessors.h"

#include "core/ascii.h"

namespace peftbench {

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

}  // namespace

bool preprocess_squad(RowFields& fields, TextExample& example) {
  const std::string asked = "the preprocessor 'squad'";
  for (const char* name : {"question", "context"}) fields.set(name, pad_punctuation(fields.text(name, asked)));
  for (const std::string& answer : fields.list("answers")) example.references.push_back(pad_punctuation(answer));
  if (example.references.empty()) return false;
  fields.set("answer", example.references.front());
  return true;
}

}  // namespace peftbench
