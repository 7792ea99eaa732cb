#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "config/machine.h"
#include "core/yaml.h"
#include "devices/choice.h"
#include "pretrain/pretrain_run.h"
#include "report/text_sheet.h"

#include "core/names.h"

#include <peftbench/error.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>

namespace peftbench::cli {
namespace {

std::string as_word(const std::string& word) {
  return word.find_first_of(" \t'\"$\\") == std::string::npos ? word : "'" + word + "'";
}

}  // namespace

int pretrain_command(const std::vector<std::string>& words) {
  Arguments arguments(
      "pretrain",
      "Pre-trains a T5 with span corruption, prefix LM, supervised tasks, or a mixture of them. The same\n"
      "command continues a stopped run, with bit-identical results (docs/pretraining.md).");
  std::string name, out, device = "auto";
  std::optional<std::int64_t> steps, seed, threads, show;
  bool again = false, dry = false;
  arguments.app().add_option("CONFIG", name, "a file, or a name in configs/pretrain")->type_name("")->required();
  arguments.app().add_option("--out", out, "folder of checkpoint, log and models; default: runs/pretrain/NAME");
  arguments.app().add_option("--steps", steps, "optimizer steps, overriding the file");
  arguments.app().add_option("--seed", seed, "random seed");
  arguments.app().add_option("--threads", threads, "CPU threads; 0: OMP_NUM_THREADS, else one per available processor");
  arguments.app()
      .add_option("--device", device, "auto (the first GPU, else the CPU), cpu, cuda or cuda:N")
      ->capture_default_str();
  arguments.app()
      .add_option("--show", show, "print N examples of each objective (--json: their ids), without training")
      ->check(CLI::Range(1, 1 << 20));
  arguments.flag("--dry-run", dry,
                 "check model, vocabulary and tasks, and print the resolved configuration, without training");
  arguments.flag("--again,--fresh", again, "discard an earlier run");
  arguments.add_paths();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;

  PretrainRequest request{arguments.paths(), {}, {}, again, [] { return stop_signal() != 0; }};
  request.config =
      read_pretrain_config(find_yaml(name, request.paths.configs() / "pretrain", "pre-training configuration"), steps);
  TrainConfig& train = request.config.train;
  if (seed) train.seed = *seed;
  request.config.command = "peft-bench pretrain " + as_word(name);
  if (steps) request.config.command += " --steps " + std::to_string(*steps);
  if (seed) request.config.command += " --seed " + std::to_string(*seed);
  if (threads) train.threads = *threads;
  if (train.threads == 0) train.threads = default_threads();
  check(train);
  request.config.device = find_device(device, "--device");
  request.out = out.empty() ? fs::path("runs") / "pretrain" / request.config.name : fs::path(out);

  if (dry) {
    ConsoleProgress notes;
    const MissingSources missing = missing_sources(request);
    if (!missing.recipes.empty())
      notes.note("note: missing data; download it with peft-bench tasks --fetch " + join(missing.recipes, " "));
    if (!missing.brought.empty())
      notes.note("note: missing data that you must provide: " + join(missing.brought) +
                 "; `peft-bench tasks NAME` explains how");
    nlohmann::ordered_json json = to_json(request.config);
    json["snapshots"] = nlohmann::ordered_json::object();
    for (const Snapshot& snapshot : request.config.snapshots) json["snapshots"][snapshot.name] = snapshot.step;
    json["out"] = request.out.string();
    print_json(json);
    return 0;
  }
  listen_for_stop();
  ConsoleProgress progress;
  if (show) {
    const std::vector<ShownExample> examples = first_examples(request, *show, progress);
    progress.clear();
    std::string shown;
    for (const ShownExample& one : examples) {
      const nlohmann::ordered_json ids = {
          {"objective", one.objective}, {"input", one.example.input}, {"target", one.example.target}};
      shown += arguments.json() ? ids.dump() + "\n" : "--- " + one.objective + "\n" + one.text;
    }
    print(shown);
    return 0;
  }
  const PretrainOutcome outcome = pretrain_in(request, progress);
  progress.clear();
  if (outcome.was_finished) progress.note("this run had already finished; --again trains it again");
  const PretrainResult& result = outcome.result;
  if (arguments.json()) {
    print_json(nlohmann::ordered_json{
        {"model", outcome.model.string()},
        {"steps", result.steps},
        {"tokens", result.tokens},
        {"tokens_per_second", static_cast<double>(result.tokens_here) / std::max(1e-9, result.seconds_here)},
        {"held_out", result.held_out}});
    return 0;
  }
  TextSheet sheet;
  sheet.add("model", outcome.model.string());
  sheet.add("steps", with_thousands(result.steps));
  sheet.add("tokens", with_thousands(result.tokens));
  for (const auto& [objective, loss] : result.held_out)
    sheet.add("loss, " + objective, fmt::format("{:.4f} nats per target token, held out", loss));
  print(sheet.text(terminal_width(1)));
  return 0;
}

}  // namespace peftbench::cli
