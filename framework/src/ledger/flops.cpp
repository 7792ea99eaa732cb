#include "ledger/ledger.h"

#include <optional>

// i = H·d_kv, f = 2 (ReLU) or 3 (gated) maps of the feed-forward; Le, Ld layers; Ne, Nd rows of encoder and decoder
// with what hooks add, Nl label tokens; S2 = Σ len_e², ST = Σ len_e·len_d, T2 = Σ len_d². Of a forward pass:
//   El = 2·Ne·Le·(4·d·i + f·d·ff)   linear maps of the encoder      Ea = 4·i·Le·S2          its attention
//   X  = 4·Ne·Ld·d·i                keys and values of cross-attention
//   Dl = 2·Nd·Ld·(6·d·i + f·d·ff)   linear maps of the decoder      Da = 4·i·Ld·(T2 + ST)   its attention
//   Hd = 2·Nl·d·V                   logits
// A prefix adds its columns to Ea and Da. The backward pass costs as much again for a frozen linear map (its input's
// gradient alone) and 2.5 times as much for attention, down to the lowest layer that the method touches. A tensor
// that is trained in a frozen one's place costs its own product once more. Each copy of an example has its own Ne.
namespace peftbench::ledger {

namespace {

// Part of a stack's layers that a backward pass goes through; 0 to 1.
double reached(const CompiledPlan& plan, const BackboneSpec& spec, Stack stack) {
  const std::optional<std::int64_t> first = plan.first_claimed_layer(stack);
  const auto layers = static_cast<double>(spec.layers(stack));
  return first ? (layers - static_cast<double>(*first)) / layers : 0;
}

struct Rows {
  double encoder = 0, decoder = 0, labels = 0;
};

// Gradients of the trained stand-ins themselves.
double weight_gradients(const BackboneSpec& spec, const CompiledPlan& plan, const Rows& rows) {
  double flops = 0;
  for (const auto& group : plan.groups()) {
    for (const auto& site : spec.parameters()) {
      const TensorRole& role = site.role;
      if (!group->parameter[static_cast<std::size_t>(site.index)]) continue;
      const bool head = role.kind == TensorKind::lm_head || (role.kind == TensorKind::embedding && spec.tied);
      if (!head && role.kind != TensorKind::linear) continue;
      const double product = 2.0 * static_cast<double>(site.shape[0]) * static_cast<double>(site.shape[1]);
      const bool of_encoder_rows =
          role.stack == Stack::encoder || (role.sublayer == Sublayer::cross && (role.map == "k" || role.map == "v"));
      flops += product * (head ? rows.labels : of_encoder_rows ? rows.encoder : rows.decoder);
    }
  }
  return flops;
}

}  // namespace

FlopCounts count_flops(const BackboneSpec& spec, const CompiledPlan& plan, const Ledger& ledger,
                       const BatchLengths& lengths, double encoder_cached) {
  const auto* only = plan.only();
  const bool classes = only && only->head && only->head->scores_classes();
  const auto copies = static_cast<std::size_t>(only && only->replica ? only->replica->replicas() : 1);
  const double added_decoder = static_cast<double>(ledger.added_decoder_length);

  Rows rows;
  double encoder_squares = 0, decoder_products = 0;
  for (std::size_t b = 0; b < lengths.input.size(); ++b) {
    const double labels = classes ? 1.0 + static_cast<double>(only->head->decoder_tokens().size())
                                  : static_cast<double>(lengths.target[b]);
    const double decoder = labels + added_decoder;
    for (std::size_t copy = 0; copy < copies; ++copy) {  // their prompts may be of unequal lengths
      const std::int64_t added = copy < ledger.added_by_copy.size() ? ledger.added_by_copy[copy] : 0;
      const auto encoder =
          static_cast<double>(lengths.encoder_rows.empty() ? lengths.input[b] + added : lengths.encoder_rows[b][copy]);
      rows.encoder += encoder;
      rows.decoder += decoder;
      rows.labels += classes ? 0 : labels;
      encoder_squares += encoder * encoder;
      decoder_products += decoder * (decoder + encoder);
    }
  }
  const auto d = static_cast<double>(spec.d_model), i = static_cast<double>(spec.inner());
  const double feed_forward = (spec.gated ? 3.0 : 2.0) * d * static_cast<double>(spec.d_ff);
  const auto le = static_cast<double>(spec.encoder_layers), ld = static_cast<double>(spec.decoder_layers);
  const double el = 2 * rows.encoder * le * (4 * d * i + feed_forward);
  const double ea = 4 * i * (le * encoder_squares + static_cast<double>(ledger.encoder_prefix_columns) * rows.encoder);
  const double x = 4 * rows.encoder * ld * d * i;
  const double dl = 2 * rows.decoder * ld * (6 * d * i + feed_forward);
  const double da = 4 * i * (ld * decoder_products + static_cast<double>(ledger.decoder_prefix_columns) * rows.decoder);
  const double hd = 2 * rows.labels * d * static_cast<double>(spec.vocab_size);

  FlopCounts counts;
  counts.forward = el + ea + x + dl + da + hd;
  counts.prediction = lengths.input.empty() ? 0 : counts.forward / static_cast<double>(lengths.input.size());
  if (ledger.total.trained == 0) return counts;
  const bool through_encoder = plan.first_claimed_layer(Stack::encoder).has_value();
  const double encoder_part = reached(plan, spec, Stack::encoder);
  const double decoder_part = through_encoder ? 1.0 : reached(plan, spec, Stack::decoder);
  double backward = encoder_part * (el + 2.5 * ea) + (through_encoder ? x : 0) + decoder_part * (dl + 2.5 * da) + hd +
                    weight_gradients(spec, plan, rows);
  backward -= encoder_cached * (el + ea);
  counts.training_step = counts.forward + backward;
  return counts;
}

}  // namespace peftbench::ledger
