#include "commands/forgetting.h"

#include "adapters/adapter.h"
#include "backbone/finite.h"
#include "backbone/unchanged.h"
#include "commands/evaluate_run.h"
#include "config/machine.h"
#include "core/files.h"
#include "core/hash.h"
#include "data/task/load_task.h"
#include "data/task/task_mixture.h"
#include "eval/likelihood.h"
#include "results/run_lock.h"
#include "run/scoring.h"
#include "run/workbench.h"

#include <peftbench/error.h>

#include <ATen/core/grad_mode.h>

#include <algorithm>

namespace peftbench::commands {
namespace {

// A line is cut into its tokens whole, which takes some forty times its bytes of memory.
constexpr std::size_t longest_text = 1 << 20;

std::vector<std::string> texts_of_file(const fs::path& file) {
  std::vector<std::string> texts;
  LineReader lines(file);
  for (std::string line; lines.next(line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.size() > longest_text)
      throw DataError({file.string() + ":" + std::to_string(lines.number()) + ": the text is too long",
                       std::to_string(line.size()) + " bytes", "at most " + std::to_string(longest_text) + " bytes",
                       "split it into several lines"});
    if (line.find_first_not_of(" \t") != std::string::npos) texts.push_back(line);
  }
  if (texts.empty()) throw DataError({.what = "no text in " + file.string(), .expected = "one text per line"});
  return texts;
}

std::vector<std::string> texts_of_task(const TaskData& task) {
  std::vector<std::string> texts;
  for (const TaskData* part : parts_of(task)) {
    for (const TextExample& example : part->test.empty() ? part->validation : part->test) {
      texts.emplace_back();
      for (const Piece& piece : example.input) texts.back() += piece.text;
    }
  }
  if (texts.empty())
    throw DataError({.what = "the task " + task.config.name + " has neither test nor validation examples",
                     .expected = "text that was not used for training",
                     .remedy = "give a text file with --text"});
  return texts;
}

// The inputs as the run's task would hold them: the text is its first field, others are empty.
std::vector<TextExample> examples_of(const std::vector<Halves>& halves, const TaskShape& shape) {
  std::vector<TextExample> examples;
  for (const Halves& half : halves) {
    TextExample example;
    example.input.push_back(Piece::of_text(half.input, shape.fields.empty() ? "text" : shape.fields.front()));
    for (std::size_t i = 1; i < shape.fields.size(); ++i) example.input.push_back(Piece::of_text({}, shape.fields[i]));
    examples.push_back(std::move(example));
  }
  return examples;
}

class LanguageModel {
 public:
  LanguageModel(const Workbench& bench, const std::vector<Halves>& halves, ProgressSink& progress)
      : bench_(bench), progress_(progress), texts_(examples_of(halves, shape_of(bench.task.config))) {
    for (const Halves& half : halves) {
      targets_.push_back(half.target);
      tokens_ += static_cast<std::int64_t>(half.target.size());
    }
  }

  std::int64_t tokens() const { return tokens_; }

  // Mean over the targets' tokens, in nats.
  double loss(const CompiledPlan& plan, const std::string& phase) const {
    at::NoGradGuard no_grad;
    const Backbone& backbone = *bench_.backbone;
    const std::vector<EncodedExample> inputs = encode(plan);
    backbone.refresh(plan);
    double sum = 0;
    constexpr std::size_t together = 16;
    for (std::size_t first = 0; first < inputs.size(); first += together) {
      const std::size_t last = std::min(inputs.size(), first + together);
      ExampleBatch batch{{}, {}, replicas_of(plan)};
      std::vector<std::vector<std::int64_t>> targets;
      for (std::size_t i = first; i < last; ++i) {
        batch.examples.push_back(&inputs[i]);
        targets.insert(targets.end(), static_cast<std::size_t>(batch.copies), targets_[i]);
      }
      const Tensor scores = [&] {
        try {
          const EncoderState encoder = encode_batch(backbone, batch, plan, RunContext::inference(), nullptr);
          const Tensor each = score_targets(backbone, encoder, targets, plan, RunContext::inference());
          const Tensor combined = combine_replicas(plan, each, false);
          require_finite(combined, batch.copies, backbone, plan);
          return combined.to(at::kDouble).cpu().contiguous();
        } catch (const NotFiniteError& error) {
          const auto piece = static_cast<std::int64_t>(first) + error.place() / batch.copies;
          throw error.at(piece).of("piece " + std::to_string(piece) + " of the text (" + phase + ")");
        }
      }();
      for (std::int64_t i = 0; i < scores.numel(); ++i) sum -= scores.const_data_ptr<double>()[i];
      progress_.update({phase, static_cast<std::int64_t>(last), static_cast<std::int64_t>(inputs.size()), {}});
    }
    return sum / static_cast<double>(tokens_);
  }

 private:
  std::vector<EncodedExample> encode(const CompiledPlan& plan) const {
    const LayoutHook* layout = plan.only() ? plan.only()->layout.get() : nullptr;
    const TaskData& first = *parts_of(bench_.task).front();
    const std::vector<TextExample> pool = layout ? layout_pool(first.train) : std::vector<TextExample>();
    return encode_for(bench_, bench_.task.config, texts_,
                      {layout, &pool, replicas_of(plan), static_cast<std::uint64_t>(bench_.setup.config.seed())});
  }

  const Workbench& bench_;
  ProgressSink& progress_;
  std::vector<TextExample> texts_;
  std::vector<std::vector<std::int64_t>> targets_;
  std::int64_t tokens_ = 0;
};

}  // namespace

std::vector<Halves> halves_of(const std::vector<std::string>& texts, const Tokenizer& tokenizer,
                              std::int64_t max_tokens, std::int64_t max_input) {
  // Half of a piece is an input, which the task's limit must not cut; EOS is one of its ids. No piece is less than two.
  const std::int64_t longest = std::max<std::int64_t>(2, std::min(max_tokens, 2 * (max_input - 1)));
  std::vector<Halves> result;
  for (const std::string& text : texts) {
    const std::vector<std::int64_t> ids = tokenizer.encode(text);
    const auto size = static_cast<std::int64_t>(ids.size());
    for (std::int64_t first = 0; first + 1 < size; first += longest) {
      const std::int64_t count = std::min(longest, size - first), half = count / 2;
      Halves halves{tokenizer.decode({ids.begin() + first, ids.begin() + first + half}),
                    {ids.begin() + first + half, ids.begin() + first + count}};
      halves.target.push_back(tokenizer.eos_id());
      result.push_back(std::move(halves));
    }
  }
  return result;
}

void keep_forgetting(const ForgettingRequest& request, const ForgettingOutcome& outcome) {
  if (!outcome.restored()) throw Error("removing the method did not restore the backbone");
  const RunLock lock(request.run);
  RunRecord record = finished_record(request.run);
  if (record.adapter_hash != outcome.adapter_hash)
    throw DataError({"the run was repeated while its forgetting was measured", "SHA-256 " + record.adapter_hash,
                     "the adapter " + outcome.adapter_hash, "run the command again"});
  ForgettingRecord kept;
  kept.task = outcome.task;
  if (request.text) {
    kept.text = fs::absolute(*request.text).lexically_normal().string();
    kept.text_hash = sha256_file(*request.text);
  }
  kept.examples = request.examples;
  kept.max_tokens = request.max_tokens;
  kept.pieces = outcome.pieces;
  kept.tokens = outcome.tokens;
  kept.loss_frozen = outcome.before;
  kept.loss_with_method = outcome.with_method;
  record.forgetting = kept;
  write_record(request.run.record(), record);
}

bool has_forgetting(const RunRecord& record, const ForgettingRequest& request) {
  if (!record.forgetting) return false;
  const ForgettingRecord& kept = *record.forgetting;
  if (kept.examples != request.examples || kept.max_tokens != request.max_tokens) return false;
  if (!request.text) return kept.task == (request.task.empty() ? record.task.name : request.task);
  return kept.task.empty() && kept.text_hash == sha256_file(*request.text);
}

ForgettingOutcome measure_forgetting(const ForgettingRequest& request, ProgressSink& progress) {
  const RunRecord record = finished_record(request.run);
  const Paths& paths = request.paths;
  Resources resources(paths);
  Asked asked;
  asked.threads = request.threads;
  asked.device = request.device;
  Setup setup = set_up(resources, configuration_of(request.run, record, asked), BackboneNeed::weights);
  check_settings(record, setup.config, {option_key::eval_tasks});
  use_machine(setup.config);
  progress.update({"load", 0, 0, "backbone and text"});
  const Workbench bench = open_workbench(resources, std::move(setup), &progress);
  CompiledPlan plan = load_adapter(request.run.adapter(), resources.finder(), *bench.backbone, bench.checksum);

  const MadeFrom made = made_from(record);
  const std::string who = "the run " + record.id;
  check_same_vocabulary(made, *bench.tokenizer, who);
  const bool other = !request.task.empty() && request.task != bench.task.config.name;
  if ((plan.only() && plan.only()->layout) || (!request.text && !other)) check_task(made, bench.task, who);

  ForgettingOutcome outcome;
  outcome.run = record.id;
  outcome.method = record.method.name;
  outcome.adapter_hash = record.adapter_hash;
  std::vector<std::string> texts;
  if (request.text) {
    texts = texts_of_file(*request.text);
    outcome.source = request.text->string();
  } else {
    const TaskData data = other ? load_task(resources.task(request.task), paths.data, bench.storage) : bench.task;
    texts = texts_of_task(data);
    outcome.task = data.config.name;
    outcome.source =
        "the inputs of " + data.config.name + "'s " + (sizes_of(data).test == 0 ? "validation" : "test") + " split";
  }
  if (request.examples > 0 && request.examples < static_cast<std::int64_t>(texts.size()))
    texts.resize(static_cast<std::size_t>(request.examples));
  const std::vector<Halves> halves =
      halves_of(texts, *bench.tokenizer, request.max_tokens, bench.task.config.max_input_tokens);
  if (halves.empty())
    throw DataError(
        {.what = "no text has two or more tokens", .found = outcome.source, .remedy = "give another file with --text"});

  const LanguageModel model(bench, halves, progress);
  outcome.pieces = static_cast<std::int64_t>(halves.size());
  outcome.tokens = model.tokens();
  outcome.checksum_before = bench.backbone->checksum();
  outcome.before = model.loss(CompiledPlan(), "frozen backbone");
  if (!scores_classes(plan)) outcome.with_method = model.loss(plan, "with the method");
  outcome.after = model.loss(CompiledPlan(), "method removed");
  outcome.checksum_after = bench.backbone->checksum();
  if (outcome.checksum_after != outcome.checksum_before) require_unchanged_files();
  return outcome;
}

}  // namespace peftbench::commands
