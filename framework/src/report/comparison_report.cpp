#include "report/comparison_report.h"

#include "core/names.h"
#include "report/format.h"
#include "report/score_grid.h"
#include "report/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

namespace peftbench {
namespace {

const std::string none = "–";

std::string number(const std::optional<Range>& range) {
  if (!range) return none;
  return range->low == range->high ? with_thousands(range->low)
                                   : with_thousands(range->low) + "–" + with_thousands(range->high);
}

std::int64_t finished(const ComparisonRow& row) {
  return std::count_if(row.runs.begin(), row.runs.end(), [](const SeedRun& run) { return run.status == "finished"; });
}

std::string seeds(const ComparisonRow& row) {
  const auto all = static_cast<std::int64_t>(row.runs.size());
  const std::int64_t good = finished(row);
  return good == all ? std::to_string(all) : fmt::format("{} of {}", good, all);
}

struct Column {
  const char* header;  // '>': numbers
  std::function<std::string(const ComparisonRow&)> cell;
};

const std::vector<Column>& scores_and_costs() {
  static const std::vector<Column> columns = {
      {">score", [](const auto& r) { return score_text(r); }},
      {">seeds", seeds},
      {">majority", [](const auto& r) { return r.majority ? format_score(*r.majority) : none; }},
      {">illegal", [](const auto& r) { return r.illegal_rate ? format_percent(*r.illegal_rate) : none; }},
      {">step", [](const auto& r) { return r.step_seconds ? format_duration(*r.step_seconds) : none; }},
      {">memory", [](const auto& r) { return r.peak_memory_bytes ? format_bytes(*r.peak_memory_bytes) : none; }},
      {">bytes stored", [](const auto& r) { return number(r.bytes_stored); }},
  };
  return columns;
}

const std::vector<Column>& counts() {
  static const std::vector<Column> columns = {
      {">trained", [](const auto& r) { return number(r.trained); }},
      {">of all", [](const auto& r) { return r.percent ? format_percent(*r.percent / 100) : none; }},
      {">with gradient", [](const auto& r) { return number(r.receiving_gradient); }},
      {">stored", [](const auto& r) { return number(r.stored); }},
      {">at inference", [](const auto& r) { return number(r.inference); }},
      {">after merging", [](const auto& r) { return number(r.after_merge); }},
  };
  return columns;
}

using Rows = std::vector<const ComparisonRow*>;

// The counts; beside them the ids of text prompts, where one of the rows has any.
std::vector<Column> counts_for(const Rows& rows) {
  std::vector<Column> columns = counts();
  if (std::any_of(rows.begin(), rows.end(),
                  [](const auto* r) { return r->prompt_tokens && r->prompt_tokens->high > 0; }))
    columns.push_back({">prompt ids", [](const auto& r) { return number(r.prompt_tokens); }});
  return columns;
}

std::vector<Column> columns_for(const Rows& rows) {
  std::vector<Column> columns = scores_and_costs();
  for (Column& column : counts_for(rows)) columns.push_back(std::move(column));
  return columns;
}

std::string table(const Rows& rows, const std::vector<Column>& columns) {
  std::vector<std::string> headers = {"method"};
  for (const Column& column : columns) headers.emplace_back(column.header);
  TextTable text(headers);
  for (const ComparisonRow* row : rows) {
    std::vector<std::string> cells = {row->label};
    for (const Column& column : columns) cells.push_back(column.cell(*row));
    text.add(std::move(cells));
  }
  return text.text();
}

std::size_t widest_line(const std::string& text) {
  std::size_t widest = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    widest = std::max(widest, display_width(std::string_view(text).substr(at, end - at)));
    at = end + 1;
  }
  return widest;
}

// Rows of one task and backbone.
struct Section {
  std::string task, backbone;
  Rows rows;

  // What was scored, if all rows agree in it.
  std::string title() const {
    std::string text = task + " on " + backbone, scored;
    for (const ComparisonRow* row : rows) {
      if (row->score.n == 0) continue;
      const std::string here = fmt::format("{} on {} {} examples", row->metric, number(row->examples), row->split);
      if (!scored.empty() && scored != here) return text;
      scored = here;
    }
    return scored.empty() ? text : text + ": " + scored;
  }
};

std::vector<Section> sections(const std::vector<ComparisonRow>& rows) {
  std::vector<Section> result;
  for (const ComparisonRow& row : rows) {
    auto section = std::find_if(result.begin(), result.end(),
                                [&](const Section& s) { return s.task == row.task && s.backbone == row.backbone; });
    if (section == result.end()) section = result.insert(result.end(), {row.task, row.backbone, {}});
    section->rows.push_back(&row);
  }
  return result;
}

// What went wrong, and what was met, of a message in several lines.
std::string in_one_line(const std::string& message) {
  std::string line = message.substr(0, message.find('\n'));
  const std::string mark = "\n  found:";
  const std::size_t found = message.find(mark);
  if (found == std::string::npos) return line;
  const std::size_t begin = std::min(message.find_first_not_of(' ', found + mark.size()), message.size());
  return line + " (" + message.substr(begin, message.find('\n', begin) - begin) + ")";
}

// Runs without a score, a line each.
std::vector<std::string> unfinished(const Section& section) {
  std::vector<std::string> lines;
  for (const ComparisonRow* row : section.rows)
    for (const SeedRun& run : row->runs)
      if (run.status != "finished")
        lines.push_back(fmt::format("{}, seed {}: {}{}", row->label, run.seed, run.status,
                                    run.message.empty() ? "" : ": " + in_one_line(run.message)));
  return lines;
}

std::string escaped_for_markdown(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, 1, '\\');
  return text;
}

std::string escaped_for_csv(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

Json json_number(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

Json json_range(const std::optional<Range>& range) {
  if (!range) return nullptr;
  return range->low == range->high ? Json(range->low) : Json::array({range->low, range->high});
}

Json json_summary(const Summary& summary) {
  return {{"mean", json_number(summary.mean)}, {"sd", json_number(summary.deviation)}, {"n", summary.n}};
}

Json row_json(const ComparisonRow& row) {
  Json json = {{"label", row.label},       {"method", row.method}, {"task", row.task},
               {"backbone", row.backbone}, {"metric", row.metric}, {"split", row.split}};
  json["examples"] = json_range(row.examples);
  json["score"] = json_summary(row.score);
  json["tasks"] = Json::array();
  for (const OtherScore& other : row.others)
    json["tasks"].push_back({{"task", other.task},
                             {"trained", other.trained},
                             {"metric", other.metric},
                             {"split", other.split},
                             {"examples", json_range(other.examples)},
                             {"score", json_summary(other.score)},
                             {"majority", json_number(other.majority)},
                             {"illegal_rate", json_number(other.illegal_rate)}});
  json["majority"] = json_number(row.majority);
  json["illegal_rate"] = json_number(row.illegal_rate);
  json["trained"] = json_range(row.trained);
  json["percent"] = json_number(row.percent);
  json["receiving_gradient"] = json_range(row.receiving_gradient);
  json["stored"] = json_range(row.stored);
  json["inference"] = json_range(row.inference);
  json["after_merge"] = json_range(row.after_merge);
  json["bytes_stored"] = json_range(row.bytes_stored);
  json["prompt_tokens"] = json_range(row.prompt_tokens);
  json["step_seconds"] = json_number(row.step_seconds);
  json["peak_memory_bytes"] = row.peak_memory_bytes ? Json(*row.peak_memory_bytes) : Json(nullptr);
  json["runs"] = Json::array();
  for (const SeedRun& run : row.runs)
    json["runs"].push_back({{"seed", run.seed},
                            {"id", run.id},
                            {"status", run.status},
                            {"message", run.message},
                            {"score", json_number(run.score)}});
  return json;
}

}  // namespace

std::string comparison_text(const std::vector<ComparisonRow>& rows, std::size_t width) {
  std::string text;
  for (const Section& section : sections(rows)) {
    text += (text.empty() ? "" : "\n") + section.title() + "\n\n";
    const std::string whole = table(section.rows, columns_for(section.rows));
    if (width == 0 || widest_line(whole) <= width)
      text += whole;
    else
      text += table(section.rows, scores_and_costs()) + "\n" + table(section.rows, counts_for(section.rows));
    const std::vector<std::string> rest = unfinished(section);
    if (!rest.empty()) text += "\nwithout a score:\n";
    for (const std::string& line : rest) text += "  " + (width > 24 ? wrap(line, width, 4) : line) + "\n";
  }
  for (const ScoreGrid& grid : score_grids(rows)) {
    TextTable lines(grid.headers);
    for (const auto& line : grid.lines) lines.add(line);
    text += "\n" + grid.title + "\n\n" + lines.text();
  }
  return text;
}

std::string comparison_markdown(const std::vector<ComparisonRow>& rows) {
  std::string text;
  for (const Section& section : sections(rows)) {
    text += (text.empty() ? "**" : "\n**") + escaped_for_markdown(section.title()) + "**\n\n| method |";
    std::string rule = "\n|---|";
    const std::vector<Column> columns = columns_for(section.rows);
    for (const Column& column : columns) {
      text += std::string(" ") + (column.header + 1) + " |";
      rule += "---:|";
    }
    text += rule + "\n";
    for (const ComparisonRow* row : section.rows) {
      text += "| " + escaped_for_markdown(row->label) + " |";
      for (const Column& column : columns) text += " " + column.cell(*row) + " |";
      text += "\n";
    }
    const std::vector<std::string> rest = unfinished(section);
    if (!rest.empty()) text += "\nWithout a score:\n\n";
    for (const std::string& line : rest) text += "- " + escaped_for_markdown(line) + "\n";
  }
  for (const ScoreGrid& grid : score_grids(rows)) {
    text += "\n**" + escaped_for_markdown(grid.title) + "**\n\n|";
    std::string rule = "|";
    for (const std::string& header : grid.headers) {
      text += " " + escaped_for_markdown(header.starts_with('>') ? header.substr(1) : header) + " |";
      rule += header.starts_with('>') ? "---:|" : "---|";
    }
    text += "\n" + rule + "\n";
    for (const auto& line : grid.lines) {
      text += "|";
      for (const std::string& cell : line) text += " " + escaped_for_markdown(cell) + " |";
      text += "\n";
    }
  }
  return text;
}

std::string comparison_csv(const std::vector<ComparisonRow>& rows) {
  const std::vector<std::string> keys = {"label",
                                         "method",
                                         "task",
                                         "backbone",
                                         "metric",
                                         "split",
                                         "examples",
                                         "majority",
                                         "illegal_rate",
                                         "trained",
                                         "percent",
                                         "receiving_gradient",
                                         "stored",
                                         "inference",
                                         "after_merge",
                                         "bytes_stored",
                                         "prompt_tokens",
                                         "step_seconds",
                                         "peak_memory_bytes"};
  const auto plain = [](const Json& value) {
    if (value.is_null()) return std::string();
    if (value.is_array()) return value.at(0).dump() + "-" + value.at(1).dump();
    return value.is_string() ? value.get<std::string>() : value.dump();
  };
  std::string text = join(keys, ",") + ",score_mean,score_sd,seeds,seeds_finished,message\n";
  for (const ComparisonRow& row : rows) {
    const Json json = row_json(row);
    for (const std::string& key : keys) text += escaped_for_csv(plain(json.at(key))) + ",";
    std::string message;
    for (const SeedRun& run : row.runs)
      if (message.empty()) message = in_one_line(run.message);
    const auto end = [&](const Json& score) {
      text += plain(score.at("mean")) + "," + plain(score.at("sd")) + "," + std::to_string(row.runs.size()) + "," +
              std::to_string(finished(row)) + "," + escaped_for_csv(message) + "\n";
    };
    end(json.at("score"));
    for (const Json& other : json.at("tasks")) {  // the same runs on another task: what is known of it alone
      Json known = {{"label", row.label}, {"method", row.method}, {"backbone", row.backbone}};
      known["task"] = row.task + " → " + other.at("task").get<std::string>();
      for (const char* key : {"metric", "split", "examples", "majority", "illegal_rate"}) known[key] = other.at(key);
      for (const std::string& key : keys) text += escaped_for_csv(plain(known.value(key, Json()))) + ",";
      end(other.at("score"));
    }
  }
  return text;
}

Json comparison_json(const std::vector<ComparisonRow>& rows) {
  Json json = Json::array();
  for (const ComparisonRow& row : rows) json.push_back(row_json(row));
  return json;
}

}  // namespace peftbench
