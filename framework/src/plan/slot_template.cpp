#include "core/names.h"
#include "plan/layer.h"

#include "core/numbers.h"

#include <peftbench/error.h>
#include <peftbench/layout.h>

#include <algorithm>

namespace peftbench {

using namespace plan;
namespace {

ConfigError fault(const std::string& text, const std::string& what) {
  return ConfigError({.what = "the template '" + text + "' " + what,
                      .expected = "[n] for n slots, {input} or {field} for the example, and plain text",
                      .remedy = "for example: [3] {input} [3]"});
}

ConfigError no_field(const std::string& text, const std::string& field, const std::vector<std::string>& there) {
  return ConfigError({"the template '" + text + "' uses a field that the task does not have", "{" + field + "}",
                      there.empty() ? "{input}" : "{input}, or one of " + join(there), "correct the template"});
}

bool is_number(const std::string& text) {
  return !text.empty() && text.size() < 7 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

SlotTemplate::SlotTemplate(const std::string& text) : text_(text) {
  std::string words;
  bool has_input = false, after_slots = false;
  const auto end_words = [&](bool slots_follow) {
    if (slots_follow && !words.empty() && words.back() == ' ') words.pop_back();
    if (after_slots && !words.empty() && words.front() == ' ') words.erase(0, 1);
    if (!words.empty()) pieces_.push_back(Piece::of_text(words));
    words.clear();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char closing = text[i] == '[' ? ']' : '}';
    if (text[i] != '[' && text[i] != '{') {
      words += text[i];
      continue;
    }
    const std::size_t end = text.find(closing, i);
    const std::string inner = end == std::string::npos ? "" : text.substr(i + 1, end - i - 1);
    if (text[i] == '[') {
      if (!is_number(inner)) {  // a bracket of the user's own
        words += text[i];
        continue;
      }
      end_words(true);
      after_slots = true;
      pieces_.push_back(Piece::of_slots(parse_number<int64_t>(inner).value()));
    } else {
      if (inner.empty()) throw fault(text, "has a brace without a field name");
      end_words(false);
      after_slots = false;
      pieces_.push_back(Piece::of_text({}, inner));
      if (inner != "input") fields_.push_back(inner);
      has_input = true;
    }
    i = end;
  }
  end_words(false);
  if (!has_input) throw fault(text, "does not contain the example");
}

int64_t SlotTemplate::slots() const {
  int64_t total = 0;
  for (const Piece& piece : pieces_) total += piece.slots;
  return total;
}

void SlotTemplate::check_fields(const std::vector<std::string>& known) const {
  if (known.empty()) return;
  for (const std::string& field : fields_)
    if (std::find(known.begin(), known.end(), field) == known.end()) throw no_field(text_, field, known);
}

std::vector<Piece> SlotTemplate::arrange(const std::vector<Piece>& input) const {
  std::vector<Piece> out;
  for (const Piece& piece : pieces_) {
    if (piece.name.empty()) {
      out.push_back(piece);
    } else if (piece.name == "input") {
      out.insert(out.end(), input.begin(), input.end());
    } else {
      const auto found = std::find_if(input.begin(), input.end(), [&](const Piece& p) { return p.name == piece.name; });
      if (found == input.end()) {
        std::vector<std::string> there;
        for (const Piece& p : input)
          if (!p.name.empty()) there.push_back(p.name);
        throw no_field(text_, piece.name, there);
      }
      out.push_back(*found);
    }
  }
  return out;
}

}  // namespace peftbench
