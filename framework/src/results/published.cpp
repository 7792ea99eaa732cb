#include "results/published.h"

#include "core/yaml.h"

#include <set>
#include <tuple>

namespace peftbench::results {
namespace {

// Of the entry, or of the whole file.
std::string text_of(const Yaml& entry, const Yaml& all, const char* key) {
  const Yaml value = entry.has(key) || !all.has(key) ? entry.at(key) : all.at(key);
  if (value.text().empty()) value.fail(std::string("'") + key + "' is empty", {}, "a text");
  return value.text();
}

}  // namespace

std::vector<PublishedScore> read_published(const fs::path& file) {
  const Yaml yaml = Yaml::load(file);
  yaml.only({"method", "backbone", "citation", "scores"});
  std::vector<PublishedScore> published;
  std::set<std::tuple<std::string, std::string, std::string, std::string>> seen;
  for (const Yaml& entry : yaml.at("scores").items()) {
    if (!entry.is_map())
      entry.fail("an entry is not a map", {}, "{task: superglue/rte, metric: accuracy, score: 0.93}");
    entry.only({"method", "task", "metric", "score", "backbone", "citation"});
    PublishedScore score;
    score.method = text_of(entry, yaml, "method");
    score.task = entry.at("task").text();
    score.metric = entry.at("metric").text();
    score.backbone = text_of(entry, yaml, "backbone");
    score.citation = text_of(entry, yaml, "citation");
    score.score = entry.at("score").number();
    if (!(score.score >= -1 && score.score <= 1))
      entry.at("score").fail("invalid score", entry.at("score").text(), "a number from -1 to 1",
                             "divide a score in percent by 100");
    if (!seen.insert({score.method, score.backbone, score.task, score.metric}).second)
      entry.fail("duplicate entry", score.method + " on " + score.task + ", " + score.metric,
                 "one score of a method, backbone, task and metric");
    published.push_back(std::move(score));
  }
  return published;
}

}  // namespace peftbench::results
