#include "data/readers/json_reader.h"

#include "core/json.h"
#include "core/names.h"
#include "core/utf8.h"

#include <algorithm>

namespace peftbench::data {

namespace {

constexpr std::size_t shown_keys = 50;  // in a message
const std::string a_list = R"(a list of objects: [{"text": "…", "label": "…"}, …])";

std::string shown(int c) {
  return c == end_of_file ? "the end of the file" : "'" + printable(std::string(1, static_cast<char>(c))) + "'";
}

}  // namespace

bool JsonReader::is_jsonl(const fs::path& file) {
  constexpr std::size_t longest = 1 << 20;  // a document on one line may be of any length
  TextSource in(file);
  std::string line;
  for (int c = in.sbumpc(); c != end_of_file && line.size() < longest; c = in.sbumpc()) {
    if (c == '\n' && line.find_first_not_of(" \t\r") != std::string::npos) break;
    line += static_cast<char>(c);
  }
  line.erase(0, std::min(line.find_first_not_of(" \t\r\n"), line.size()));
  JsonFault ignored;
  if (!line.starts_with('{') || !parse_json<Json>(line, ignored)) return false;
  int c = in.sgetc();
  while (c == ' ' || c == '\t' || c == '\r' || c == '\n') c = in.snextc();
  return c == '{';
}

JsonReader::JsonReader(fs::path file, std::vector<std::string> records, RowLimits limits)
    : NestedReader(std::move(file), std::move(records), limits), in_(file_) {}

std::string JsonReader::document_place() const {
  return RowReader::place() + (item_ == 0 ? "" : ", item " + std::to_string(item_));
}

int JsonReader::take() {
  const int c = in_.sbumpc();
  if (c == '\n') ++at_;
  return c;
}

int JsonReader::peek() {
  for (int c = in_.sgetc();; c = in_.sgetc()) {
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') return c;
    take();
  }
}

void JsonReader::cut_off() {
  line_ = at_;
  fail("the JSON ends early", "the end of the file", "brackets, braces and quotes that are closed",
       "download the file again: it is truncated");
}

void JsonReader::expect(char c, const std::string& where) {
  const int next = peek();
  if (next == end_of_file) cut_off();
  line_ = at_;
  if (next != c) fail("not JSON", shown(next) + " " + where, std::string("'") + c + "'", "fix the file at this line");
  take();
}

// Only the ends of strings, lists and objects are looked for: what is in them is left to the parser.
void JsonReader::pass_value(std::string* text) {
  const auto keep = [&](int c) {
    if (text == nullptr) return;
    if (text->size() == limits_.bytes)
      too_long("a record", "set 'records' under 'source' to the list that contains the rows");
    *text += static_cast<char>(c);
  };
  int depth = 0;
  peek();
  for (int c = in_.sgetc();; c = in_.sgetc()) {
    const bool closes = c == '}' || c == ']';
    if (depth == 0 && (closes || c == ',' || c == ':' || c == end_of_file || c == '\n' || c == ' ')) return;
    if (c == end_of_file) cut_off();
    keep(take());
    if (c == '"') {
      for (c = take(); c != '"'; c = take()) {
        if (c == end_of_file) cut_off();
        keep(c);
        if (c == '\\') keep(take());
      }
      keep(c);
      if (depth == 0) return;
    }
    if (c == '{' || c == '[') ++depth;
    if (closes && --depth == 0) return;
  }
}

bool JsonReader::enter(std::vector<std::string>& keys) {
  expect('{', "");
  for (bool first = true; peek() != '}'; first = false) {
    if (!first) expect(',', "after an object member");
    if (peek() != '"') expect('"', "where a key was expected");
    std::string text;
    line_ = at_;
    pass_value(&text);
    const std::string key = parse(text, "a key").get<std::string>();
    if (keys.size() < shown_keys) keys.push_back(key);
    expect(':', "after the key " + printable(key, 40));
    if (key == records_[consumed_]) return true;
    pass_value(nullptr);
  }
  return false;
}

// To the first byte of the outermost list's first item.
void JsonReader::find_list() {
  while (peek() == '{') {
    if (consumed_ == records_.size()) {
      if (consumed_ > 0) return;  // an object at the end of the way: the only record
      records_ = {""};            // no key is empty, so all are passed
      std::vector<std::string> keys;
      enter(keys);
      line_ = 1;
      records_.clear();
      fail("the file is one JSON object, not a list of records", "an object with the keys " + join(keys), a_list,
           keys.empty() ? "" : "give the key of the list: 'source: {file: …, records: " + keys.back() + "}'");
    }
    std::vector<std::string> keys;
    if (!enter(keys)) {
      line_ = at_;
      fail("there is no '" + records_[consumed_] + "' on the path to the records", "the keys " + join(keys),
           "the keys of 'records: " + join(records_, ".") + "'", did_you_mean(records_[consumed_], keys));
    }
    ++consumed_;
  }
  line_ = at_;
  if (peek() == end_of_file) fail("the file is empty", "only white space", a_list, "use another file");
  if (peek() != '[') {
    fail("not a list of records", shown(peek()) + " at the start", a_list,
         "if each line is an object, set 'format: jsonl'");
  }
  take();
  listed_ = true;
}

bool JsonReader::next_document(Json& document) {
  if (ended_) return false;
  if (item_ == 0) find_list();
  if (!listed_) {
    ended_ = true;
  } else if (peek() == ']') {
    take();
    ended_ = true;
    if (consumed_ == 0 && peek() != end_of_file) {
      line_ = at_;
      fail("text after the end of the list", shown(peek()), "the end of the file", "remove the text after the list");
    }
    return false;
  } else if (item_ > 0) {
    expect(',', "after a list item");
  }
  if (peek() == end_of_file) cut_off();
  line_ = at_;
  ++item_;
  std::string text;
  pass_value(&text);
  document = parse(text, a_list, "fix the file at this line");
  return true;
}

}  // namespace peftbench::data
