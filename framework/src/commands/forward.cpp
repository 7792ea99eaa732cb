#include "commands/forward.h"

#include "adapters/adapter.h"
#include "backbone/finite.h"
#include "backbone/generation.h"
#include "backbone/hub.h"
#include "backbone/unchanged.h"
#include "backbone/vocabulary.h"
#include "core/json.h"
#include "core/utf8.h"
#include "eval/likelihood.h"
#include "formats/safetensors.h"
#include "plan/compiled_plan.h"
#include "plugin/finder.h"

#include <peftbench/error.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

namespace peftbench::commands {
namespace {

using Ids = std::vector<std::vector<int64_t>>;

Ids read_ids(const fs::path& file, const BackboneSpec& spec, bool labels) {
  const auto fault = [&](const std::string& what, const std::string& found) {
    return DataError({file.string() + ": " + what, found,
                      "a list of lists of ids from 0 to " + std::to_string(spec.vocab_size - 1),
                      "for example: [[12, 7, 1], [5, 1]]"});
  };
  const auto json = read_json<nlohmann::json>(file, "for example: [[12, 7, 1], [5, 1]]");
  if (!json.is_array() || json.empty()) throw fault("not a list of lists of ids", {});
  Ids rows;
  for (const auto& list : json) {
    const std::string place = "row " + std::to_string(rows.size());
    if (!list.is_array()) throw fault(place + " is not a list", printable(list.dump()));
    std::vector<int64_t> row;
    for (const auto& id : list) {
      const std::optional<int64_t> number = json_integer(id);
      if (!number) throw fault(place + " contains something that is not an id", printable(id.dump()));
      row.push_back(*number);
    }
    while (labels && !row.empty() && row.back() == -100) row.pop_back();  // how others pad labels
    if (row.empty()) throw fault(place + " is empty", "[]");
    for (const int64_t id : row)
      if (id < 0 || id >= spec.vocab_size)
        throw fault(place + " contains an id outside the backbone's vocabulary", std::to_string(id));
    rows.push_back(std::move(row));
  }
  return rows;
}

// Packed rows [N, …] as [B, T, …], zeros behind the end of each sequence.
Tensor padded(const Tensor& packed, const TokenLayout& layout) {
  const int64_t longest = layout.lengths.empty() ? 0 : *std::max_element(layout.lengths.begin(), layout.lengths.end());
  Tensor result = at::zeros({layout.sequences(), longest, packed.size(1)}, packed.options().dtype(at::kFloat));
  for (int64_t b = 0; b < layout.sequences(); ++b)
    result[b].narrow(0, 0, layout.lengths[b]).copy_(packed.narrow(0, layout.offsets[b], layout.lengths[b]));
  return result;
}

// The number of each row's adapter; −1 for none.
std::vector<int64_t> read_groups(const fs::path& file, std::size_t rows, std::size_t adapters) {
  const auto fault = [&](const std::string& what, const std::string& found) {
    return DataError({file.string() + ": " + what, found,
                      "a list of " + std::to_string(rows) + " numbers from 0 to " + std::to_string(adapters - 1) +
                          ", or -1 for no adapter",
                      "for example: [0, 1, -1]"});
  };
  const auto json = read_json<nlohmann::json>(file, "for example: [0, 1, -1]");
  if (!json.is_array()) throw fault("not a list", printable(json.dump()));
  if (json.size() != rows)
    throw fault("the list and the inputs have different lengths", std::to_string(json.size()) + " entries");
  std::vector<int64_t> groups;
  for (const auto& entry : json) {
    const bool known = entry.is_number_unsigned() ? entry.get<std::uint64_t>() < adapters
                                                  : entry.is_number_integer() && entry.get<int64_t>() == -1;
    if (!known) throw fault("row " + std::to_string(groups.size()) + " has no adapter of that number", entry.dump());
    groups.push_back(entry.get<int64_t>());
  }
  return groups;
}

// The rows by groups, as a stacked plan wants them, each laid out by its own plan.
struct Inputs {
  const Backbone& backbone;
  const CompiledPlan& plan;
  std::vector<int64_t> order;  // the caller's row that stands at each place
  PackedTokens tokens;
  std::optional<Ids> labels;
};

template <class T>
std::vector<T> reordered(const std::vector<T>& rows, const std::vector<int64_t>& order) {
  std::vector<T> result;
  for (const int64_t row : order) result.push_back(rows[static_cast<std::size_t>(row)]);
  return result;
}

// Positions of the caller's rows: what undoes `order`.
std::vector<int64_t> positions_of(const std::vector<int64_t>& order) {
  std::vector<int64_t> positions(order.size());
  for (std::size_t place = 0; place < order.size(); ++place)
    positions[static_cast<std::size_t>(order[place])] = static_cast<int64_t>(place);
  return positions;
}

// Ids as the layout hook of each row's plan arranges them. A vocabulary is needed only where a hook adds words.
PackedTokens pack(const Ids& rows, const std::vector<int64_t>& groups, const CompiledPlan& plan,
                  const BackboneSpec& spec, const fs::path& folder) {
  std::shared_ptr<const Tokenizer> tokenizer;
  const Tokenize tokenize = [&](const std::string& text) {
    if (!tokenizer) tokenizer = open_vocabulary(folder, spec);
    return tokenizer->encode(text);
  };
  std::vector<EncodedExample> examples(rows.size());
  ExampleBatch batch;
  batch.groups = groups;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const auto group = static_cast<std::size_t>(groups[row]);
    const LayoutHook* hook = plan.groups().empty() ? nullptr : plan.groups()[group]->layout.get();
    EncodedInput input =
        hook ? arrange_ids(rows[row], *hook, tokenize, spec.pad_id, spec.eos_id) : EncodedInput{rows[row], {}};
    examples[row].input = std::move(input.ids);
    examples[row].slots = std::move(input.slots);
    batch.examples.push_back(&examples[row]);
  }
  return pack_inputs(batch);
}

Tensor input_embeddings(const Inputs& in, const RunContext& context) {
  const at::NoGradGuard no_gradient;  // of the table itself, which may be trained
  return in.backbone.look_up(in.tokens, in.plan, context).detach().clone().requires_grad_(true);
}

TensorMap run_forward(const Inputs& in, bool gradient) {
  const RunContext context = RunContext::inference();
  const at::AutoGradMode mode(gradient);
  const Tensor embeddings = gradient ? input_embeddings(in, context) : Tensor();
  const EncoderState encoder = in.backbone.encode(in.tokens, in.plan, context, embeddings);
  const Tensor positions = at::tensor(positions_of(in.order), at::kLong);
  const auto as_given = [&](const Tensor& packed, const TokenLayout& layout) {
    return padded(packed.detach().cpu(), layout).index_select(0, positions);
  };
  TensorMap out;
  out["encoder_last_hidden_state"] = as_given(encoder.hidden, encoder.layout);
  if (scores_classes(in.plan)) {
    const Tensor scores = class_log_probabilities(in.backbone, encoder, in.plan, context);
    out["class_log_probabilities"] = scores.cpu().index_select(0, positions);
  }
  if (!in.labels) return out;

  const DecoderState decoder = decode_labels(in.backbone, encoder, *in.labels, in.plan, context);
  std::vector<int64_t> targets;
  for (const auto& row : *in.labels) targets.insert(targets.end(), row.begin(), row.end());
  const Tensor logits = in.backbone.head(decoder, in.plan, context);
  const Tensor loss = at::cross_entropy_loss(logits, at::tensor(targets, at::kLong).to(logits.device()));
  require_finite(loss.detach().reshape({1}), 1, in.backbone, in.plan);
  out["logits"] = as_given(logits, decoder.layout);
  out["loss"] = loss.detach().cpu().reshape({});
  if (gradient) {
    loss.backward();
    require_finite(embeddings.grad(), in.tokens.layout, in.backbone, in.plan);
    out["input_embeddings_grad"] = as_given(embeddings.grad(), in.tokens.layout);
  }
  return out;
}

void run_generation(const Inputs& in, const ForwardRequest& request) {
  const at::NoGradGuard no_gradient;
  const EncoderState encoder = in.backbone.encode(in.tokens, in.plan, RunContext::inference());
  const Ids ids = generate(in.backbone, encoder, in.plan, {request.max_tokens, request.beams, 1.0});
  require_unchanged_files();
  write_atomically(*request.generate, nlohmann::json(reordered(ids, positions_of(in.order))).dump() + "\n");
}

// The plan of all adapters; rows without one get a plan that claims nothing, behind the others.
CompiledPlan load_plans(const ForwardRequest& request, const Paths& paths, const Backbone& backbone, bool plain,
                        Names& notes) {
  const PluginFinder finder(paths.plugin_files);
  const std::string checksum = request.adapters.empty() ? "" : backbone.checksum();
  std::vector<CompiledPlan> plans;
  const auto note = [&](std::string text) { notes.push_back(std::move(text)); };
  for (const fs::path& adapter : request.adapters)
    plans.push_back(load_adapter(adapter, finder, backbone, checksum, note));
  if (plain && !plans.empty()) plans.push_back(CompiledPlan(PlanBuilder(backbone.spec()).finish()));
  CompiledPlan plan = plans.size() > 1 ? CompiledPlan::stack(plans) : plans.empty() ? CompiledPlan() : plans.front();
  plan.place_on(backbone.device());
  return plan;
}

// Class scores are no logits of tokens, and a mixture's copies are no rows of the caller's.
void refuse_what_writes_no_tokens(const CompiledPlan& plan, const ForwardRequest& request) {
  if (plan.groups().empty()) return;
  const std::string method = plan.only()->method;
  if (replicas_of(plan) > 1)
    throw ConfigError({method + " runs several copies of each example and combines their outputs",
                       std::to_string(replicas_of(plan)) + " copies", "a method that runs each row once",
                       "use `peft-bench eval`"});
  if (scores_classes(plan) && (request.labels || request.generate))
    throw ConfigError({method + " scores classes and does not generate tokens",
                       request.generate ? "--generate" : "--labels",
                       "--output only, which receives class_log_probabilities", "use `peft-bench eval`"});
}

}  // namespace

ForwardSummary forward(const ForwardRequest& request, const Paths& paths) {
  if (!request.output && !request.generate)
    throw ConfigError({.what = "no output requested",
                       .expected = "--output FILE, --generate FILE or both",
                       .remedy = "give a file to write"});
  if (request.gradient && !request.labels)
    throw ConfigError(Problem{.what = "--grad needs --labels, because the gradient is of their loss",
                              .remedy = "give the labels file"});
  if (request.adapters.size() > 1 && !request.groups)
    throw ConfigError(Problem{.what = "several adapters need --groups, which assigns rows to adapters",
                              .remedy = "give the groups file"});
  if (request.adapters.empty() && request.groups)
    throw ConfigError(Problem{.what = "--groups needs --adapter", .remedy = "give the adapters"});
  const ResolvedBackbone resolved = resolve_backbone(request.backbone, backbone_search(paths));
  const auto backbone = Backbone::load(resolved.folder.value(), request.load);
  const BackboneSpec& spec = backbone->spec();

  const Ids rows = read_ids(request.input_ids, spec, false);
  std::optional<Ids> labels;
  if (request.labels) {
    labels = read_ids(*request.labels, spec, true);
    if (labels->size() != rows.size())
      throw DataError({"inputs and labels have different numbers of rows",
                       std::to_string(rows.size()) + " inputs, " + std::to_string(labels->size()) + " labels",
                       "a row of labels for each row of inputs", "correct one of the files"});
  }
  std::vector<int64_t> groups(rows.size(), 0);
  if (request.groups) groups = read_groups(*request.groups, rows.size(), request.adapters.size());
  const bool plain = std::find(groups.begin(), groups.end(), -1) != groups.end();
  std::replace(groups.begin(), groups.end(), int64_t{-1}, static_cast<int64_t>(request.adapters.size()));
  std::vector<int64_t> order(rows.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return groups[a] < groups[b]; });

  ForwardSummary summary{static_cast<std::int64_t>(rows.size()), {}, {}};
  const CompiledPlan plan = load_plans(request, paths, *backbone, plain, summary.notes);
  refuse_what_writes_no_tokens(plan, request);
  backbone->refresh(plan);
  Inputs inputs{*backbone, plan, order, {}, {}};
  inputs.tokens = pack(reordered(rows, order), reordered(groups, order), plan, spec, resolved.folder.value());
  if (labels) inputs.labels = reordered(*labels, order);
  try {
    if (request.output) {
      const TensorMap out = run_forward(inputs, request.gradient);
      require_unchanged_files();
      write_safetensors(*request.output, out);
      if (const auto loss = out.find("loss"); loss != out.end()) summary.loss = loss->second.item<double>();
    }
    if (request.generate) run_generation(inputs, request);
  } catch (const NotFiniteError& error) {
    const int64_t row = order[static_cast<std::size_t>(error.place())];
    throw error.of("row " + std::to_string(row) + " of " + request.input_ids.string());
  }
  return summary;
}

}  // namespace peftbench::commands
