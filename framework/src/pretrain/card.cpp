#include "pretrain/card.h"

#include "backbone/model_folder.h"
#include "core/json.h"
#include "core/names.h"
#include "core/terminal_text.h"
#include "pretrain/loss_curve.h"
#include "report/escape.h"
#include "report/render.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <sstream>

namespace peftbench::pretrain {
namespace {

struct Point {
  std::int64_t step, tokens;
  std::map<std::string, double> losses;
};

std::vector<Point> held_out_losses(const fs::path& log, std::int64_t last) {
  std::vector<Point> points;
  std::istringstream lines(read_text(log));
  for (std::string line; std::getline(lines, line);) {
    JsonFault ignored;
    const auto parsed = parse_json<nlohmann::json>(line, ignored);
    if (!parsed || parsed->value("event", "") != "evaluation" || parsed->at("step") > last) continue;
    const nlohmann::json& event = *parsed;
    auto losses = event.at("held_out").get<std::map<std::string, double>>();
    if (!losses.empty()) points.push_back({event.at("step"), event.at("tokens"), std::move(losses)});
  }
  return points;
}

std::string percent(double part) { return fmt::format("{:.3g} %", 100 * part); }

std::string objectives(const PretrainConfig& config) {
  std::vector<std::string> parts;
  const ObjectiveShares& shares = config.shares;
  if (shares.span_corruption > 0)
    parts.push_back(fmt::format("span corruption {} (density {}, mean span {})", percent(shares.span_corruption),
                                config.noise_density, config.mean_span));
  if (shares.prefix_lm > 0) parts.push_back("prefix LM " + percent(shares.prefix_lm));
  if (shares.tasks > 0) parts.push_back("supervised tasks " + percent(shares.tasks));
  return join(parts);
}

// About `most` of the points, the first and the last among them.
std::vector<Point> thinned(const std::vector<Point>& points, std::size_t most) {
  if (points.size() <= most) return points;
  std::vector<Point> kept;
  for (std::size_t i = 0; i < most; ++i) kept.push_back(points[i * (points.size() - 1) / (most - 1)]);
  return kept;
}

std::string loss_table(const std::vector<Point>& points) {
  Table table({"step", "tokens"});
  for (const auto& [name, loss] : points.front().losses) table.columns.emplace_back(name);
  for (const Point& point : thinned(points, 11)) {
    std::vector<Cell> cells = {count_cell(point.step), count_cell(point.tokens)};
    for (const auto& [name, loss] : point.losses) cells.emplace_back(fmt::format("{:.3f}", loss), loss);
    table.add(std::move(cells));
  }
  return render_markdown(table);
}

// Another model's card as a part of this one: its headings one level deeper, without its pictures, which lie beside it.
std::string nested(const std::string& card) {
  std::string result;
  std::istringstream lines(card);
  bool code = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("```")) code = !code;
    if (!code && line.starts_with("![")) continue;
    result += (!code && line.starts_with("#") ? "#" : "") + line + "\n";
  }
  return result;
}

// As code, where no character of it would end that.
std::string code(const std::string& text) {
  return text.find_first_of("`|") == std::string::npos && in_one_line(text) == text ? "`" + text + "`"
                                                                                    : for_markdown(text);
}

std::string start(const PretrainConfig& config) {
  if (config.from.empty()) return "random weights";
  return code(config.from) + (config.from_note.empty() ? "" : ": " + for_markdown(config.from_note));
}

}  // namespace

void write_card(const fs::path& folder, const std::string& name, const PretrainConfig& config, const CardFacts& facts,
                const fs::path& log) {
  const std::vector<Point> points = held_out_losses(log, facts.step);
  const BackboneSpec& s = facts.spec;
  const TrainConfig& train = config.train;
  std::string text = "# " + for_markdown(name) + "\n" + config.summary + "\n\n";
  text += fmt::format(
      "{} parameters: d_model {}, {} heads of {}, d_ff {}, {} + {} layers, vocabulary {}. Written by {}{}.\n\n",
      with_thousands(s.parameter_count()), s.d_model, s.num_heads, s.d_kv, s.d_ff, s.encoder_layers, s.decoder_layers,
      with_thousands(s.vocab_size),
      code(config.command.empty() ? "peft-bench pretrain " + config.file.string() : config.command),
      facts.step < train.steps ? fmt::format(", after {} of {} steps", facts.step, train.steps) : "");
  text += "| | |\n|---|---|\n";
  text += "| initial weights | " + start(config) + " |\n";
  text += "| objectives | " + objectives(config) + " |\n";
  text += fmt::format("| steps | {} of {} input tokens, packed; inputs up to {} tokens |\n", with_thousands(facts.step),
                      with_thousands(config.tokens * train.gradient_accumulation), config.input_tokens);
  text += fmt::format("| tokens seen | {}, inputs and targets |\n", with_thousands(facts.tokens));
  text += fmt::format("| optimizer | {}, learning rate {}, {}, {} steps of warm-up{} |\n", enum_name(train.optimizer),
                      train.learning_rate, enum_name(train.schedule), train.warmup_steps,
                      train.optimizer == OptimizerKind::adamw && train.adamw.multiply_by_parameter_scale
                          ? ", steps scaled by each tensor's RMS"
                          : "");
  text += fmt::format("| precision | linear maps in {}, weights kept in fp32 and stored in {} |\n",
                      enum_name(config.compute), enum_name(config.stored));
  text += fmt::format("| hardware | {}, {} threads, {:.0f} min |\n", facts.hardware, train.threads, facts.seconds / 60);
  if (config.held_out > 0 && !facts.text.empty())
    text += fmt::format("| held out | {} of the documents |\n", percent(config.held_out));
  if (!facts.text.empty()) {
    Table table({"source", "documents", "tokens", "times per epoch"});
    for (const CardFacts::Text& t : facts.text)
      table.add({t.name, count_cell(t.documents), count_cell(t.tokens), fmt::format("{}", t.weight)});
    text += "\n## Text\n" + render_markdown(table);
  }
  if (!facts.tasks.empty()) {
    Table table({"task", "what", "examples", "rate"});
    for (const CardFacts::Task& t : facts.tasks)
      table.add({t.name, t.summary, count_cell(t.examples), percent(t.rate)});
    text += "\n## Supervised tasks\n" + render_markdown(table);
  }
  if (!points.empty()) {
    text += "\n## Loss on held-out examples, nats per target token\n" + loss_table(points) + "\n![loss](loss.svg)\n";
    std::map<std::string, LossCurve> curves;
    for (const Point& point : points)
      for (const auto& [objective, loss] : point.losses)
        curves[objective].points.emplace_back(static_cast<double>(point.step), loss);
    std::vector<LossCurve> lines;
    for (auto& [objective, curve] : curves) lines.push_back({objective, std::move(curve.points)});
    write_atomically(folder / "loss.svg", draw_curves(lines, name + ": loss on held-out examples"));
  }
  if (!facts.from_card.empty()) text += "\n---\nInitial model:\n\n" + nested(facts.from_card);
  write_atomically(folder / "README.md", text);
}

}  // namespace peftbench::pretrain
