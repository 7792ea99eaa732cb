#include "methods/workshop.h"
#include "support/layers.h"

#include "adapters/adapter.h"
#include "eval/likelihood.h"
#include "formats/safetensors.h"
#include "plugin/compile_plan.h"
#include "run/init_context.h"
#include "support/tiny_backbone.h"

#include <ATen/core/grad_mode.h>

#include <utility>

namespace peftbench::support {

using namespace layers;

namespace {

const fs::path assets = fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "assets/backbones/t5-nano-lm";
const TaskShape task{{"no", "yes"}, {"text"}};

std::vector<TextExample> texts() {
  std::vector<TextExample> made;
  const auto add = [&](const char* text, int label) {
    TextExample& example = made.emplace_back();
    example.input = {Piece::of_text("sentence: "), Piece::of_text(text, "text")};
    example.target = task.labels[static_cast<std::size_t>(label)];
    example.label = label;
  };
  add("the old man went to the sea", 0);
  add("a great fish", 1);
  add("they came back in the evening with nothing in their hands", 1);
  add("rain", 0);
  add("it was the best of times", 1);
  add("he had never seen such a house", 0);
  add("what is there to be done now", 0);
  add("she gave him the letter and left", 1);
  return made;
}

std::shared_ptr<const Backbone> make_backbone(const std::string& kind, const LoadOptions& load, std::int64_t layers) {
  if (kind == "trained") return Backbone::load(assets, load);
  TinyOptions options;
  options.gated = kind == "gated";
  options.tied = !options.gated;
  options.vocabulary = 8192;
  BackboneSpec spec = tiny_spec(options);
  if (layers > 0) spec.encoder_layers = spec.decoder_layers = layers;
  return Backbone::from_tensors(spec, tiny_tensors(spec, options.seed), load);
}

}  // namespace

Workshop::Workshop(Variant variant, const std::string& backbone, const LoadOptions& options, std::int64_t layers)
    : variant_(std::move(variant)),
      finder_({}, {{fs::path(PEFTBENCH_TEST_BUILD_DIR) / "lib/peftbench/plugins", "build tree"}}),
      plugin_(finder_.load_method(variant_.method)),
      backbone_(make_backbone(backbone, options, layers)),
      tokenizer_(Tokenizer::load(assets / "spiece.model")) {}

CompiledPlan Workshop::plan() const {
  CompiledPlan made =
      compile_plan(*plugin_, parse_values(variant_.method, schema(), variant_.values), backbone_->spec(), task);
  made.place_on(backbone_->device());
  made.initialise(init_contexts({*backbone_, finder_, tokenizer_, task.labels, 7, [](const std::string&) {}}));
  return made;
}

std::vector<EncodedExample> Workshop::examples(const CompiledPlan& plan) const {
  const std::vector<TextExample> all = texts();
  const LayoutHook* layout = plan.only() ? plan.only()->layout.get() : nullptr;
  const BackboneSpec& spec = backbone_->spec();
  return encode_all(all, *tokenizer_, {}, {layout, &all, replicas_of(plan), 7}, spec.pad_id, spec.eos_id);
}

TrainingResult Workshop::train(CompiledPlan& plan, std::int64_t steps, const Training& training) const {
  TrainConfig config;
  config.steps = steps;
  config.batch_size = 8;
  config.optimizer = OptimizerKind::adamw;
  config.adamw.weight_decay = 0;
  config.learning_rate = variant_.rate;
  config.dropout = training.dropout;
  config.adamw.epsilon = training.epsilon;
  config.evaluate_every = 0;
  config.evaluate_at_start = false;
  config.seed = 7;
  const std::vector<EncodedExample> all = examples(plan);
  std::vector<EncodedExample> some;
  for (const std::int64_t number : training.chosen) some.push_back(all[static_cast<std::size_t>(number)]);
  const ExamplesInMemory made(training.chosen.empty() ? all : some);
  return peftbench::train::train(config, {*backbone_, plan, made, {}, {}});
}

Tensor Workshop::outcome(const CompiledPlan& plan, const std::vector<const EncodedExample*>& batch) const {
  at::NoGradGuard no_grad;
  backbone_->refresh(plan);
  const RunContext context = RunContext::inference();
  const ExampleBatch examples{batch, {}, replicas_of(plan)};
  const EncoderState encoder = encode_batch(*backbone_, examples, plan, context, nullptr);
  if (scores_classes(plan)) return class_log_probabilities(*backbone_, encoder, plan, context);
  std::vector<std::vector<std::int64_t>> targets;
  for (const auto* example : batch)
    targets.insert(targets.end(), static_cast<std::size_t>(examples.copies), example->target);
  return backbone_->head(decode_labels(*backbone_, encoder, targets, plan, context), plan, context);
}

Tensor Workshop::outcome(const CompiledPlan& plan) const {
  const std::vector<EncodedExample> all = examples(plan);
  std::vector<const EncodedExample*> batch;
  for (const EncodedExample& example : all) batch.push_back(&example);
  return outcome(plan, batch);
}

void Workshop::save(const CompiledPlan& plan, const fs::path& folder) const {
  write_adapter(folder,
                {variant_.method, plugin_->version, parse_values(variant_.method, schema(), variant_.values),
                 backbone_->spec().name, backbone_->checksum(), "contract", "", task},
                plan.stored());
}

CompiledPlan Workshop::load(const fs::path& folder) const {
  return load_adapter(folder, finder_, *backbone_, backbone_->checksum());
}

int reload(const std::vector<std::string>& words) {
  const fs::path folder = words.at(0);
  const Workshop workshop(variant_called(words.at(1)), words.at(2));
  write_safetensors(folder / "outcome.safetensors", {{"outcome", workshop.outcome(workshop.load(folder))}});
  return 0;
}

}  // namespace peftbench::support
