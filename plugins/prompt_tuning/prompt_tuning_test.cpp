#include "adapters/tensor_source.h"
#include "formats/safetensors.h"
#include "plugin/finder.h"
#include "plugin/schema.h"
#include "support/forward.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"
#include "train/checkpoint.h"

#include <peftbench/abi.h>
#include <peftbench/error.h>
#include <peftbench/method.h>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <gmock/gmock.h>

#include <unistd.h>

#include <map>
#include <set>

extern "C" const peftbench::PluginHeader peftbench_plugin;

namespace peftbench::prompt_tuning_test {

using namespace layers;

namespace {

using support::Batch;
using support::difference;
using support::some_ids;
using support::tiny_backbone;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A backbone's embeddings, a vocabulary of single letters (a = 3, b = 4, …) and files that are tensors by name.
class Context final : public InitContext {
 public:
  explicit Context(std::shared_ptr<const Backbone> backbone) : backbone_(std::move(backbone)) { reset(); }
  void reset() { generator_ = at::make_generator<at::CPUGeneratorImpl>(5); }
  at::Generator& generator() override { return generator_; }
  Tensor frozen(std::string_view name) override { return backbone_->frozen(backbone_->spec().parameter(name).index); }
  Tensor embedding_rows(const std::vector<int64_t>& ids) override {
    rows.insert(ids.begin(), ids.end());
    return backbone_->embedding_rows(ids);
  }
  int64_t vocab_size() const override { return backbone_->spec().vocab_size; }
  std::vector<int64_t> tokenize(std::string_view text) override {
    std::vector<int64_t> ids;
    for (const char c : text) ids.push_back(c - 'a' + 3);
    return ids;
  }
  std::vector<std::string> labels() override { return task_labels; }
  Tensor read_tensor(std::string_view path, std::string_view names) override {
    asked = names;
    const auto made = files.find(std::string(path));
    if (made != files.end()) return made->second;
    return read_parameter(fs::path(path), std::string(names), {finder_, backbone_->spec()},
                          [this](std::string message) { warn(std::move(message)); });
  }
  void warn(std::string message) override { warnings.push_back(std::move(message)); }

  std::vector<std::string> task_labels, warnings;
  std::map<std::string, Tensor> files;
  std::string asked;
  std::multiset<int64_t> rows;  // of the table that were looked at

 private:
  const PluginFinder finder_{{}, {}};
  std::shared_ptr<const Backbone> backbone_;
  at::Generator generator_;
};

class PromptTuning : public ::testing::Test {
 protected:
  CompiledPlan plan(const GivenValues& given) {
    MethodRegistrar registrar;
    peftbench_plugin.register_method(registrar);
    const auto method = registrar.factory()(parse_values("prompt_tuning", registrar.schema(), given));
    PlanBuilder builder(backbone->spec());
    method->plan(backbone->spec(), builder);
    return CompiledPlan(builder.finish());
  }
  // The first value of the prompt.
  Tensor prompt(const GivenValues& given) {
    const CompiledPlan made = plan(given);
    const auto slot = made.trained().front();
    context.reset();
    context.rows.clear();
    context.warnings.clear();
    return slot->init(context, slot->shape);
  }
  std::string refusal(const GivenValues& given) {
    try {
      prompt(given);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "accepted";
  }
  Tensor row(int64_t id) { return backbone->embedding_rows({id})[0]; }

  std::shared_ptr<const Backbone> backbone = tiny_backbone({.vocabulary = 60});
  Context context{backbone};
};

TEST_F(PromptTuning, DefaultsAreThoseOfLester) {
  MethodRegistrar registrar;
  peftbench_plugin.register_method(registrar);
  EXPECT_THAT(schema_faults(registrar.schema()), IsEmpty());
  const Values values = parse_values("prompt_tuning", registrar.schema(), {});
  EXPECT_EQ(values.integer("length"), 100);
  EXPECT_EQ(values.text("init"), "class_label");
  EXPECT_EQ(values.integer("init_vocabulary"), 5000);
  const auto& advice = registrar.schema().recommendations();
  const std::map<std::string, std::string> keys(advice.begin(), advice.end());
  EXPECT_EQ(keys.at("train.optimizer"), "adafactor");
  EXPECT_EQ(keys.at("train.learning_rate"), "0.3");
  EXPECT_EQ(keys.at("train.adafactor.weight_decay_rate"), "1e-5");
  EXPECT_EQ(keys.at("train.adafactor.initial_step"), "1100000");
  EXPECT_EQ(keys.at("train.z_loss"), "1e-4");
  EXPECT_EQ(keys.at("train.adafactor.multiply_by_parameter_scale"), "false");
}

TEST_F(PromptTuning, ClaimsTheEncodersInputAndTrainsNothingElse) {
  const CompiledPlan made = plan({{"length", "7"}});
  EXPECT_THAT(made.claimed_sites(), ElementsAre("encoder.input"));
  ASSERT_EQ(made.slots().size(), 1u);
  EXPECT_EQ(made.slots()[0]->name, "encoder.input.prompt");
  EXPECT_EQ(made.slots()[0]->shape, (Shape{7, 20}));
  EXPECT_EQ(made.slots()[0]->role, Role::trained);
  EXPECT_FALSE(made.leaves_encoder_alone());
}

// A prompt of the embeddings of some tokens is those tokens: positions, visibility and the decoder's longer
// sequence follow.
TEST_F(PromptTuning, APromptOfEmbeddingsIsItsTokens) {
  const Batch inputs{some_ids(9, 1), some_ids(4, 2)}, targets{{0, 5, 6}, {0, 9}};
  const std::vector<int64_t> ids{7, 3, 12};
  const CompiledPlan made = plan({{"length", "3"}});
  made.trained()[0]->value = backbone->embedding_rows(ids);
  Batch longer = inputs;
  for (auto& sequence : longer) sequence.insert(sequence.begin(), ids.begin(), ids.end());
  EXPECT_LT(
      difference(support::logits(*backbone, made, inputs, targets), support::logits(*backbone, {}, longer, targets)),
      1e-5);
}

TEST_F(PromptTuning, OnlyThePromptGetsAGradient) {
  const CompiledPlan made = plan({{"length", "4"}});
  const std::string before = backbone->checksum();
  const auto slot = made.trained()[0];
  slot->value = at::randn({4, 20}).requires_grad_();
  const RunContext training = RunContext::for_training(0, DropoutShape::per_sequence, 3);
  const EncoderState state = backbone->encode(PackedTokens::of({some_ids(6, 1)}), made, training);
  EXPECT_THAT(state.layout.lengths, ElementsAre(10));
  backbone->head(backbone->decode(state, PackedTokens::of({{0, 5}}), made, training), made, training).sum().backward();
  ASSERT_TRUE(slot->value.grad().defined());
  EXPECT_GT(slot->value.grad().abs().amin().item<float>(), 0);  // every number of it
  for (std::size_t i = 0; i < backbone->spec().tensors().size(); ++i) {
    EXPECT_FALSE(backbone->frozen(static_cast<int>(i)).requires_grad());
  }
  EXPECT_EQ(backbone->checksum(), before);
}

// The input's dropout with one mask for all positions puts out columns of the prompt too.
TEST_F(PromptTuning, ThePromptStandsBeforeTheInputDropout) {
  const CompiledPlan made = plan({{"length", "4"}});
  const auto slot = made.trained()[0];
  slot->value = at::randn({4, 20}).requires_grad_();
  const RunContext training = RunContext::for_training(0.5, DropoutShape::per_sequence, 3);
  backbone->encode(PackedTokens::of({some_ids(6, 1)}), made, training).hidden.square().sum().backward();
  const auto silent = slot->value.grad().eq(0).all(0).sum().item<int64_t>();
  EXPECT_GT(silent, 0);
  EXPECT_LT(silent, 20);
}

TEST_F(PromptTuning, RandomUniform) {
  const Tensor value = prompt({{"length", "500"}, {"init", "random_uniform"}});
  EXPECT_LT(value.min().item<float>(), -0.49);
  EXPECT_GE(value.min().item<float>(), -0.5);
  EXPECT_GT(value.max().item<float>(), 0.49);
  EXPECT_LE(value.max().item<float>(), 0.5);
  EXPECT_NEAR(value.mean().item<float>(), 0, 0.01);
  EXPECT_THAT(context.rows, IsEmpty());
}

TEST_F(PromptTuning, SampledVocabularyWithoutReplacement) {
  const Tensor value = prompt({{"length", "30"}, {"init", "sampled_vocab"}, {"init_vocabulary", "30"}});
  EXPECT_EQ(std::set<int64_t>(context.rows.begin(), context.rows.end()).size(), 30u);  // each of 30, once
  EXPECT_EQ(*context.rows.rbegin(), 29);
  EXPECT_THAT(context.warnings, IsEmpty());
  EXPECT_TRUE(at::equal(value, prompt({{"length", "30"}, {"init", "sampled_vocab"}, {"init_vocabulary", "30"}})));
}

TEST_F(PromptTuning, MoreRowsThanPopulationAreDrawnWithReplacement) {
  prompt({{"length", "200"}, {"init", "sampled_vocab"}, {"init_vocabulary", "10"}});
  EXPECT_EQ(context.rows.size(), 200u);
  EXPECT_EQ(*context.rows.rbegin(), 9);
  EXPECT_EQ(*context.rows.begin(), 0);
}

TEST_F(PromptTuning, APopulationBeyondTheVocabularyIsToldAndCut) {
  prompt({{"length", "60"}, {"init", "sampled_vocab"}});
  EXPECT_EQ(std::set<int64_t>(context.rows.begin(), context.rows.end()).size(), 60u);
  EXPECT_THAT(context.warnings, ElementsAre(HasSubstr("init_vocabulary=5000")));
}

TEST_F(PromptTuning, ClassLabelsAreMeansOfSubTokens) {
  context.task_labels = {"ab", "c"};
  const Tensor value = prompt({{"length", "4"}, {"init_vocabulary", "40"}});
  EXPECT_LT(difference(value[0], (row(3) + row(4)) / 2), 1e-6);
  EXPECT_TRUE(at::equal(value[1], row(5)));
  const Tensor sampled = prompt({{"length", "4"}, {"init", "sampled_vocab"}, {"init_vocabulary", "40"}});
  EXPECT_TRUE(at::equal(value.narrow(0, 2, 2), sampled.narrow(0, 2, 2)));
  EXPECT_THAT(context.warnings, IsEmpty());
  EXPECT_TRUE(at::equal(prompt({{"length", "1"}, {"init_vocabulary", "40"}, {"init_words", "d,e"}})[0], row(6)));
  EXPECT_THAT(context.warnings, ElementsAre(HasSubstr("1 rows for 2 labels: those after 'd' are not used")));
}

TEST_F(PromptTuning, WithoutLabelsAllRowsAreSampled) {
  const Tensor value = prompt({{"length", "5"}, {"init_vocabulary", "40"}});
  EXPECT_THAT(context.warnings, ElementsAre(HasSubstr("no label words")));
  EXPECT_TRUE(at::equal(value, prompt({{"length", "5"}, {"init", "sampled_vocab"}, {"init_vocabulary", "40"}})));
  context.task_labels = {"", "b"};  // a label that is no text at all
  EXPECT_TRUE(at::equal(prompt({{"length", "5"}, {"init_vocabulary", "40"}})[1], row(4)));
  EXPECT_THAT(context.warnings, ElementsAre(HasSubstr("label '' has no tokens")));
}

TEST_F(PromptTuning, TextTakesARowForEachToken) {
  const GivenValues given{{"length", "5"}, {"init", "text"}, {"init_text", "bca"}, {"init_vocabulary", "40"}};
  const Tensor value = prompt(given);
  EXPECT_TRUE(at::equal(value.narrow(0, 0, 3), backbone->embedding_rows({4, 5, 3})));
  const Tensor sampled = prompt({{"length", "5"}, {"init", "sampled_vocab"}, {"init_vocabulary", "40"}});
  EXPECT_TRUE(at::equal(value.narrow(0, 3, 2), sampled.narrow(0, 3, 2)));
  EXPECT_THAT(refusal({{"length", "2"}, {"init", "text"}, {"init_text", "bca"}}), HasSubstr("set length=3"));
  EXPECT_THAT(refusal({{"init", "text"}}), HasSubstr("init=text needs init_text"));
  EXPECT_THAT(refusal({{"init", "sampled_vocab"}, {"init_text", "bca"}}), HasSubstr("set init=text"));
  EXPECT_THAT(refusal({{"init", "file"}}), HasSubstr("init=file needs init_file"));
  EXPECT_THAT(refusal({{"init", "random_uniform"}, {"init_words", "a"}}), HasSubstr("set init=class_label"));
}

TEST_F(PromptTuning, FilesAreTakenAsTheyAre) {
  const Tensor trained = at::randn({6, 20});
  context.files = {
      {"ours", trained}, {"nan", at::full({6, 20}, NAN)}, {"flat", at::randn({120})}, {"other", at::randn({6, 24})}};
  const auto from = [](const std::string& file, const std::string& length = "6") {
    return GivenValues{{"length", length}, {"init", "file"}, {"init_file", file}};
  };
  EXPECT_TRUE(at::equal(prompt(from("ours")), trained));
  EXPECT_EQ(context.asked, "encoder.input.prompt|prompt_embeddings");
  EXPECT_THAT(context.warnings, IsEmpty());
  EXPECT_TRUE(at::equal(prompt(from("ours", "3")), trained.narrow(0, 0, 3)));  // Hugging Face's doubled rows
  EXPECT_THAT(context.warnings, ElementsAre(HasSubstr("Hugging Face's forward pass ignores")));
  EXPECT_THAT(refusal(from("ours", "5")), HasSubstr("set length=6"));
  EXPECT_THAT(refusal(from("ours", "5")), HasSubstr("[5, 20]"));
  EXPECT_THAT(refusal(from("other")), HasSubstr("this size of backbone"));
  EXPECT_THAT(refusal(from("flat")), HasSubstr("[120]"));
  EXPECT_THAT(refusal(from("nan")), HasSubstr("not finite"));
}

// As they lie on a disk: our adapter, a checkpoint among the optimizer's tensors, a .npy.
TEST_F(PromptTuning, FilesOfEveryKindAreRead) {
  const fs::path folder = fs::path(::testing::TempDir()) / ("prompt-files-" + std::to_string(::getpid()));
  const Tensor trained = at::randn({6, 20});
  for (const char* name : {"ours", "checkpoint"}) fs::create_directories(folder / name);
  write_safetensors(folder / "ours/adapter.safetensors", {{"encoder.input.prompt", trained}});
  TrainState state;
  state.progress = nlohmann::json::object();
  state.parameters = {{"encoder.input.prompt", trained}};
  state.optimizer = {{"v", at::randn({6, 20})}};
  CheckpointStore(folder / "checkpoint", "run").save(state);
  std::string npy("\x93NUMPY\x01\x00v\x00", 10);
  npy += "{'descr': '<f4', 'fortran_order': False, 'shape': (6, 20), }";
  npy.resize(127, ' ');
  npy += '\n';
  npy.append(static_cast<const char*>(trained.const_data_ptr()), trained.nbytes());
  write_atomically(folder / "released.npy", npy);

  for (const char* name : {"ours", "checkpoint", "released.npy", "ours/adapter.safetensors"}) {
    const GivenValues given{{"length", "6"}, {"init", "file"}, {"init_file", (folder / name).string()}};
    EXPECT_TRUE(at::equal(prompt(given), trained)) << name;
    EXPECT_THAT(context.warnings, IsEmpty()) << name;
  }
  EXPECT_THROW(prompt({{"init", "file"}, {"init_file", (folder / "absent").string()}}), CheckpointError);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace peftbench::prompt_tuning_test
