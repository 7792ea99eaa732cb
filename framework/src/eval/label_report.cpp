#include "eval/label_report.h"

#include "core/names.h"
#include "core/utf8.h"

#include <nlohmann/json.hpp>

namespace peftbench::eval {

namespace {

std::optional<double> share(std::int64_t part, std::int64_t whole) {
  if (whole == 0) return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::optional<double> LabelScore::precision() const { return share(hits, answers); }
std::optional<double> LabelScore::recall() const { return share(hits, targets); }
std::optional<double> LabelScore::f1() const { return share(2 * hits, targets + answers); }

LabelReport label_report(const std::vector<Prediction>& predictions, const std::vector<std::string>& labels) {
  LabelReport report;
  if (labels.empty()) return report;
  const std::size_t none = labels.size();
  const auto place = [&](int label) {
    return label < 0 || static_cast<std::size_t>(label) >= none ? none : static_cast<std::size_t>(label);
  };
  for (const std::string& label : labels) report.labels.push_back({label});
  if (none <= most_confused) report.confusion.assign(none, std::vector<std::int64_t>(none + 1, 0));
  report.examples = static_cast<std::int64_t>(predictions.size());
  for (const Prediction& p : predictions) {
    const std::size_t target = place(p.target_label), answer = place(p.label);
    if (answer != none) ++report.labels[answer].answers;
    if (target == none) continue;
    ++report.labels[target].targets;
    if (answer == target) ++report.labels[target].hits;
    if (!report.confusion.empty()) ++report.confusion[target][answer];
  }
  return report;
}

std::vector<std::string> label_remarks(const LabelReport& report, const std::string& split) {
  std::vector<std::string> absent, unanswered;
  const std::string of = " of " + with_thousands(report.examples) + " " + split + "examples)";
  for (const LabelScore& label : report.labels) {
    if (label.targets == 0)
      absent.push_back(spelled(label.label));
    else if (label.answers == 0)
      unanswered.push_back(spelled(label.label) + " (target of " + with_thousands(label.targets) + of);
  }
  std::vector<std::string> remarks;
  if (!unanswered.empty()) remarks.push_back("never answers " + join(unanswered));
  if (!absent.empty()) remarks.push_back("no " + split + "example of " + join(absent));
  return remarks;
}

nlohmann::ordered_json labels_json(const LabelReport& report) {
  using Json = nlohmann::ordered_json;
  const auto number = [](const std::optional<double>& value) { return value ? Json(*value) : Json(); };
  Json json = Json::array();
  for (const LabelScore& label : report.labels)
    json.push_back({{"label", label.label},
                    {"targets", label.targets},
                    {"answers", label.answers},
                    {"precision", number(label.precision())},
                    {"recall", number(label.recall())},
                    {"f1", number(label.f1())}});
  return json;
}

}  // namespace peftbench::eval
