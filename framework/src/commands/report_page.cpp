#include "commands/report_page.h"

#include "commands/page_answers.h"
#include "core/first_line.h"
#include "core/write_files.h"
#include "report/page/page_figures.h"
#include "report/page/plot_library.h"
#include "results/learning_curve.h"

#include <peftbench/error.h>

#include <cmath>
#include <optional>
#include <utility>

namespace peftbench::commands {
namespace {

std::optional<double> number_of_ledger(const Json& ledger, const char* key) {
  const auto found = ledger.find(key);
  if (found == ledger.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

RowFacts facts_of(const ComparisonRow& row, const StoredRuns& stored) {
  RowFacts facts;
  if (row.percent) facts.trained_share = *row.percent / 100;
  for (const SeedRun& run : row.runs) {
    const StoredRun* found = run.status == "finished" ? stored.find(run.id) : nullptr;
    if (!found) continue;
    const RunRecord record = found->record();
    if (record.backbone.parameters > 0) facts.backbone_size = static_cast<double>(record.backbone.parameters);
    facts.added_length = number_of_ledger(record.ledger, "added_encoder_length");
    break;
  }
  return facts;
}

std::vector<RunCurve> curves_of(const std::vector<ComparisonRow>& rows, const StoredRuns& stored,
                                ProgressSink& progress, std::vector<std::string>& notes) {
  std::vector<RunCurve> curves;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    if (rows[r].task.empty()) continue;
    progress.update({"read logs", static_cast<std::int64_t>(r), static_cast<std::int64_t>(rows.size()), rows[r].label});
    for (const SeedRun& run : rows[r].runs) {
      const StoredRun* found = stored.find(run.id);
      if (!found) continue;
      try {
        LearningCurve curve = read_learning_curve(found->folder.log());
        if (!curve.empty()) curves.push_back({r, run.seed, std::move(curve)});
      } catch (const DataError& error) {
        notes.push_back("the log of " + run.id + " is not shown: " + first_line(error.what()));
      }
    }
  }
  return curves;
}

}  // namespace

PageData gather_page(PageRequest request, const StoredRuns& stored, ProgressSink& progress) {
  PageData data;
  data.rows = std::move(request.rows);
  data.tables = std::move(request.tables);
  data.tests = std::move(request.tests);
  data.searches = std::move(request.searches);
  for (const ComparisonRow& row : data.rows) data.facts.push_back(facts_of(row, stored));
  data.curves = curves_of(data.rows, stored, progress, data.notes);
  data.answers = table_answers(data.rows, stored, {}, data.notes);
  for (const char* folder : {".deps/plot", "plot"})
    if (!data.library) data.library = read_plot_library(request.home / folder);
  return data;
}

std::size_t write_figures(const PageData& data, const fs::path& folder) {
  const std::vector<Figure> all = figures(data, SvgUse::file);
  if (all.empty())
    throw DataError({.what = "there is nothing to draw",
                     .found = "no finished run with a score",
                     .expected = "one finished run or more"});
  make_folder(folder);
  for (const Figure& figure : all) write_atomically(folder / (figure.name + ".svg"), figure.svg);
  return all.size();
}

}  // namespace peftbench::commands
