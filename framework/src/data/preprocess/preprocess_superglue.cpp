#include "data/preprocess/preprocessors.h"

#include "core/ascii.h"
#include "core/numbers.h"
#include "core/utf8.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace peftbench::data {

namespace {

std::string asked_by(const char* name) { return std::string("the preprocessor '") + name + "'"; }

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

// Takes <b> and </b> out in one pass, as T5: a tag that only what is left makes stays.
std::string without_bold(std::string_view text) {
  std::string plain;
  while (!text.empty()) {
    const std::size_t tag = text.starts_with("<b>") ? 3 : text.starts_with("</b>") ? 4 : 0;
    if (tag == 0) plain += text.front();
    text.remove_prefix(std::max<std::size_t>(tag, 1));
  }
  return plain;
}

std::size_t index_of(const RowFields& fields, const std::string& name, const std::string& asked) {
  const std::string text = fields.text(name, asked);
  const std::optional<std::size_t> value = parse_number<std::size_t>(text);
  if (!value)
    fields.row().fail("the field '" + name + "' is not a word index", printable(text),
                      "0, 1, 2, …, as " + asked + " requires");
  return *value;
}

// The word of this number among those that white space separates; empty where there are fewer.
std::string_view word_at(std::string_view text, std::size_t index) {
  for (;; --index) {
    while (!text.empty() && is_ascii_space(text.front())) text.remove_prefix(1);
    std::size_t size = 0;
    while (size < text.size() && !is_ascii_space(text[size])) ++size;
    if (index == 0 || size == 0) return text.substr(0, size);
    text.remove_prefix(size);
  }
}

// As TFDS' wsc.fixed mends spans that are no part of the text: the case of the first letter, a full stop at the end,
// line breaks. Two subjects have words between them in the text and stay.
std::string mend_span(std::string span, const std::string& text, std::size_t index) {
  const bool scattered = span == "Kamenev and Zinoviev" || span == "Kamenev, Zinoviev, and Stalin";
  if (text.find(span) != std::string::npos || scattered || span.empty()) return span;
  const std::string_view word = word_at(text, index);
  const bool lower = !word.empty() && word.front() >= 'a' && word.front() <= 'z';
  char& first = span.front();
  if (lower && first >= 'A' && first <= 'Z') first = static_cast<char>(first - 'A' + 'a');
  if (!lower && first >= 'a' && first <= 'z') first = static_cast<char>(first - 'a' + 'A');
  while (span.ends_with('.')) span.pop_back();
  std::replace(span.begin(), span.end(), '\n', ' ');
  return span;
}

// Where the data's index does not lie on the pronoun, T5 writes these two out.
const char* const pony =
    "The boy continued to whip the pony , and eventually the pony threw him over. John laughed out quite loud. \"Good "
    "for him,\" he said. ";
const char* const pony_marked =
    "The boy continued to whip the pony , and eventually the pony threw him over. John laughed out quite loud. \"Good "
    "for X ,\" he said.";
const char* const pebble =
    "When they had eventually calmed down a bit , and had gotten home, Mr. Farley put the magic pebble in an iron safe "
    ". Some day they might want to use it , but really for now, what more could they wish for?";
const char* const pebble_marked =
    "When they had eventually calmed down a bit , and had gotten home, Mr. Farley put the magic pebble in an iron safe "
    ". Some day they might want to use X , but really for now, what more could they wish for?";

// The text with X for the pronoun, the word of this number among those that single spaces separate.
std::string mark_pronoun(const RowFields& fields, const std::string& text, const std::string& pronoun,
                         std::size_t index) {
  if (text == pony) return pony_marked;
  if (text == pebble) return pebble_marked;
  std::size_t begin = 0;
  for (std::size_t word = 0; word < index && begin != std::string::npos; ++word) {
    begin = text.find(' ', begin);
    if (begin != std::string::npos) ++begin;
  }
  const std::string found = begin == std::string::npos ? "" : text.substr(begin, text.find(' ', begin) - begin);
  if (found != pronoun) {
    fields.row().fail("the pronoun is not where 'span2_index' says",
                      found.empty() ? "no word " + std::to_string(index) : "'" + printable(found) + "'",
                      "'" + printable(pronoun) + "', word " + std::to_string(index) + " of '" + printable(text) + "'");
  }
  std::string before = begin == 0 ? " " : text.substr(0, begin), after = text.substr(begin + pronoun.size());
  return before + "X" + (after.empty() ? " " : after);  // " X " at the ends too
}

// The text from the first to the last of these characters (not bytes), as JSON counts them.
std::string characters(const std::string& text, std::size_t first, std::size_t last) {
  std::string result;
  std::size_t number = 0;
  for (std::size_t i = 0; i < text.size() && number <= last; ++number) {
    std::size_t end = i + 1;
    while (end < text.size() && continues_character(text[end])) ++end;
    if (number >= first) result.append(text, i, end - i);
    i = end;
  }
  return result;
}

void sort_unique(std::vector<std::string>& texts) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
}

}  // namespace

bool preprocess_multirc(RowFields& fields, TextExample& example, Preprocessor::Part part) {
  const std::string asked = asked_by("multirc");
  for (const char* name : {"paragraph", "question", "answer"}) {
    std::string text = fields.text(name, asked);
    replace_all(text, "<br>", " ");
    fields.set(name, without_bold(text));
  }
  if (part == Preprocessor::Part::input) return false;
  example.group = fields.text("paragraph_idx", asked) + "/" + fields.text("question_idx", asked);
  return true;
}

bool preprocess_record(RowFields& fields, TextExample& example, Preprocessor::Part part) {
  const std::string asked = asked_by("record");
  const std::string text = fields.text("passage", asked);
  std::vector<std::string> entities = fields.list("entities");
  for (std::size_t i = 0; i < fields.row().count("spans"); ++i) {  // the official files'
    const std::string span = "spans." + std::to_string(i);
    entities.push_back(
        characters(text, index_of(fields, span + ".start", asked), index_of(fields, span + ".end", asked)));
  }
  if (entities.empty())
    fields.row().fail("the row has no entities", "no list 'entities', and no 'spans' of the passage",
                      "the candidate entities, as " + asked + " requires");
  sort_unique(entities);
  std::string list;
  for (const std::string& entity : entities) list += (list.empty() ? "" : ", ") + entity;
  fields.set("entities", std::move(list));

  std::string passage = text;
  const std::string_view highlight = "\n@highlight\n";
  for (std::size_t at = passage.find(highlight); at != std::string::npos; at = passage.find(highlight, at)) {
    const bool ended = at > 0 && std::string_view(".?!\"'").find(passage[at - 1]) != std::string_view::npos;
    passage.replace(at, highlight.size(), ended ? " " : ". ");
  }
  fields.set("passage", std::move(passage));

  if (part == Preprocessor::Part::input) return false;
  example.references = fields.list("answers");
  sort_unique(example.references);
  example.group = fields.text("passage_idx", asked) + "/" + fields.text("query_idx", asked);
  if (example.references.empty()) return false;
  fields.set("answer", example.references.front());
  return true;
}

bool preprocess_wsc(RowFields& fields, TextExample& example, Preprocessor::Part part) {
  const std::string asked = asked_by("wsc");
  const std::string text = fields.text("text", asked), pronoun_given = fields.text("span2_text", asked);
  std::size_t index = index_of(fields, "span2_index", asked);
  if (part == Preprocessor::Part::all)
    fields.set("referent", mend_span(fields.text("span1_text", asked), text, index_of(fields, "span1_index", asked)));
  const std::string pronoun = mend_span(pronoun_given, text, index);
  // One text runs two words together, and its index does not count them so.
  if (pronoun != pronoun_given && pronoun_given.find("theyscold") != std::string::npos) index = 10;
  std::string marked = mark_pronoun(fields, text, pronoun, index);
  replace_all(marked, " X ", " *" + pronoun + "* ");
  if (index == 0 && marked.starts_with(' ')) marked.erase(0, 1);
  fields.set("text", std::move(marked));
  if (part == Preprocessor::Part::input) return false;
  example.label = fields.truth("label", asked);
  return example.label >= 0;
}

}  // namespace peftbench::data
