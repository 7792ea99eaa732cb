#include "commands/neighbors.h"

#include "adapters/adapter.h"
#include "adapters/adapter_place.h"
#include "backbone/finite.h"
#include "backbone/unchanged.h"
#include "backbone/vocabulary.h"
#include "core/names.h"
#include "core/random.h"

#include <peftbench/error.h>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <map>
#include <numeric>

namespace peftbench::commands {
namespace {

// Vectors in the place of embedded words, by name.
TensorMap prompts_of(const CompiledPlan& plan, int64_t width) {
  const TensorMap stored = plan.stored();
  TensorMap prompts;
  for (const auto& slot : plan.slots()) {
    const auto found = stored.find(slot->name);
    const bool at_input =
        slot->owner == InputSite{Stack::encoder}.name() || slot->owner == InputSite{Stack::decoder}.name();
    if (at_input && found != stored.end() && found->second.dim() == 2 && found->second.size(1) == width)
      prompts.insert(*found);
  }
  return prompts;
}

// One input as the plan lays it out, without text: a row for each slot and one for the rest.
PackedTokens laid_out(const detail::PlanGroup& group, Stack stack, std::int64_t replica) {
  std::vector<std::int64_t> slots;
  if (group.layout && stack == Stack::encoder) {
    TextExample example;
    for (const std::string& field : group.task.fields) example.input.push_back(Piece::of_text(field, field));
    if (example.input.empty()) example.input.push_back(Piece::of_text("input", "input"));
    const auto tokens = [](const std::string&) { return std::int64_t{1}; };
    for (const Piece& piece : group.layout->arrange({example, {}, tokens, 512, replica, 0}))
      for (std::int64_t i = 0; i < piece.slots; ++i) slots.push_back(static_cast<std::int64_t>(slots.size()));
  }
  const bool any = !slots.empty();
  slots.push_back(-1);
  const auto rows = static_cast<std::int64_t>(slots.size());
  PackedTokens input = PackedTokens::of({std::vector<std::int64_t>(slots.size(), group.spec.pad_id)}, {}, {replica});
  if (any) input.layout.slots = at::tensor(slots, at::kLong).reshape({rows});
  return input;
}

// What the plan puts among the words, as the stack sees it: a method may keep it in parts (a word and its change).
Tensor prompt_in_use(const Backbone& backbone, const CompiledPlan& plan, Stack stack) {
  const detail::PlanGroup& group = *plan.only();
  if (!group.input[static_cast<int>(stack)]) return {};
  std::vector<Tensor> rows;
  for (std::int64_t replica = 0; replica < (group.replica ? group.replica->replicas() : 1); ++replica) {
    const Embedded entered = backbone.enter(stack, laid_out(group, stack, replica), plan, RunContext::inference());
    if (!entered.layout.has_slots()) return {};
    rows.push_back(entered.embeddings.index_select(0, entered.layout.slots.ge(0).nonzero().squeeze(1)));
  }
  return at::cat(rows);
}

// With the sums that the stacks see, under the names of their sites, where no stored tensor is the same.
TensorMap with_those_in_use(TensorMap prompts, const Backbone& backbone, const CompiledPlan& plan) {
  const TensorMap stored = prompts;
  for (const Stack stack : {Stack::encoder, Stack::decoder}) {
    const Tensor rows = prompt_in_use(backbone, plan, stack);
    const auto same = [&](const auto& entry) {
      return entry.second.sizes() == rows.sizes() && at::equal(entry.second, rows);
    };
    if (rows.defined() && rows.numel() > 0 && std::none_of(stored.begin(), stored.end(), same))
      prompts.emplace(InputSite{stack}.name(), rows);
  }
  return prompts;
}

// The vectors of all words under the plan: a trained table, where there is one.
Tensor table_in_force(const Backbone& backbone, const CompiledPlan& plan, std::int64_t words) {
  std::vector<std::int64_t> ids(static_cast<std::size_t>(words));
  std::iota(ids.begin(), ids.end(), 0);
  return backbone.look_up(PackedTokens::of({ids}), plan, RunContext::inference());
}

std::string choose(const TensorMap& prompts, const std::string& wanted, const std::string& method) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : prompts) names.push_back(name);
  if (names.empty())
    throw ConfigError(
        {.what = method + " has no prompt whose rows can be compared with words",
         .expected = "a stored tensor of two dimensions, as wide as the model, at encoder.input or decoder.input",
         .remedy = "use a run of a method that adds vectors to the input, such as prompt tuning"});
  if (!wanted.empty()) {
    if (prompts.contains(wanted)) return wanted;
    throw ConfigError({.what = "there is no prompt '" + wanted + "'", .remedy = did_you_mean(wanted, names)});
  }
  if (names.size() == 1) return names.front();
  for (const Stack stack : {Stack::encoder, Stack::decoder})
    if (const std::string site = InputSite{stack}.name(); prompts.contains(site)) return site;
  throw ConfigError({"the method has several prompts", join(names), "one of them", "--tensor NAME"});
}

std::vector<LabelPersistence> labels_as_ids(const std::vector<std::string>& labels, const Tokenizer& tokenizer) {
  std::vector<LabelPersistence> result;
  for (const std::string& label : labels) result.push_back({label, tokenizer.encode(label), 0});
  return result;
}

// Pieces that are near to more than one row, most rows first.
std::vector<std::pair<std::string, std::int64_t>> frequent_pieces(const std::vector<std::vector<NamedNeighbor>>& rows) {
  constexpr std::size_t shown = 10;
  std::map<std::string, std::int64_t> counts;
  for (const auto& row : rows)
    for (const NamedNeighbor& neighbor : row) ++counts[neighbor.piece];
  std::vector<std::pair<std::string, std::int64_t>> frequent(counts.begin(), counts.end());
  std::erase_if(frequent, [](const auto& entry) { return entry.second < 2; });
  std::stable_sort(frequent.begin(), frequent.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  if (frequent.size() > shown) frequent.resize(shown);
  return frequent;
}

}  // namespace

NeighborsOutcome find_neighbors(const NeighborsRequest& request) {
  const PluginFinder finder(request.paths.plugin_files);
  const AdapterPlace place = find_adapter(request.adapter, request.runs);
  const ResolvedBackbone resolved = backbone_of(place, request.backbone, request.paths, BackboneNeed::weights);
  const auto backbone = Backbone::load(resolved.folder.value(), place.load);
  const BackboneSpec& spec = backbone->spec();
  const Adapter adapter = read_adapter(place.folder, finder, spec);
  check_backbone(adapter, *backbone, backbone->checksum());
  const at::NoGradGuard no_gradient;
  const CompiledPlan plan = plan_of(adapter, finder, spec);
  backbone->refresh(plan);
  const TensorMap prompts = with_those_in_use(prompts_of(plan, spec.d_model), *backbone, plan);
  const auto tokenizer = open_vocabulary(resolved.folder.value(), spec);
  if (place.made_from) check_same_vocabulary(*place.made_from, *tokenizer, "the adapter");
  NeighborsOutcome outcome;
  outcome.method = adapter.info.method;
  outcome.backbone = resolved.name;
  outcome.tensor = choose(prompts, request.tensor, adapter.info.method);
  outcome.words = tokenizer->size();
  const Tensor& prompt = prompts.at(outcome.tensor);
  const Tensor table = table_in_force(*backbone, plan, outcome.words);
  if (!all_finite(prompt) || !all_finite(table)) {
    const NotFiniteCause cause = why_not_finite(*backbone, plan);
    throw Error(
        {"nearest words cannot be computed from non-finite numbers", cause.found, "finite numbers", cause.remedy});
  }
  outcome.notes = adapter.notes;
  const auto labels = labels_as_ids(request.labels.empty() ? adapter.info.shape.labels : request.labels, *tokenizer);

  const auto near = nearest_words(prompt, table, outcome.words, request.top);
  outcome.prompt = neighbor_statistics(near, labels);
  // What vectors without any training would show.
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(stream_seed(0, "neighbors/control"));
  outcome.control = neighbor_statistics(
      nearest_words(at::randn(prompt.sizes(), generator), table, outcome.words, request.top), labels);
  for (const auto& row : near) {
    auto& named = outcome.rows.emplace_back();
    for (const Neighbor& n : row) named.push_back({tokenizer->piece(n.id), n.id, n.cosine});
  }
  outcome.frequent = frequent_pieces(outcome.rows);
  require_unchanged_files();
  return outcome;
}

}  // namespace peftbench::commands
