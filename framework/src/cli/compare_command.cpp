#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/print_rows.h"
#include "commands/compare_runs.h"
#include "core/names.h"
#include "report/format.h"
#include "report/pair_table.h"
#include "report/render.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace peftbench::cli {
namespace {

Json number_json(const std::optional<double>& value) { return value && std::isfinite(*value) ? Json(*value) : Json(); }

Json interval_json(const std::optional<Interval>& interval) {
  return interval ? Json({interval->low, interval->high}) : Json();
}

Json as_json(const ComparedTask& task) {
  Json pairs = Json::array(), metrics = Json::array();
  for (std::size_t s = 0; s < task.runs_a.size(); ++s)
    pairs.push_back(
        {{"a", task.runs_a[s]}, {"seed_a", task.seeds_a[s]}, {"b", task.runs_b[s]}, {"seed_b", task.seeds_b[s]}});
  for (const ComparedMetric& m : task.metrics)
    metrics.push_back({{"name", m.name},
                       {"n", m.n},
                       {"a", number_json(m.a)},
                       {"a_interval", interval_json(m.a_interval)},
                       {"b", number_json(m.b)},
                       {"b_interval", interval_json(m.b_interval)},
                       {"difference", number_json(m.difference)},
                       {"interval", interval_json(m.interval)},
                       {"p", number_json(m.p)},
                       {"p_holm", number_json(m.adjusted_p)},
                       {"p_seeds", number_json(m.p_seeds)},
                       {"test", m.test},
                       {"only_a", m.only_a},
                       {"only_b", m.only_b}});
  return {{"task", task.task},
          {"backbone_a", task.backbone_a},
          {"backbone_b", task.backbone_b},
          {"split", task.split},
          {"examples", task.examples},
          {"runs", pairs},
          {"metrics", std::move(metrics)}};
}

Json as_json(const CompareRequest& request, const RunComparison& comparison) {
  Json tasks = Json::array(), over;
  for (const ComparedTask& task : comparison.tasks) tasks.push_back(as_json(task));
  if (const auto& all = comparison.over_tasks)
    over = {{"tasks", all->tasks},
            {"difference", number_json(all->difference)},
            {"p", number_json(all->p)},
            {"test", all->test}};
  return {{"a", request.a}, {"b", request.b},     {"seed", request.seed},
          {"tasks", tasks}, {"over_tasks", over}, {"warnings", comparison.warnings}};
}

std::string score_with(const std::optional<Interval>& interval, const std::string& score) {
  return interval ? fmt::format("{} [{}, {}]", score, format_score(interval->low), format_score(interval->high))
                  : score;
}

std::string seeds_text(const ComparedTask& task) {
  std::vector<std::string> seeds;
  for (std::size_t s = 0; s < task.seeds_a.size(); ++s)
    seeds.push_back(task.seeds_a[s] == task.seeds_b[s] ? std::to_string(task.seeds_a[s])
                                                       : fmt::format("{} and {}", task.seeds_a[s], task.seeds_b[s]));
  return (seeds.size() == 1 && task.seeds_a == task.seeds_b ? "seed " : "seeds ") + join(seeds);
}

// `several`: more than one test was made, so p is shown adjusted too.
Table table_of(const ComparedTask& task, bool several) {
  Table table({"metric"});
  // On a page that is too narrow, the scores come first and the tests below.
  enum Part { scores, tests };
  const auto add = [&](const char* title, Part part, Align align = Align::right) {
    table.columns.emplace_back(title, align, title, part);
  };
  for (const char* title : {"A", "B", "A − B"}) add(title, scores);
  add("p", tests);
  if (several) add("p, Holm", tests);
  const bool seeds = task.runs_a.size() > 1;
  if (seeds) add("p, seeds", tests);
  for (const char* title : {"only A right", "only B right"}) add(title, tests);
  add("test", tests, Align::left);
  const std::string backbones =
      task.backbone_a == task.backbone_b ? task.backbone_a : task.backbone_a + " (A) and " + task.backbone_b + " (B)";
  table.title = fmt::format("{} on {}: {} {} examples, {}", task.task, backbones, with_thousands(task.examples),
                            task.split, seeds_text(task));
  for (const ComparedMetric& m : task.metrics) {
    std::vector<Cell> cells = {m.name, score_with(m.a_interval, format_score(m.a)),
                               score_with(m.b_interval, format_score(m.b)),
                               score_with(m.interval, fmt::format("{:+.3f}", m.difference)), p_text(m.p)};
    if (several) cells.emplace_back(p_text(m.adjusted_p));
    if (seeds) cells.emplace_back(p_text(m.p_seeds));
    cells.push_back(count_cell(m.only_a));
    cells.push_back(count_cell(m.only_b));
    cells.emplace_back(m.test);
    table.add(std::move(cells));
  }
  return table;
}

std::string as_text(const CompareRequest& request, const RunComparison& comparison) {
  std::ptrdiff_t tests = 0;
  for (const ComparedTask& task : comparison.tasks)
    tests += std::count_if(task.metrics.begin(), task.metrics.end(), [](const auto& m) { return m.p.has_value(); });
  std::string text = "A: " + request.a + "\nB: " + request.b + "\n";
  for (const ComparedTask& task : comparison.tasks) text += "\n" + render_text(table_of(task, tests > 1), page_width());
  if (const auto& over = comparison.over_tasks)
    text += fmt::format("\nover {} tasks, first metrics: A − B {:+.3f} on average, p {} ({})\n", over->tasks,
                        over->difference, p_text(over->p), over->test);
  return text + "\nintervals are of 95 %; docs/statistics.md defines the tests\n";
}

}  // namespace

int compare_command(const std::vector<std::string>& words) {
  Arguments arguments(
      "compare",
      "Compares two runs, or two rows of a table over their seeds, on the examples that both answered: the\n"
      "difference of each metric with its interval, and whether a test can tell the two apart. Reads the\n"
      "records and predictions; no model is loaded.");
  CompareRequest request;
  CLI::App& app = arguments.app();
  const char* const side = "a run's folder or id, or the label of a row of `peft-bench report`";
  app.add_option("A", request.a, side)->required()->type_name("");
  app.add_option("B", request.b, side)->required()->type_name("");
  app.add_option("--seed", request.seed, "random seed of bootstrap and permutation draws")->capture_default_str();
  arguments.add_out();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  request.out = arguments.out();
  ConsoleProgress progress;
  const RunComparison comparison = compare_runs(request, progress);
  progress.clear();
  if (arguments.json()) {
    print_json(as_json(request, comparison));
  } else {
    print(as_text(request, comparison));
    print_warnings(comparison.warnings);
  }
  return 0;
}

}  // namespace peftbench::cli
