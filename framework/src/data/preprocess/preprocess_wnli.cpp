#include "data/preprocess/preprocessors.h"

#include "core/ascii.h"
#include "core/utf8.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace peftbench::data {

namespace {

using Words = std::vector<std::string>;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_mark(char c) { return c == '.' || c == ',' || c == '?' || c == '!'; }

Words split(const std::string& text) {
  Words words(1);
  for (const char c : text) {
    if (c == ' ')
      words.emplace_back();
    else
      words.back() += c;
  }
  return words;
}

std::string joined(const Words& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) text += (i == 0 ? "" : " ") + words[i];
  return text;
}

// The words in lower case without the mark at their end.
Words plain_words(const std::string& text) {
  const auto first = std::find_if_not(text.begin(), text.end(), is_ascii_space);
  const auto last = std::find_if_not(text.rbegin(), text.rend(), is_ascii_space).base();
  if (first == text.end()) return {};
  Words words = split(std::string(first, last));
  for (std::string& word : words) {
    std::transform(word.begin(), word.end(), word.begin(), lower);
    if (!word.empty() && is_mark(word.back())) word.pop_back();
  }
  std::erase(words, "");
  return words;
}

// How many of the first words stand in `text` in a row.
std::size_t match_size(const std::string& text, const Words& words) {
  std::string run;
  for (std::size_t i = 0; i < words.size(); ++i) {
    run += (i == 0 ? "" : " ") + words[i];
    if (text.find(run) == std::string::npos) return i;
  }
  return words.size();
}

Words reversed(Words words) {
  std::reverse(words.begin(), words.end());
  return words;
}

// The longest text with `before` in front of it, at its first place, and `after` behind; empty if there is none.
std::string between(const std::string& text, const std::string& before, const std::string& after) {
  for (std::size_t at = text.find(before); at != std::string::npos; at = text.find(before, at + 1)) {
    const std::size_t begin = at + before.size(), end = text.rfind(after);
    if (end != std::string::npos && end > begin) return text.substr(begin, end - begin);
  }
  return {};
}

struct Pronoun {
  std::size_t score = 0, index = 0;  // of the premise's words
  std::string candidate;             // what the hypothesis has in its place
};

Pronoun match_at(const Words& premise, const Words& hypothesis, std::size_t index) {
  const auto middle = premise.begin() + static_cast<std::ptrdiff_t>(index);
  const Words before(premise.begin(), middle), after(middle + 1, premise.end());
  const std::string text = joined(hypothesis);
  const std::size_t pre = match_size(joined(reversed(hypothesis)), reversed(before)), post = match_size(text, after);
  Pronoun match{pre + post, index, {}};
  if (match.score == 0) return match;
  std::string front = joined(Words(before.end() - static_cast<std::ptrdiff_t>(pre), before.end()));
  std::string back = joined(Words(after.begin(), after.begin() + static_cast<std::ptrdiff_t>(post)));
  if (!front.empty()) front += ' ';
  if (!back.empty()) back.insert(0, 1, ' ');
  match.candidate = between(text, front, back);
  if (!match.candidate.empty()) return match;
  if (const std::size_t end = text.rfind(back); end != std::string::npos) match.candidate = text.substr(0, end);
  if (!match.candidate.empty()) return match;
  if (const std::size_t at = text.find(front); at != std::string::npos)
    match.candidate = text.substr(at + front.size());
  return match;
}

// From the last article on, where the match began too early.
std::string from_article(const std::string& candidate) {
  const Words words = split(candidate);
  std::size_t begin = 0;
  for (const char* article : {"a", "an", "the"}) {
    const auto found = std::find(words.begin(), words.end(), article);
    if (found != words.end()) begin = std::max(begin, static_cast<std::size_t>(found - words.begin()));
  }
  return joined(Words(words.begin() + static_cast<std::ptrdiff_t>(begin), words.end()));
}

// The words where the hypothesis has them, in its own case and with its marks between them; nothing where it has not.
std::optional<std::string> as_written(const std::string& candidate, const std::string& hypothesis) {
  const Words words = split(candidate);
  for (std::size_t begin = 0; begin <= hypothesis.size(); ++begin) {
    std::size_t at = begin;
    bool all = true;
    for (std::size_t w = 0; w < words.size() && all; ++w) {
      if (w > 0) all = at < hypothesis.size() && hypothesis[at++] == ' ';
      for (std::size_t i = 0; i < words[w].size() && all; ++i)
        all = at < hypothesis.size() && lower(hypothesis[at++]) == lower(words[w][i]);
      if (all && at < hypothesis.size() && is_mark(hypothesis[at])) ++at;
    }
    if (all) return hypothesis.substr(begin, at - begin);
  }
  return std::nullopt;
}

std::string without_ending(std::string text) {
  if (!text.empty() && is_mark(text.back())) text.pop_back();
  if (text.ends_with("'")) return text.substr(0, text.size() - 1);
  return text.ends_with("'s") ? text.substr(0, text.size() - 2) : text;
}

// Stars around a word, a mark at its end outside of them.
std::string highlight(const RowFields& fields, const std::string& premise, std::size_t index) {
  Words words = split(premise);
  std::string& word = words[index];
  if (word.empty())
    fields.row().fail("extra spaces before the pronoun", "'" + printable(premise) + "'", "single spaces");
  const bool marked = is_mark(word.back());
  word = marked ? "*" + word.substr(0, word.size() - 1) + "* " + word.back() : "*" + word + "*";
  return joined(words);
}

}  // namespace

bool preprocess_wnli(RowFields& fields, TextExample& example, Preprocessor::Part part) {
  constexpr std::array<std::string_view, 9> pronouns = {"he",  "she",   "they", "it", "her",
                                                        "his", "their", "them", "him"};
  const std::string asked = "the preprocessor 'wnli'";
  const std::string premise = fields.text("sentence1", asked), hypothesis = fields.text("sentence2", asked);
  const Words words = plain_words(premise), said = plain_words(hypothesis);
  std::optional<Pronoun> best;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (std::find(pronouns.begin(), pronouns.end(), words[i]) == pronouns.end()) continue;
    Pronoun match = match_at(words, said, i);
    if (!best || match.score > best->score) best = std::move(match);
  }
  if (!best)
    fields.row().fail("the first sentence has no pronoun", "'" + printable(premise) + "'", "he, she, it, they, …");
  const std::optional<std::string> referent = as_written(from_article(best->candidate), hypothesis);
  if (!referent)
    fields.row().fail("the referent of the pronoun is not in the second sentence",
                      "'" + printable(best->candidate) + "'", "words of '" + printable(hypothesis) + "'");
  fields.set("text", highlight(fields, premise, best->index));
  fields.set("referent", without_ending(*referent));
  if (part == Preprocessor::Part::input) return false;
  example.label = fields.truth("label", asked);
  return example.label >= 0;
}

}  // namespace peftbench::data
