#include "ledger/ledger.h"

#include <peftbench/error.h>
#include "core/first_line.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace peftbench::ledger {

namespace {

using detail::ParameterSlot;
using detail::PlanGroup;

// Hooks are asked for sizes alone: for that time parameters have values without storage, and the old ones after.
class Sizes {
 public:
  enum Kind { meta, zeros };
  Sizes(const CompiledPlan& plan, Kind kind) : slots_(plan.slots()) {
    for (const auto& slot : slots_) {
      values_.push_back(slot->value);
      slot->value = kind == meta ? at::empty(slot->shape, at::TensorOptions(at::kMeta).dtype(at::kFloat))
                                 : at::zeros({1}).expand(slot->shape);
    }
  }
  ~Sizes() {
    for (std::size_t i = 0; i < slots_.size(); ++i) slots_[i]->value = values_[i];
  }
  Sizes(const Sizes&) = delete;
  Sizes& operator=(const Sizes&) = delete;

 private:
  std::vector<std::shared_ptr<ParameterSlot>> slots_;
  std::vector<Tensor> values_;
};

class AtRest final : public CallContext {
 public:
  bool training() const override { return false; }
  Tensor dropout(const Tensor& x, double) const override { return x; }
};

template <class Function>
auto run_for_sizes(const PlanGroup& group, const std::string& site, Function&& function) {
  try {
    return function();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& failure) {
    throw ConfigError({"the hook of " + group.method + " at " + site + " cannot run on sizes without values",
                       first_line(failure.what()), "a hook that does not read tensor values",
                       "fix the hook: it must not use .item() or data pointers"});
  }
}

// Sites of which nothing is left after merging.
std::set<std::string> mergeable_sites(const BackboneSpec& spec, const PlanGroup& group) {
  std::set<std::string> sites;
  std::map<std::string, Shape> shapes;
  for (const auto& site : spec.parameters()) shapes.emplace(site.tensor, site.shape);
  for (const auto& [name, site] : group.linear_sites) {
    // One table cannot take the changes of two sites.
    if (spec.tied && (name == "lm_head" || name == "embedding")) continue;
    const Tensor weight = at::empty(shapes.at(site.tensor_name()), at::TensorOptions(at::kMeta).dtype(at::kFloat));
    const auto& hook = group.linear[static_cast<std::size_t>(site.index)];
    if (run_for_sizes(group, name, [&] { return hook->merged(weight); })) sites.insert(name);
  }
  for (const auto& site : spec.parameters()) {
    if (group.parameter[static_cast<std::size_t>(site.index)]) sites.insert(site.name());
  }
  return sites;
}

struct Sequence {
  Tensor tokens;
  Embedded embedded;
  std::int64_t plain = 0;      // rows before a layout hook
  std::int64_t added_ids = 0;  // by it, slots left out
};

// A sequence of one word, or the example as the layout hook arranges it.
Sequence sample(const BackboneSpec& spec, const PlanGroup& group, const LedgerExample* example,
                std::int64_t replica = 0) {
  constexpr std::int64_t word = 1;
  std::vector<Tensor> slots = {at::full({word}, -1, at::kLong)};
  std::int64_t plain = word;
  if (group.layout) {
    const auto rows = [&](const std::vector<Piece>& pieces) {
      std::int64_t next = 0, count = 0;
      std::string text;
      slots.clear();
      const auto end_text = [&] {
        if (!text.empty()) slots.push_back(at::full({example->tokens(text)}, -1, at::kLong));
        text.clear();
      };
      for (const Piece& piece : pieces) {
        if (piece.kind == Piece::Kind::text) {
          text += piece.text;
          continue;
        }
        end_text();
        const auto n = piece.kind == Piece::Kind::slots ? piece.slots : static_cast<std::int64_t>(piece.tokens.size());
        for (std::int64_t i = 0; i < n; ++i) {
          slots.push_back(at::full({1}, piece.kind == Piece::Kind::slots ? next++ : -1, at::kLong));
        }
      }
      end_text();
      slots.push_back(at::full({1}, -1, at::kLong));  // EOS
      for (const auto& part : slots) count += part.numel();
      return count;
    };
    plain = rows(example->example.input);
    rows(group.layout->arrange(
        {example->example, example->training_set, example->tokens, example->max_tokens, replica, example->seed}));
  }
  const Tensor numbers = at::cat(slots);
  const std::int64_t added_ids = numbers.lt(0).sum().item<std::int64_t>() - plain;
  TokenLayout layout = TokenLayout::of({numbers.numel()});
  if (group.layout) layout.slots = numbers;
  return {
      at::zeros({numbers.numel()}, at::kLong), {at::zeros({numbers.numel(), spec.d_model}), layout}, plain, added_ids};
}

std::int64_t added_rows(const PlanGroup& group, Stack stack, const Sequence& sequence) {
  const AtRest context;
  std::int64_t rows = sequence.embedded.layout.rows();
  if (const auto& hook = group.input[static_cast<int>(stack)]) {
    const InputCall call{{context, sequence.embedded.layout}, sequence.tokens, sequence.embedded.embeddings};
    rows = run_for_sizes(group, InputSite{stack}.name(), [&] { return hook->apply(call).layout.rows(); });
  }
  return rows - sequence.plain;
}

void measure_lengths(Ledger& ledger, const BackboneSpec& spec, const PlanGroup& group, const LedgerExample* example) {
  if (group.layout && !example) {
    ledger.added_encoder_length.reset();
    ledger.prompt_tokens.reset();
  } else if (ledger.added_encoder_length) {
    // Each copy has a layout of its own; the longest is told.
    for (std::int64_t replica = 0; replica < (group.replica ? group.replica->replicas() : 1); ++replica) {
      const Sequence sequence = sample(spec, group, example, replica);
      ledger.added_by_copy.push_back(added_rows(group, Stack::encoder, sequence));
      ledger.layout_by_copy.push_back(sequence.embedded.layout.rows() - sequence.plain);
      ledger.added_encoder_length = std::max(*ledger.added_encoder_length, ledger.added_by_copy.back());
      ledger.prompt_tokens = std::max(*ledger.prompt_tokens, sequence.added_ids);
    }
  }
  PlanGroup plain;
  const auto added = added_rows(group, Stack::decoder, sample(spec, plain, nullptr));
  ledger.added_decoder_length = std::max(ledger.added_decoder_length, added);
  const AtRest context;
  std::int64_t encoder = 0, decoder = 0;
  for (const auto& site : spec.key_values()) {
    const auto& hook = group.kv[static_cast<std::size_t>(site.index)];
    if (!hook) continue;
    const auto columns = run_for_sizes(group, site.name(), [&] { return hook->prefix(context).keys.size(1); });
    ledger.prefix_length = std::max(ledger.prefix_length, columns);
    (site.stack == Stack::encoder ? encoder : decoder) += columns;
  }
  ledger.encoder_prefix_columns = std::max(ledger.encoder_prefix_columns, encoder);
  ledger.decoder_prefix_columns = std::max(ledger.decoder_prefix_columns, decoder);
}

const char* name_of(Role role) {
  switch (role) {
    case Role::trained:
      return "trained";
    case Role::buffer:
      return "buffer";
    case Role::derived:
      return "derived";
  }
  return "";
}

LedgerRow& row_of(std::vector<LedgerRow>& rows, const std::string& method, const ParameterSlot& slot) {
  const auto same = [&](const LedgerRow& row) {
    return row.method == method && row.site == slot.owner && row.role == name_of(slot.role);
  };
  if (const auto found = std::find_if(rows.begin(), rows.end(), same); found != rows.end()) return *found;
  rows.push_back({method, slot.owner, name_of(slot.role), {}});
  return rows.back();
}

void add(Counts& sum, const Counts& part) {
  sum.trained += part.trained;
  sum.stored += part.stored;
  sum.inference += part.inference;
  sum.after_merge += part.after_merge;
}

nlohmann::json to_json(const Counts& counts) {
  nlohmann::json json = {{"trained", counts.trained},
                         {"stored", counts.stored},
                         {"inference", counts.inference},
                         {"after_merge", counts.after_merge},
                         {"receiving_gradient", nullptr}};
  if (counts.receiving_gradient) json["receiving_gradient"] = *counts.receiving_gradient;
  return json;
}

template <class T>
nlohmann::json or_null(const std::optional<T>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json(nullptr);
}

}  // namespace

Ledger measure(const BackboneSpec& spec, const CompiledPlan& plan, const LedgerExample* example) {
  at::NoGradGuard no_grad;
  Ledger ledger;
  ledger.backbone_parameters = spec.parameter_count();
  ledger.added_encoder_length = ledger.prompt_tokens = 0;
  const TensorMap stored = plan.stored();
  for (const auto& [name, tensor] : stored) {
    ledger.bytes_stored += tensor.numel() * static_cast<std::int64_t>(tensor.element_size());
  }
  std::int64_t beside_backbone = 0;
  for (std::size_t g = 0; g < plan.groups().size(); ++g) {
    const PlanGroup& group = *plan.groups()[g];
    const std::string prefix = plan.groups().size() > 1 ? std::to_string(g) + "/" : "";
    std::set<std::string> merging;
    {
      const Sizes sizes(plan, Sizes::meta);
      merging = mergeable_sites(spec, group);
    }
    {
      const Sizes sizes(plan, Sizes::zeros);
      measure_lengths(ledger, spec, group, example);
    }
    for (const auto& slot : group.slots) {
      const std::int64_t elements = slot->value.numel();
      Counts counts;
      if (slot->role == Role::trained) counts.trained = elements;
      if (slot->role == Role::trained && !slot->overrides) beside_backbone += elements;
      const auto kept = stored.find(prefix + slot->name);
      if (kept != stored.end()) {
        counts.stored = counts.inference = kept->second.numel();
        if (!merging.contains(slot->owner)) counts.after_merge = counts.inference;
      }
      add(row_of(ledger.rows, group.method, *slot).counts, counts);
      add(ledger.total, counts);
    }
  }
  if (ledger.total.trained > 0) {
    ledger.percent = 100.0 * static_cast<double>(ledger.total.trained) /
                     static_cast<double>(ledger.backbone_parameters + beside_backbone);
  }
  return ledger;
}

void Ledger::set_receiving_gradient(const CompiledPlan& plan, const std::map<std::string, std::int64_t>& by_parameter) {
  for (auto& row : rows) row.counts.receiving_gradient.reset();
  total.receiving_gradient = 0;
  std::set<std::string> counted;  // names repeat in a stacked plan, whose counts come summed
  for (const auto& group : plan.groups()) {
    for (const auto& slot : group->slots) {
      const auto found = by_parameter.find(slot->name);
      if (slot->role != Role::trained) continue;
      auto& sum = row_of(rows, group->method, *slot).counts.receiving_gradient;
      sum = sum.value_or(0);
      if (found == by_parameter.end() || !counted.insert(slot->name).second) continue;
      *sum += found->second;
      *total.receiving_gradient += found->second;
    }
  }
}

nlohmann::json to_json(const Ledger& ledger) {
  nlohmann::json json = to_json(ledger.total);
  json["percent"] = ledger.percent;
  json["bytes_stored"] = ledger.bytes_stored;
  json["optimizer_state_bytes"] = or_null(ledger.optimizer_state_bytes);
  json["added_encoder_length"] = or_null(ledger.added_encoder_length);
  json["prompt_tokens"] = or_null(ledger.prompt_tokens);
  json["added_decoder_length"] = ledger.added_decoder_length;
  json["prefix_length"] = ledger.prefix_length;
  json["flops"] = nullptr;
  if (ledger.flops) {
    json["flops"] = {{"forward", ledger.flops->forward},
                     {"training_step", ledger.flops->training_step},
                     {"prediction", ledger.flops->prediction}};
  }
  json["rows"] = nlohmann::json::array();
  for (const auto& row : ledger.rows) {
    auto entry = to_json(row.counts);
    entry["method"] = row.method;
    entry["site"] = row.site;
    entry["role"] = row.role;
    json["rows"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace peftbench::ledger
