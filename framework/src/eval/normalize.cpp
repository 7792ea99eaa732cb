#include "eval/normalize.h"

#include "core/ascii.h"
#include "core/utf8.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>

namespace peftbench::eval {

namespace {

// Characters of a text, one after another. A byte that is no UTF-8 is a character of its own, and no letter.
class Characters {
 public:
  explicit Characters(std::string_view text) : text_(text) {}
  bool next() {
    at_ += size_;
    if (at_ >= text_.size()) return false;
    const Utf8Character c = character_at(text_, at_);
    code_ = c.code;
    size_ = c.size;
    return true;
  }
  utf8proc_int32_t code() const { return code_; }
  std::size_t begin() const { return at_; }
  std::string_view bytes() const { return text_.substr(at_, size_); }

 private:
  std::string_view text_;
  std::size_t at_ = 0, size_ = 0;
  utf8proc_int32_t code_ = 0;
};

void append(std::string& text, utf8proc_int32_t code) {
  std::array<utf8proc_uint8_t, 4> bytes{};
  const utf8proc_ssize_t size = utf8proc_encode_char(code, bytes.data());
  text.append(reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(size));
}

utf8proc_category_t category(utf8proc_int32_t code) {
  return code < 0 ? UTF8PROC_CATEGORY_CN : utf8proc_category(code);
}

// Python's str.isspace.
bool is_space(utf8proc_int32_t code) {
  return is_ascii_space(code) || (code >= 0x1c && code <= 0x1f) || code == 0x85 || code == 0x2028 || code == 0x2029 ||
         category(code) == UTF8PROC_CATEGORY_ZS;
}

bool is_letter(utf8proc_int32_t code) {
  const auto kind = category(code);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

// What \w matches in Python, less the underscore.
bool is_word(utf8proc_int32_t code) {
  const auto kind = category(code);
  return is_letter(code) || (kind >= UTF8PROC_CATEGORY_ND && kind <= UTF8PROC_CATEGORY_NO);
}

bool is_determiner(std::string_view word) {
  constexpr std::array<std::string_view, 20> determiners = {"a",     "an",    "few",  "her",   "his",   "each", "every",
                                                            "many",  "much",  "my",   "our",   "some",  "that", "the",
                                                            "their", "these", "this", "those", "which", "whose"};
  return word == "your" || std::find(determiners.begin(), determiners.end(), word) != determiners.end();
}

// T5's words of a text in lower case, without determiners: what single spaces separate, so that two in a row have an
// empty word between them and a tab is a letter. One empty word where nothing is left.
std::vector<std::string_view> mentioned(std::string_view text) {
  std::size_t begin = text.size(), end = 0;
  for (Characters c(text); c.next();) {
    if (is_space(c.code())) continue;
    begin = std::min(begin, c.begin());
    end = c.begin() + c.bytes().size();
  }
  text = begin < end ? text.substr(begin, end - begin) : std::string_view();
  std::vector<std::string_view> words;
  for (std::size_t at = 0; at != std::string_view::npos;) {
    at = text.find(' ');
    words.push_back(text.substr(0, at));
    if (at != std::string_view::npos) text.remove_prefix(at + 1);
  }
  std::erase_if(words, is_determiner);
  if (words.empty()) words.emplace_back();
  return words;
}

bool among(const std::vector<std::string_view>& some, const std::vector<std::string_view>& all) {
  return std::all_of(some.begin(), some.end(),
                     [&](std::string_view word) { return std::find(all.begin(), all.end(), word) != all.end(); });
}

bool has_apostrophe(const std::vector<std::string_view>& words) {
  return std::any_of(words.begin(), words.end(),
                     [](std::string_view word) { return word.find('\'') != std::string_view::npos; });
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string lower;
  bool after_letter = false;
  for (Characters c(text); c.next();) {
    if (c.code() < 0) {
      lower += c.bytes();
    } else if (c.code() == 0x130) {  // İ: the one letter that becomes two characters
      lower += "i\u0307";
    } else if (c.code() == 0x3a3) {  // Σ at the end of a word
      Characters rest(text.substr(c.begin() + c.bytes().size()));
      const bool before_letter = rest.next() && is_letter(rest.code());
      append(lower, after_letter && !before_letter ? 0x3c2 : 0x3c3);
    } else {
      append(lower, utf8proc_tolower(c.code()));
    }
    after_letter = is_letter(c.code());
  }
  return lower;
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  std::size_t first = std::string_view::npos;
  for (Characters c(text); c.next();) {
    if (!is_space(c.code())) {
      first = std::min(first, c.begin());
    } else if (first != std::string_view::npos) {
      words.push_back(text.substr(first, c.begin() - first));
      first = std::string_view::npos;
    }
  }
  if (first != std::string_view::npos) words.push_back(text.substr(first));
  return words;
}

std::string normalize_squad(std::string_view text) {
  const std::string lower = lower_case(text);
  std::string plain;
  for (Characters c(lower); c.next();)
    if (!is_ascii_punctuation(c.code())) plain += c.bytes();
  std::string kept, run;  // run: letters and digits that follow each other
  const auto end_run = [&] {
    if (run == "a" || run == "an" || run == "the")
      kept += ' ';
    else
      kept += run;
    run.clear();
  };
  for (Characters c(plain); c.next();) {
    if (is_word(c.code())) {
      run += c.bytes();
    } else {
      end_run();
      kept += c.bytes();
    }
  }
  end_run();
  std::string result;
  for (const std::string_view word : words_of(kept)) {
    if (!result.empty()) result += ' ';
    result += word;
  }
  return result;
}

double word_f1(std::string_view answer, std::string_view reference) {
  const std::vector<std::string_view> given = words_of(answer), right = words_of(reference);
  std::map<std::string_view, int> left;
  for (const std::string_view word : right) ++left[word];
  double common = 0;
  for (const std::string_view word : given) {
    const auto found = left.find(word);
    if (found == left.end() || found->second == 0) continue;
    --found->second;
    ++common;
  }
  if (common == 0) return 0;
  const double precision = common / static_cast<double>(given.size());
  const double recall = common / static_cast<double>(right.size());
  return 2 * precision * recall / (precision + recall);
}

int names_referent(std::string_view answer, std::string_view referent) {
  const std::string given = lower_case(answer), right = lower_case(referent);
  const std::vector<std::string_view> answered = mentioned(given), wanted = mentioned(right);
  if (answered.size() == 1 && answered.front().empty()) return -1;
  if (has_apostrophe(answered) != has_apostrophe(wanted)) return 0;
  return among(answered, wanted) || among(wanted, answered) ? 1 : 0;
}

}  // namespace peftbench::eval
