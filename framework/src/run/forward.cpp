#include "run/forward.h"

#include "backbone/generation.h"
#include "backbone/hub.h"
#include "backbone/safetensors.h"
#include "eval/likelihood.h"
#include "plugin/finder.h"
#include "run/adapter.h"

#include <peftbench/error.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <vector>

namespace peftbench {
namespace {

using Ids = std::vector<std::vector<int64_t>>;

Ids read_ids(const fs::path& file, const BackboneSpec& spec, bool labels) {
  const auto fault = [&](const std::string& what, const std::string& found) {
    return DataError({file.string() + ": " + what, found,
                      "a list of lists of ids from 0 to " + std::to_string(spec.vocab_size - 1),
                      "write for example [[12, 7, 1], [5, 1]]"});
  };
  const auto json = nlohmann::json::parse(read_text(file), nullptr, false);
  if (json.is_discarded()) throw fault("this is not JSON", {});
  if (!json.is_array() || json.empty()) throw fault("this is not a list of lists of ids", {});
  Ids rows;
  for (const auto& list : json) {
    const std::string place = "row " + std::to_string(rows.size());
    if (!list.is_array()) throw fault(place + " is not a list", list.dump());
    std::vector<int64_t> row;
    for (const auto& id : list) {
      if (!id.is_number_integer()) throw fault(place + " holds something that is not an id", id.dump());
      row.push_back(id.get<int64_t>());
    }
    while (labels && !row.empty() && row.back() == -100) row.pop_back();  // how others pad labels
    if (row.empty()) throw fault(place + " is empty", "[]");
    for (const int64_t id : row)
      if (id < 0 || id >= spec.vocab_size)
        throw fault(place + " holds an id that the backbone does not have", std::to_string(id));
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

struct Inputs {
  const Backbone& backbone;
  const CompiledPlan& plan;
  Ids input;
};

TensorMap run_forward(const Inputs& in, const std::optional<Ids>& labels, bool gradient) {
  const RunContext context = RunContext::inference();
  const at::AutoGradMode mode(gradient);
  const PackedTokens tokens = PackedTokens::of(in.input);
  Tensor embeddings;
  if (gradient) {
    std::vector<int64_t> flat;
    for (const auto& row : in.input) flat.insert(flat.end(), row.begin(), row.end());
    embeddings = in.backbone.embedding_rows(flat).requires_grad_(true);
  }
  const EncoderState encoder = in.backbone.encode(tokens, in.plan, context, embeddings);
  TensorMap out;
  out["encoder_last_hidden_state"] = padded(encoder.hidden.detach(), encoder.layout);
  if (!labels) return out;

  const DecoderState decoder = decode_labels(in.backbone, encoder, *labels, in.plan, context);
  std::vector<int64_t> targets;
  for (const auto& row : *labels) targets.insert(targets.end(), row.begin(), row.end());
  const Tensor logits = in.backbone.head(decoder, in.plan, context);
  const Tensor loss = at::cross_entropy_loss(logits, at::tensor(targets, at::kLong));
  out["logits"] = padded(logits.detach(), decoder.layout);
  out["loss"] = loss.detach().reshape({});
  if (gradient) {
    loss.backward();
    out["input_embeddings_grad"] = padded(embeddings.grad(), tokens.layout);
  }
  return out;
}

void run_generation(const Inputs& in, const ForwardRequest& request) {
  const at::NoGradGuard no_gradient;
  const EncoderState encoder = in.backbone.encode(PackedTokens::of(in.input), in.plan, RunContext::inference());
  const Ids ids = generate(in.backbone, encoder, in.plan, {request.max_tokens, request.beams, 1.0});
  write_atomically(*request.generate, nlohmann::json(ids).dump() + "\n");
}

}  // namespace

ForwardSummary forward(const ForwardRequest& request, const Places& places) {
  if (!request.output && !request.generate)
    throw ConfigError({"nothing is asked for", {}, "--output FILE, --generate FILE or both", "name a file to write"});
  if (request.gradient && !request.labels)
    throw ConfigError({"--grad needs --labels: the gradient is of their loss", {}, {}, "name the labels' file"});
  const ResolvedBackbone resolved = resolve_backbone(request.backbone, backbone_search(places.home));
  const auto backbone = Backbone::load(resolved.folder.value(), {request.precision});
  CompiledPlan plan;
  if (request.adapter)
    plan = load_adapter(*request.adapter, PluginFinder(places.plugin_files), *backbone, backbone->checksum());
  backbone->refresh(plan);

  const Inputs inputs{*backbone, plan, read_ids(request.input_ids, backbone->spec(), false)};
  std::optional<Ids> labels;
  if (request.labels) {
    labels = read_ids(*request.labels, backbone->spec(), true);
    if (labels->size() != inputs.input.size())
      throw DataError({"inputs and labels are not of the same number",
                       std::to_string(inputs.input.size()) + " inputs, " + std::to_string(labels->size()) + " labels",
                       "a row of labels for each row of inputs", "correct one of the files"});
  }
  ForwardSummary summary{static_cast<std::int64_t>(inputs.input.size()), {}};
  if (request.output) {
    const TensorMap out = run_forward(inputs, labels, request.gradient);
    write_safetensors(*request.output, out);
    if (const auto loss = out.find("loss"); loss != out.end()) summary.loss = loss->second.item<double>();
  }
  if (request.generate) run_generation(inputs, request);
  return summary;
}

}  // namespace peftbench
