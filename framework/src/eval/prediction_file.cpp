#include "eval/prediction_file.h"

#include "core/json.h"
#include "core/names.h"
#include "core/utf8.h"
#include "data/task/metric_names.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

namespace peftbench::eval {

namespace {

using Json = nlohmann::ordered_json;

// −1 where there is no such word.
int place_among(const std::vector<std::string>& labels, const std::string& word) {
  const auto found = std::find(labels.begin(), labels.end(), word);
  return found == labels.end() ? -1 : static_cast<int>(found - labels.begin());
}

// One line, read strictly.
class Line {
 public:
  Line(Json json, std::string place) : json_(std::move(json)), place_(std::move(place)) {
    if (!json_.is_object()) fail("not a prediction", json_.dump(), R"({"prediction": "…", "target": "…"})");
  }
  std::string text(const char* key) const {
    const auto found = json_.find(key);
    if (found == json_.end())
      fail(std::string("'") + key + "' is missing", names(), std::string("a string '") + key + "'");
    if (!found->is_string()) fail(std::string("'") + key + "' is not a string", found->dump(), "a string");
    return found->get<std::string>();
  }
  bool has(const char* key) const { return json_.contains(key); }
  std::vector<std::string> texts(const char* key) const {
    std::vector<std::string> result;
    if (!has(key)) return result;
    const Json& list = json_.at(key);
    const auto is_text = [](const Json& item) { return item.is_string(); };
    if (!list.is_array() || !std::all_of(list.begin(), list.end(), is_text))
      fail(std::string("'") + key + "' is not a list of strings", list.dump(), R"(["…"])");
    for (const Json& item : list) result.push_back(item.get<std::string>());
    return result;
  }
  // A label as the file has it, else its place among the words.
  int label(const char* key, const std::string& word, const std::vector<std::string>& labels) const {
    const int most = labels.empty() ? std::numeric_limits<short>::max() : static_cast<int>(labels.size()) - 1;
    if (has(key)) {
      const std::optional<std::int64_t> value = json_integer(json_.at(key));
      if (!value || *value < -1 || *value > most)
        fail(std::string("'") + key + "' is not a label", json_.at(key).dump(), "-1 (none) to " + std::to_string(most));
      return static_cast<int>(*value);
    }
    return place_among(labels, word);
  }
  // The example's place in its split, where the line has one.
  std::optional<std::int64_t> index() const {
    if (!has("index")) return std::nullopt;
    const std::optional<std::int64_t> value = json_integer(json_.at("index"));
    if (!value || *value < 0)
      fail("'index' is not a valid example index", json_.at("index").dump(), "a whole number, 0 or more");
    return value;
  }
  // Another program's may mean anything.
  std::string origin() const {
    const auto found = json_.find("origin");
    return found != json_.end() && found->is_string() ? found->get<std::string>() : "";
  }
  [[noreturn]] void fail(const std::string& what, const std::string& found, const std::string& expected) const {
    throw DataError({place_ + ": " + what, printable(found), expected, "see docs/results-schema.md for the format"});
  }

 private:
  std::string names() const {
    std::vector<std::string> keys;
    for (const auto& [key, value] : json_.items()) keys.push_back(key);
    return keys.empty() ? "no fields" : "the fields " + join(keys);
  }
  Json json_;
  std::string place_;
};

// How many predictions a file can hold: one on each line, of which none is shorter than the shortest.
std::size_t most_predictions(const fs::path& file) {
  constexpr std::string_view shortest = R"({"prediction":"","target":""})";
  InputFile in(file);
  std::vector<char> block(1 << 20);
  std::size_t lines = 1, bytes = 0;
  while (const std::size_t got = in.read(block.data(), block.size())) {
    lines +=
        static_cast<std::size_t>(std::count(block.begin(), block.begin() + static_cast<std::ptrdiff_t>(got), '\n'));
    bytes += got;
  }
  return std::min(lines, bytes / shortest.size() + 1);
}

// Examples that stand twice count twice, and the interval is too narrow.
class Indices {
 public:
  void add(const std::string& task, std::int64_t index, std::int64_t line) { seen_[task].push_back({index, line}); }
  void check(const fs::path& file) {
    for (auto& [task, places] : seen_) {
      std::sort(places.begin(), places.end());
      const auto twice = std::adjacent_find(places.begin(), places.end(),
                                            [](const auto& a, const auto& b) { return a.first == b.first; });
      if (twice == places.end()) continue;
      throw DataError({file.string() + ":" + std::to_string((twice + 1)->second) + ": duplicate example",
                       "index " + std::to_string(twice->first) + ", as on line " + std::to_string(twice->second) +
                           (task.empty() ? "" : ", of task " + printable(task)),
                       "each example once",
                       "score the predictions of one run; if 'index' is not a position in a split, leave it out"});
    }
  }

 private:
  std::map<std::string, std::vector<std::pair<std::int64_t, std::int64_t>>> seen_;  // index and line, by task
};

Prediction prediction_of(const Line& line, std::int64_t index, const std::vector<std::string>& labels) {
  Prediction p;
  p.index = index;
  p.prediction = line.text("prediction");
  p.target = line.text("target");
  p.references = line.texts("references");
  if (line.has("group")) p.group = line.text("group");
  p.label = line.label("label", p.prediction, labels);
  p.target_label = line.label("target_label", p.target, labels);
  if (!labels.empty() && p.target_label < 0)
    line.fail("the target is not a label word", spelled(p.target), "one of " + spelled_list(labels));
  // Another program's numbers may follow another order, and the scores would be of other classes.
  if (const int own = place_among(labels, p.target); own >= 0 && own != p.target_label)
    line.fail("'target_label' does not match the target", std::to_string(p.target_label) + " for '" + p.target + "'",
              std::to_string(own) + ", its index in " + join(labels));
  return p;
}

}  // namespace

Json to_json(const Prediction& p) {
  Json json = {{"index", p.index},   {"prediction", p.prediction},     {"label", p.label},
               {"target", p.target}, {"target_label", p.target_label}, {"correct", p.correct}};
  if (p.judged) json["judged"] = *p.judged;
  if (!p.references.empty()) json["references"] = p.references;
  if (!p.group.empty()) json["group"] = p.group;
  return json;
}

PredictionFile read_predictions(const fs::path& file, const std::vector<std::string>& labels, const std::string& task) {
  std::error_code error;
  if (fs::is_directory(file, error))
    throw DataError({"cannot read " + file.string(), "a folder", "a predictions file with one JSON object per line",
                     "give the predictions.jsonl in it"});
  PredictionFile result{file, {}, {}, {}};
  std::vector<Prediction>& predictions = result.predictions;
  Indices indices;
  const std::size_t most = most_predictions(file);  // a vector that grows needs up to three times the room
  predictions.reserve(most);
  result.lines.reserve(most);
  result.places.reserve(most);
  LineReader lines(file);
  for (std::string text; lines.next(text);) {
    const std::string place = file.string() + ":" + std::to_string(lines.number());
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    JsonFault fault;
    std::optional<Json> json = parse_json<Json>(text, fault);
    if (!json)
      throw DataError({.what = place + ": not JSON",
                       .found = fault.what + " in " + printable(text),
                       .expected = R"({"prediction": "…", "target": "…"} on each line)"});
    const Line line(std::move(*json), place);
    if (!task.empty() && line.text("task") != task) continue;
    predictions.push_back(prediction_of(line, static_cast<std::int64_t>(predictions.size()), labels));
    result.lines.push_back(lines.number());
    result.places.push_back({line.index(), line.origin()});
    if (const auto index = result.places.back().index)
      indices.add(line.has("task") ? line.text("task") : "", *index, lines.number());
  }
  indices.check(file);
  if (predictions.empty())
    throw DataError({.what = file.string() + " contains no predictions" + (task.empty() ? "" : " of the task " + task),
                     .found = "no lines",
                     .expected = "one line per prediction"});
  return result;
}

void check_scorable(const PredictionFile& file, const std::vector<std::string>& metrics) {
  for (const std::string& name : metrics) {
    const MetricInfo* metric = find_metric(name);
    if (!metric) continue;
    for (std::size_t i = 0; i < file.predictions.size(); ++i) {
      const Prediction& p = file.predictions[i];
      std::string lacks;
      if (metric->groups && p.group.empty()) lacks = "a 'group'";
      if (metric->judges == MetricInfo::Judges::number && !number_of(p.target)) lacks = "a target that is a number";
      if (metric->judges == MetricInfo::Judges::referent && p.target_label != 0 && p.target_label != 1)
        lacks = "a 'target_label' of 0 or 1";
      if (lacks.empty()) continue;
      throw DataError({file.file.string() + ":" + std::to_string(file.lines[i]) + ": the metric '" + name +
                           "' cannot score this line",
                       "the prediction '" + printable(p.prediction) + "' with the target '" + printable(p.target) + "'",
                       lacks, "choose another metric, or add what is missing"});
    }
  }
}

}  // namespace peftbench::eval
