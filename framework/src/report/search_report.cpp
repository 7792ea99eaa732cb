#include "report/search_report.h"

#include "core/json.h"
#include "core/names.h"
#include "report/format.h"
#include "report/row_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace peftbench::report {
namespace {

// 1, 2, 4, …, and the longest search.
std::vector<std::size_t> trial_counts(const std::vector<const SearchResult*>& searches) {
  std::size_t most = 0;
  for (const SearchResult* search : searches) most = std::max(most, search->expected_best.size());
  std::vector<std::size_t> counts;
  for (std::size_t k = 1; k < most; k *= 2) counts.push_back(k);
  if (most > 0) counts.push_back(most);
  return counts;
}

std::string values_text(const Json& values) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : values.items()) parts.push_back(name + "=" + json_text(value));
  return join(parts);
}

std::string trials_text(const SearchResult& search) {
  const auto scored =
      std::count_if(search.trials.begin(), search.trials.end(), [](const auto& trial) { return trial.score; });
  return scored == search.planned ? std::to_string(scored) : fmt::format("{} of {}", scored, search.planned);
}

Cell validation_cell(const std::optional<double>& score) {
  return score ? Cell(format_score(*score), Json(*score)) : Cell();
}

// Trials without a score, a line each.
std::vector<std::string> without_score(const std::vector<const SearchResult*>& searches) {
  std::vector<std::string> lines;
  for (const SearchResult* search : searches)
    for (const SearchTrial& trial : search->trials)
      if (!trial.score && trial.status != "missing")
        lines.push_back(fmt::format("{} on {}, trial {} ({}): {}{}", search->row, search->task, trial.number,
                                    values_text(trial.values),
                                    trial.status == "finished" ? "not scored on validation examples" : trial.status,
                                    trial.message.empty() ? "" : ": " + first_lines(trial.message)));
  return lines;
}

}  // namespace

std::vector<Table> search_tables(const std::vector<ComparisonRow>& rows) {
  std::vector<const SearchResult*> searches;
  std::set<std::string> backbones;
  for (const ComparisonRow& row : rows) {
    if (!row.search) continue;
    searches.push_back(&*row.search);
    backbones.insert(row.backbone);
  }
  if (searches.empty()) return {};
  const std::vector<std::size_t> counts = trial_counts(searches);
  std::vector<Column> columns = {Column("row"), Column("task")};
  if (backbones.size() > 1) columns.emplace_back("backbone");
  columns.push_back(right_column("trials"));
  columns.emplace_back("metric");
  columns.push_back(right_column("best"));
  for (const std::size_t count : counts) columns.push_back(right_column(fmt::format("best of {}", count)));
  columns.emplace_back("at an end");
  columns.emplace_back("chosen");
  Table table(columns);
  table.title = "searches: scores on validation examples; \"best of k\" is expected after k trials";
  for (const SearchResult* search : searches) {
    const SearchTrial* chosen = search->chosen ? &search->trials[*search->chosen] : nullptr;
    std::vector<Cell> cells = {search->row, search->task};
    if (backbones.size() > 1) cells.emplace_back(search->backbone);
    cells.emplace_back(trials_text(*search));
    cells.emplace_back(search->metric.empty() ? Cell() : Cell(search->metric));
    cells.push_back(validation_cell(chosen ? chosen->score : std::nullopt));
    for (const std::size_t count : counts) {
      const auto& expected = search->expected_best;
      cells.push_back(validation_cell(count <= expected.size() ? std::optional(expected[count - 1]) : std::nullopt));
    }
    cells.push_back(search->edges.empty() ? Cell() : Cell(join(search->edges)));
    cells.push_back(chosen ? Cell(fmt::format("trial {}: {}", chosen->number, values_text(chosen->values))) : Cell());
    table.add(std::move(cells));
  }
  if (std::vector<std::string> lines = without_score(searches); !lines.empty())
    table.notes.push_back({"trials without a score", std::move(lines)});
  return {table};
}

Json search_json(const SearchResult& search) {
  const auto number = [](const std::optional<double>& value) { return value ? Json(*value) : Json(); };
  Json json = {{"metric", search.metric},   {"split", "validation"}, {"planned", search.planned},
               {"halving", search.halving}, {"space", search.space}, {"trials", Json::array()},
               {"chosen", nullptr},         {"values", nullptr},     {"expected_best", search.expected_best},
               {"edges", search.edges}};
  for (const SearchTrial& trial : search.trials)
    json["trials"].push_back({{"trial", trial.number},
                              {"rung", trial.rung},
                              {"run", trial.run},
                              {"status", trial.status},
                              {"values", trial.values},
                              {"score", number(trial.score)}});
  if (search.chosen) {
    json["chosen"] = search.trials[*search.chosen].number;
    json["values"] = search.trials[*search.chosen].values;
  }
  return json;
}

}  // namespace peftbench::report
