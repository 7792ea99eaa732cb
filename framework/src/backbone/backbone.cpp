#include "backbone/backbone.h"

#include "backbone/config_json.h"
#include "backbone/decode_cache.h"
#include "backbone/finite.h"
#include "backbone/layers/tiled_linear.h"
#include "backbone/load.h"
#include "backbone/network.h"
#include "backbone/weights_kind.h"
#include "core/hash.h"

#include <peftbench/error.h>

#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>

#include <utility>

namespace peftbench::backbone {
namespace {

// The form in which a tensor of a file is kept.
std::shared_ptr<const FrozenTensor> freeze(const TensorEntry& entry, const Tensor& source, const LoadOptions& options,
                                           const std::string& origin) {
  const bool is_map = entry.role.kind == TensorKind::linear;
  if (is_map && options.quantization != Quantization::none) {
    if (!all_finite(source)) {
      throw CheckpointError(Problem{.what = entry.name + " of " + origin + " holds numbers that are not finite",
                                    .expected = "weights that can be quantised",
                                    .remedy = finite_weights_remedy});
    }
    auto map = quantize(source, options.quantization, options.precision, options.device);
    const auto int8 = std::dynamic_pointer_cast<const Int8Linear>(map);
    if (options.backend == Backend::fast && int8 && kernels::FrozenMatrix::available(at::kChar))
      return std::make_shared<const Int8Tiles>(int8);
    return map;
  }
  const at::ScalarType type = is_small(entry.role) ? at::kFloat : type_of(options.precision);
  Tensor weight = source.detach().to(type).contiguous().to(options.device);
  if (is_map) return dense_linear(std::move(weight), type, options.backend);
  if (entry.role.kind == TensorKind::lm_head) return dense_linear(std::move(weight), at::kFloat, options.backend);
  return std::make_shared<const DenseTensor>(std::move(weight));
}

}  // namespace

void require_backend(Backend backend, c10::Device device) {
  if (backend == Backend::reference || device.is_cpu()) return;
  throw ConfigError(Problem{"backbone.backend=fast cannot run here", "device " + device.str(), "the CPU",
                            "set backbone.backend=reference"});
}

PackedTokens PackedTokens::of(const std::vector<std::vector<int64_t>>& sequences, std::vector<int64_t> groups,
                              std::vector<int64_t> replicas) {
  std::vector<int64_t> ids, lengths;
  for (const auto& sequence : sequences) {
    ids.insert(ids.end(), sequence.begin(), sequence.end());
    lengths.push_back(static_cast<int64_t>(sequence.size()));
  }
  return {at::from_blob(ids.data(), {static_cast<int64_t>(ids.size())}, at::kLong).clone(),
          TokenLayout::of(std::move(lengths), std::move(groups), std::move(replicas))};
}

Backbone::Backbone(BackboneSpec spec, const LoadOptions& options,
                   std::vector<std::shared_ptr<const FrozenTensor>> tensors)
    : spec_(std::move(spec)),
      options_(options),
      tensors_(std::move(tensors)),
      network_(build_network(spec_, tensors_, options_.backend)) {}

Backbone::~Backbone() = default;

std::shared_ptr<const Backbone> Backbone::load(const fs::path& folder, const LoadOptions& options) {
  BackboneSpec spec = read_config(folder);
  if (const std::string by = quantizer_of(folder); !by.empty())
    throw CheckpointError(quantized_weights(folder.string(), by));
  TensorMap tensors = read_weights(folder);
  spec.tied = head_is_tied(architecture_named(spec.architecture), tensors, spec.tied);
  return make(std::move(spec), std::move(tensors), options, folder.string());
}

std::shared_ptr<const Backbone> Backbone::from_tensors(BackboneSpec spec, TensorMap tensors,
                                                       const LoadOptions& options) {
  const std::string origin = spec.name.empty() ? "the model" : "'" + spec.name + "'";
  return make(std::move(spec), std::move(tensors), options, origin);
}

std::shared_ptr<const Backbone> Backbone::make(BackboneSpec spec, TensorMap tensors, const LoadOptions& options,
                                               const std::string& origin) {
  require_backend(options.backend, options.device);
  std::vector<Tensor> sources = match_tensors(spec, std::move(tensors), origin);
  std::vector<std::shared_ptr<const FrozenTensor>> frozen;
  for (const TensorEntry& entry : spec.tensors()) {
    // Taken out of the list, so that what is converted is let go before the next is read.
    const Tensor source = std::move(sources[frozen.size()]);
    frozen.push_back(freeze(entry, source, options, origin));
  }
  return std::shared_ptr<const Backbone>(new Backbone(std::move(spec), options, std::move(frozen)));
}

std::string Backbone::checksum() const {
  Sha256 hash;
  const std::vector<TensorEntry> entries = spec_.tensors();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    hash.update(entries[i].name + " " + tensors_[i]->form() + " " + shape_text(entries[i].shape) + "\n");
    for (const Tensor& stored : tensors_[i]->parts()) {
      const Tensor part = stored.cpu();
      hash.update(part.const_data_ptr(), part.nbytes());
    }
  }
  return hash.hex();
}

Tensor Backbone::frozen(int parameter_index) const {
  return tensors_.at(static_cast<std::size_t>(parameter_index))->value();
}

std::string Backbone::form(int parameter_index) const {
  return tensors_.at(static_cast<std::size_t>(parameter_index))->form();
}

Tensor Backbone::embedding_rows(const std::vector<int64_t>& ids) const {
  for (const int64_t id : ids) {
    if (id >= 0 && id < spec_.vocab_size) continue;
    throw ConfigError(Problem{.what = "token " + std::to_string(id) + " has no row in the embedding table",
                              .expected = "an id from 0 to " + std::to_string(spec_.vocab_size - 1)});
  }
  const Tensor table = frozen(spec_.parameter(spec_.embedding().tensor_name()).index);
  return table.index_select(0, at::tensor(ids, at::kLong).to(table.device())).to(at::kFloat);
}

int64_t Backbone::bytes() const {
  int64_t total = 0;
  for (const auto& tensor : tensors_) total += tensor->bytes();
  // A tied head is the table itself, unless it is packed beside it.
  if (spec_.tied && std::dynamic_pointer_cast<const TiledLinear>(network_->head_map))
    total += network_->head_map->bytes();
  return total;
}

void Backbone::refresh(const CompiledPlan& plan) const {
  plan.refresh([this](int index) { return frozen(index).to(at::kFloat); });
}

Pass Backbone::pass(const CompiledPlan& plan, const RunContext& context) const {
  return {plan, context,
          [this, &plan](const Tensor& rows, const TokenLayout& layout) { require_finite(rows, layout, *this, plan); }};
}

Tensor Backbone::look_up(const PackedTokens& input, const CompiledPlan& plan, const RunContext& context) const {
  const Pass run = pass(plan, context);
  return network_->embedding(input.ids.to(device()), Rows(input.layout.to(device()), run));
}

Embedded Backbone::enter(Stack stack, const PackedTokens& input, const CompiledPlan& plan,
                         const RunContext& context) const {
  return enter(stack, input, pass(plan, context), {});
}

Embedded Backbone::enter(Stack stack, const PackedTokens& input, const Pass& pass, const Tensor& embeddings) const {
  const Tensor ids = input.ids.to(device());
  const Rows rows(input.layout.to(device()), pass);
  const BlockStack& blocks = stack == Stack::encoder ? network_->encoder : network_->decoder;
  return blocks.enter(ids, embeddings.defined() ? embeddings : network_->embedding(ids, rows), rows);
}

EncoderState Backbone::encode(const PackedTokens& input, const CompiledPlan& plan, const RunContext& context,
                              const Tensor& embeddings) const {
  const Pass run = pass(plan, context);
  Embedded entered = enter(Stack::encoder, input, run, embeddings);
  const Rows rows(std::move(entered.layout), run);
  SelfScores scores(rows, /*causal=*/false);
  return {network_->encoder(entered.embeddings, {rows, scores}), rows.layout()};
}

DecoderState Backbone::decode(const EncoderState& encoder, const PackedTokens& input, const CompiledPlan& plan,
                              const RunContext& context, KeptKeys* cross) const {
  return decode(encoder, input, pass(plan, context), cross);
}

std::shared_ptr<KeptKeys> Backbone::cross_keys() const {
  auto kept = std::make_shared<KeptKeys>();
  kept->cross.resize(network_->decoder.layers());
  return kept;
}

DecoderState Backbone::decode(const EncoderState& encoder, const PackedTokens& input, const Pass& pass,
                              KeptKeys* kept) const {
  Embedded entered = enter(Stack::decoder, input, pass, {});
  const Rows rows(std::move(entered.layout), pass);
  SelfScores self(rows, /*causal=*/true);
  return through_decoder(encoder, entered.embeddings, rows, self, kept);
}

DecoderState Backbone::through_decoder(const EncoderState& encoder, const Tensor& entered, const Rows& rows,
                                       AttentionScores& self, KeptKeys* kept) const {
  const Rows source(encoder.layout.to(device()), rows.pass());
  CrossScores cross(source);
  const EncoderRows memory{encoder.hidden, source};
  return {network_->decoder(entered, {rows, self, &memory, &cross, kept}), rows.layout()};
}

DecoderState Backbone::decode_tree(const EncoderState& encoder, const TokenTree& tree, const CompiledPlan& plan,
                                   const RunContext& context) const {
  const Pass run = pass(plan, context);
  const std::vector<std::vector<int64_t>> same(encoder.layout.lengths.size(), tree.ids);
  const PackedTokens input = PackedTokens::of(same, encoder.layout.groups, encoder.layout.replicas);
  Embedded entered = enter(Stack::decoder, input, run, {});
  if (entered.layout.lengths != input.layout.lengths) throw Error("a hook added rows to a tree of tokens");
  const Rows rows(std::move(entered.layout), run);
  TreeScores self(rows, tree);
  return through_decoder(encoder, entered.embeddings, rows, self, nullptr);
}

Tensor Backbone::head(const DecoderState& state, const CompiledPlan& plan, const RunContext& context) const {
  const Pass run = pass(plan, context);
  return network_->head(state.hidden, Rows(state.layout.to(device()), run));
}

}  // namespace peftbench::backbone
