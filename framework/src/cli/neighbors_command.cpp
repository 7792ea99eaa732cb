#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/fetch.h"
#include "commands/neighbors.h"
#include "core/names.h"
#include "report/format.h"
#include "report/render.h"
#include "report/text_sheet.h"
#include "results/run_record.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace peftbench::cli {
namespace {

Json statistics_json(const NeighborStatistics& s) {
  Json labels = Json::array();
  for (const LabelPersistence& label : s.labels)
    labels.push_back({{"label", label.label}, {"ids", label.ids}, {"rows", label.rows}});
  return {{"label_persistence_rate", s.labels.empty() ? Json(nullptr) : Json(s.label_persistence)},
          {"labels", labels},
          {"duplicate_rate", s.duplicates},
          {"mean_nearest_cosine", s.mean_cosine}};
}

Json as_json(const NeighborsOutcome& outcome) {
  Json rows = Json::array(), frequent = Json::array();
  for (const auto& row : outcome.rows) {
    Json line = Json::array();
    for (const NamedNeighbor& n : row) line.push_back({{"piece", n.piece}, {"id", n.id}, {"cosine", n.cosine}});
    rows.push_back(line);
  }
  for (const auto& [piece, count] : outcome.frequent) frequent.push_back({{"piece", piece}, {"rows", count}});
  return {{"method", outcome.method},
          {"backbone", outcome.backbone},
          {"tensor", outcome.tensor},
          {"words", outcome.words},
          {"rows", rows},
          {"prompt", statistics_json(outcome.prompt)},
          {"frequent", frequent},
          {"random_control", statistics_json(outcome.control)}};
}

std::string label_text(const NeighborStatistics& s) {
  std::vector<std::string> parts;
  for (const LabelPersistence& label : s.labels) parts.push_back(label.label + " " + std::to_string(label.rows));
  return format_percent(s.label_persistence) + " of the labels (" + join(parts) + " rows)";
}

std::string as_text(const NeighborsOutcome& outcome) {
  Table table({right_column("row"), "nearest words by cosine"});
  for (std::size_t i = 0; i < outcome.rows.size(); ++i) {
    std::vector<std::string> words;
    for (const NamedNeighbor& n : outcome.rows[i]) words.push_back(fmt::format("{} {:.3f}", n.piece, n.cosine));
    table.add({std::to_string(i), join(words, "  ")});
  }
  TextSheet sheet;
  const auto add = [&](const std::string& what, const std::string& prompt, const std::string& control) {
    sheet.add(what, prompt + "; random vectors: " + control);
  };
  if (outcome.prompt.labels.empty())
    sheet.add("labels found", "none to look for; use --labels");
  else
    add("labels found", label_text(outcome.prompt), label_text(outcome.control));
  add("duplicates",
      format_percent(outcome.prompt.duplicates) + " of the rows have the same nearest word as an earlier row",
      format_percent(outcome.control.duplicates));
  add("nearest cosine", fmt::format("{:.3f} on average", outcome.prompt.mean_cosine),
      fmt::format("{:.3f}", outcome.control.mean_cosine));
  std::vector<std::string> frequent;
  for (const auto& [piece, count] : outcome.frequent) frequent.push_back(fmt::format("{} {}", piece, count));
  if (!frequent.empty()) sheet.add("most frequent", join(frequent));
  return fmt::format("{} of {}, {} rows, among {} words of {}\n\n", outcome.tensor, outcome.method, outcome.rows.size(),
                     with_thousands(outcome.words), outcome.backbone) +
         render_text(table, terminal_width(1)) + "\n" + sheet.text(terminal_width(1));
}

}  // namespace

int neighbors_command(const std::vector<std::string>& words) {
  Arguments arguments(
      "neighbors",
      "Prints the words whose embeddings are nearest to each row of a trained prompt, whether the task's\n"
      "labels are among them, and the same for random vectors.");
  NeighborsRequest request;
  CLI::App& app = arguments.app();
  app.add_option("RUN", request.adapter, "a run's folder or id, or an adapter's folder")->required()->type_name("");
  app.add_option("--top", request.top, "words per row")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--tensor", request.tensor, "which prompt, if the method has several")->type_name("NAME");
  app.add_option("--labels", request.labels, "words to look for instead of the task's labels")
      ->delimiter(',')
      ->type_name("WORD,…");
  app.add_option("--backbone", request.backbone, "if the adapter's own backbone is not found")->type_name("NAME");
  arguments.add_out();
  arguments.add_paths();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  request.paths = fetching(arguments.paths());
  request.runs = arguments.out();
  const NeighborsOutcome outcome = find_neighbors(request);
  print_warnings(outcome.notes);
  if (arguments.json())
    print_json(as_json(outcome));
  else
    print(as_text(outcome));
  return 0;
}

}  // namespace peftbench::cli
