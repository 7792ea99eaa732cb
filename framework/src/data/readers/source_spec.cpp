#include "data/readers/source_spec.h"

#include "core/names.h"
#include "core/utf8.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

namespace peftbench::data {

namespace {

const std::vector<std::pair<std::string, SourceFormat>> formats = {{"csv", SourceFormat::csv},
                                                                   {"tsv", SourceFormat::tsv},
                                                                   {"jsonl", SourceFormat::jsonl},
                                                                   {"json", SourceFormat::json},
                                                                   {"parquet", SourceFormat::parquet}};

// Keys that say how files are read; those of a source are the defaults of all its alternatives.
const std::vector<std::string> reading_keys = {"format",  "delimiter",  "quote",         "header",
                                               "columns", "short_rows", "records",       "rename",
                                               "hub",     "folders",    "max_row_bytes", "max_columns"};

const std::vector<std::string> file_keys = {"file", "train", "validation", "test"};

std::optional<char> one_character(const Yaml& yaml, const std::string& what) {
  std::string text = yaml.text();
  if (text == "none") return std::nullopt;
  if (text == "\\t" || text == "tab") text = "\t";
  if (text.size() != 1 || text == "\n" || text == "\r")
    yaml.fail(what + " must be one character", printable(text), "one ASCII character");
  return text.front();
}

std::vector<std::string> files(const Yaml& yaml) {
  std::vector<std::string> result = yaml.texts();
  if (result.empty()) yaml.fail("no file given", "an empty list", "a file, or a list of files");
  for (const std::string& file : result) {
    if (file.empty()) yaml.fail("empty file name", "nothing", "a path relative to this file or to the data folder");
    if (invalid_utf8(file) || file.find('\0') != std::string::npos)
      yaml.fail("invalid file name", printable(file), "a path relative to this file or to the data folder");
  }
  return result;
}

SourceFormat parse_format(const Yaml& yaml) {
  std::vector<std::string> names;
  for (const auto& [name, format] : formats) {
    if (name == yaml.text()) return format;
    names.push_back(name);
  }
  yaml.fail("unknown format", printable(yaml.text()), "one of " + join(names), did_you_mean(yaml.text(), names));
}

std::vector<std::string> parse_records(const Yaml& yaml) {
  std::vector<std::string> keys = {""};
  for (const char c : yaml.text()) {
    if (c == '.')
      keys.emplace_back();
    else
      keys.back() += c;
  }
  if (std::count(keys.begin(), keys.end(), "") > 0) {
    yaml.fail("invalid path to a list of records", printable(yaml.text()), "keys joined by dots: data.paragraphs.qas",
              "remove extra dots");
  }
  return keys;
}

std::vector<std::string> parse_hub(const Yaml& yaml) {
  std::vector<std::string> result = yaml.texts();
  for (const std::string& name : result) {
    const bool plain = name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/") ==
                       std::string::npos;
    if (!plain || name.empty() || name.front() == '.' || name.front() == '/' || name.find("--") != std::string::npos ||
        std::count(name.begin(), name.end(), '/') > 1 || name.find("/.") != std::string::npos)
      yaml.fail("invalid name of a data set on the Hugging Face hub", printable(name), "owner/name, or name");
  }
  return result;
}

// Folders under the data folder: none may lead out of it.
std::vector<std::string> parse_folders(const Yaml& yaml) {
  std::vector<std::string> result = files(yaml);
  for (const std::string& folder : result) {
    const fs::path path(folder);
    if (path.is_absolute() || std::find(path.begin(), path.end(), "..") != path.end())
      yaml.fail("invalid folder in the data folder", printable(folder), "a relative path without '..'");
  }
  return result;
}

std::size_t parse_limit(const Yaml& yaml, std::size_t most) {
  const long long value = yaml.integer();
  if (value < 1 || static_cast<unsigned long long>(value) > most)
    yaml.fail("the limit is out of range", std::to_string(value),
              "1 to " + with_thousands(static_cast<long long>(most)));
  return static_cast<std::size_t>(value);
}

void parse_reading(const Yaml& yaml, SourceSpec& source) {
  if (yaml.has("format")) source.format = parse_format(yaml.at("format"));
  if (yaml.has("delimiter")) {
    source.delimiter = one_character(yaml.at("delimiter"), "the delimiter");
    if (!source.delimiter)
      yaml.at("delimiter").fail("the delimiter must be one character", "none", "one ASCII character");
  }
  if (yaml.has("quote")) source.quote = one_character(yaml.at("quote"), "the quote");
  if (yaml.has("columns")) {
    source.columns = yaml.at("columns").texts();
    if (source.columns.empty())
      yaml.at("columns").fail("no columns given", "an empty list", "the names of all columns, in order");
    for (auto name = source.columns.begin(); name != source.columns.end(); ++name)
      if (!name->empty() && std::find(source.columns.begin(), name, *name) != name)
        yaml.at("columns").fail("duplicate column name", *name, "unique column names");
    source.header = false;
  }
  if (yaml.has("header")) source.header = yaml.at("header").flag();
  if (!source.header && source.columns.empty()) {
    yaml.at("header").fail("a file without a header needs column names", "header: false",
                           "a line 'columns: [name, name, …]'");
  }
  if (yaml.has("short_rows")) {
    const std::string& wish = yaml.at("short_rows").text();
    if (wish != "skip" && wish != "refuse")
      yaml.at("short_rows").fail("invalid value of 'short_rows'", printable(wish), "skip or refuse (the default)");
    source.skip_short_rows = wish == "skip";
  }
  if (yaml.has("max_row_bytes")) source.limits.bytes = parse_limit(yaml.at("max_row_bytes"), 1 << 30);
  if (yaml.has("max_columns")) source.limits.columns = parse_limit(yaml.at("max_columns"), 100'000'000);
  if (yaml.has("records")) source.records = parse_records(yaml.at("records"));
  if (yaml.has("hub")) source.hub = parse_hub(yaml.at("hub"));
  if (yaml.has("folders")) source.folders = parse_folders(yaml.at("folders"));
  if (!yaml.has("rename")) return;
  for (const auto& [name, value] : yaml.at("rename").entries()) {
    const auto same = [&, &wanted = name](const auto& entry) { return entry.first == wanted; };
    std::erase_if(source.rename, same);  // an alternative's own stands for the common one
    if (value.text().empty()) value.fail("empty field name", "nothing", "the field name in the file");
    source.rename.emplace_back(name, value.text());
  }
}

// A split's value may be {any: [a, b]}: then the first way has a, the second b.
bool is_any(const Yaml& yaml, const std::string& key) { return yaml.has(key) && yaml.at(key).is_map(); }

using Choices = std::map<std::string, std::vector<Yaml>>;  // of a split, by its key

Choices choices_in(const Yaml& yaml) {
  Choices choices;
  for (const std::string& key : file_keys) {
    if (!is_any(yaml, key)) continue;
    yaml.at(key).only({"any"});
    choices[key] = yaml.at(key).at("any").items();
  }
  return choices;
}

// How many ways the splits name.
std::size_t ways_in(const Yaml& yaml, const Choices& choices) {
  std::size_t ways = 1;
  for (const std::string& key : file_keys) {
    const auto found = choices.find(key);
    if (found == choices.end()) continue;
    const std::size_t count = found->second.size();
    if (count < 2) yaml.at(key).fail("'any' needs at least two alternatives", std::to_string(count), "two or more");
    if (ways > 1 && count != ways) {
      yaml.at(key).fail(
          "the splits have different numbers of alternatives", std::to_string(count),
          std::to_string(ways) + ": the first alternatives of all splits belong together, then the second, …");
    }
    ways = count;
  }
  return ways;
}

std::vector<std::string> files_of(const Yaml& yaml, const Choices& choices, const std::string& key, std::size_t way) {
  const auto found = choices.find(key);
  return files(found == choices.end() ? yaml.at(key) : found->second[way]);
}

void parse_files(const Yaml& yaml, const Choices& choices, std::size_t way, SourceSpec& source) {
  const bool scored_alone = yaml.has("test") && !yaml.has("file") && !yaml.has("train") && !yaml.has("validation");
  if (!scored_alone && yaml.has("file") == yaml.has("train")) {
    yaml.fail("the source needs either 'file' or 'train'",
              yaml.has("file") ? "both 'file' and 'train'" : "neither 'file' nor 'train'",
              "'file' to split one file, 'train' with 'validation' or 'test', or only 'test' for a task that is only "
              "scored",
              "add a line 'file: NAME' under 'source'");
  }
  if (!scored_alone) source.train = files_of(yaml, choices, yaml.has("file") ? "file" : "train", way);
  for (const auto& [key, list] : {std::pair{"validation", &source.validation}, std::pair{"test", &source.test}}) {
    if (!yaml.has(key)) continue;
    if (yaml.has("file"))
      yaml.at(key).fail("'file' is split automatically and cannot be combined with other files", key,
                        "'train' instead of 'file'");
    *list = files_of(yaml, choices, key, way);
    for (const std::string& file : *list) {
      const auto holds = [&](const std::vector<std::string>& other) {
        return std::count(other.begin(), other.end(), file) > 0;
      };
      if (holds(source.train) || (list == &source.test && holds(source.validation))) {
        yaml.at(key).fail("a file is used for two splits", file, "each file once",
                          "remove " + std::string(key) + ": rows of train are then held out for it");
      }
    }
  }
}

// Adds the ways that one map names.
void add_ways(const Yaml& yaml, const SourceSpec& common, std::vector<SourceSpec>& ways) {
  const Choices choices = choices_in(yaml);
  const std::size_t count = ways_in(yaml, choices);
  for (std::size_t way = 0; way < count; ++way) {
    SourceSpec source = common;
    source.place = yaml.place();
    parse_files(yaml, choices, way, source);
    ways.push_back(std::move(source));
  }
}

std::vector<std::string> with(std::vector<std::string> keys, const std::vector<std::string>& more) {
  keys.insert(keys.end(), more.begin(), more.end());
  return keys;
}

nlohmann::ordered_json json_of(const SourceSpec& source) {
  using Json = nlohmann::ordered_json;
  const auto character = [](const std::optional<char>& c) {
    return c ? Json(static_cast<int>(static_cast<unsigned char>(*c))) : Json();
  };
  Json json = {{"format", source.format ? Json(static_cast<int>(*source.format)) : Json()},
               {"delimiter", character(source.delimiter)},
               {"quote", source.quote ? Json::array({character(*source.quote)}) : Json()},
               {"columns", source.columns},
               {"header", source.header},
               {"short_rows", source.skip_short_rows},
               {"records", source.records},
               {"rename", source.rename},
               {"hub", source.hub},
               {"folders", source.folders},
               {"train", source.train},
               {"validation", source.validation},
               {"test", source.test}};
  if (!source.any.empty()) json["any"] = Json::array();
  for (const SourceSpec& way : source.any) json["any"].push_back(json_of(way));
  return json;
}

}  // namespace

SourceSpec parse_source(const Yaml& yaml) {
  SourceSpec source;
  source.place = yaml.place();
  if (!yaml.is_map()) {
    source.train = files(yaml);
    return source;
  }
  yaml.only(with(with(file_keys, {"any", "get"}), reading_keys));
  parse_reading(yaml, source);
  if (yaml.has("get")) {
    source.advice = yaml.at("get").text();
    if (source.advice.find_first_not_of(" \n") == std::string::npos)
      yaml.at("get").fail("'get' is empty", "nothing", "instructions for getting the data");
  }
  if (!yaml.has("any")) {
    std::vector<SourceSpec> ways;
    add_ways(yaml, source, ways);
    if (ways.size() == 1) return ways.front();
    source.any = std::move(ways);
    return source;
  }
  for (const std::string& key : file_keys) {
    if (yaml.has(key))
      yaml.at(key).fail("'" + key + "' cannot be combined with 'any'", key, "files only inside the alternatives",
                        "make it one of the alternatives");
  }
  const Yaml any = yaml.at("any");
  if (!any.is_list()) any.fail("'any' must be a list of alternatives", "no list", "lines like '- {train: …}' under it");
  std::vector<SourceSpec> ways;
  for (const Yaml& item : any.items()) {
    item.only(with(file_keys, reading_keys));
    SourceSpec common = source;
    parse_reading(item, common);
    add_ways(item, common, ways);
  }
  source.any = std::move(ways);
  if (source.any.empty()) any.fail("'any' is empty", "an empty list", "at least one alternative");
  return source;
}

std::vector<SourceSpec> ways_of(const SourceSpec& source) {
  return source.any.empty() ? std::vector<SourceSpec>{source} : source.any;
}

std::string source_json(const SourceSpec& source) { return json_of(source).dump(); }

}  // namespace peftbench::data
