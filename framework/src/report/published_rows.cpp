#include "report/published_rows.h"

#include "report/format.h"

#include <fmt/format.h>

#include <algorithm>

namespace peftbench::report {
namespace {

// What one paper says of a method on a backbone.
struct PublishedMethod {
  const PublishedScore* first;
  std::vector<const PublishedScore*> scores;

  bool has(const PublishedScore& other) const {
    return first->method == other.method && first->backbone == other.backbone && first->citation == other.citation;
  }
  // By the column's metric if there is one.
  const PublishedScore* on(const ScoreColumn& column) const {
    const PublishedScore* found = nullptr;
    for (const PublishedScore* score : scores)
      if (score->task == column.task && (!found || score->metric == column.metric)) found = score;
    return found;
  }
};

std::vector<PublishedMethod> published_methods(const std::vector<ScoreColumn>& columns,
                                               const std::vector<PublishedScore>& published) {
  std::vector<PublishedMethod> methods;
  for (const PublishedScore& score : published) {
    if (std::none_of(columns.begin(), columns.end(), [&](const auto& column) { return column.task == score.task; }))
      continue;
    auto place = std::find_if(methods.begin(), methods.end(), [&](const auto& method) { return method.has(score); });
    if (place == methods.end()) place = methods.insert(methods.end(), PublishedMethod{&score, {}});
    place->scores.push_back(&score);
  }
  return methods;
}

}  // namespace

void add_published(Table& table, const std::vector<ScoreColumn>& columns, std::optional<std::size_t> mean,
                   const std::vector<PublishedScore>& published) {
  const std::vector<PublishedMethod> methods = published_methods(columns, published);
  if (methods.empty()) return;
  table.add_rule();
  std::vector<std::string> citations;
  for (const PublishedMethod& method : methods) {
    const std::string& citation = method.first->citation;
    auto cited = std::find(citations.begin(), citations.end(), citation);
    if (cited == citations.end()) cited = citations.insert(citations.end(), citation);
    std::vector<Cell> cells(table.columns.size());
    cells.front() =
        Cell(fmt::format("{} ({}) [{}]", method.first->method, method.first->backbone, cited - citations.begin() + 1));
    double sum = 0;
    bool all = true;
    for (const ScoreColumn& column : columns) {
      const PublishedScore* score = method.on(column);
      all = all && score && score->metric == column.metric;
      if (!score) continue;
      sum += score->score;
      cells.at(column.place) =
          Cell(format_score(score->score) + (score->metric == column.metric ? "" : " (" + score->metric + ")"),
               score->score);
    }
    if (mean && all) {
      const double value = sum / static_cast<double>(columns.size());
      cells.at(*mean) = Cell(format_score(value), value);
    }
    table.add(std::move(cells));
  }
  Note note{"published scores, of other sizes or backbones and not measured here", {}};
  for (std::size_t c = 0; c < citations.size(); ++c) note.lines.push_back(fmt::format("[{}] {}", c + 1, citations[c]));
  table.notes.push_back(std::move(note));
}

std::vector<std::string> not_shown(const std::vector<ComparisonRow>& rows,
                                   const std::vector<PublishedScore>& published) {
  std::vector<std::string> lines;
  for (const PublishedScore& score : published)
    if (std::none_of(rows.begin(), rows.end(), [&](const auto& row) { return row.task == score.task; }))
      lines.push_back("the published score of " + score.method + " on " + score.task +
                      " is not shown: no run has this task");
  return lines;
}

}  // namespace peftbench::report
