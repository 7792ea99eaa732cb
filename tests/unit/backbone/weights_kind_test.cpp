// Weights that are not a plain T5's are called what they are, with what helps.
#include "backbone/backbone.h"
#include "backbone/load.h"
#include "formats/safetensors.h"
#include "support/layers.h"

#include "support/tiny_backbone.h"
#include "support/weights_fixture.h"

#include <peftbench/error.h>

#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::weights_kind_test {

using namespace layers;

namespace {

using namespace testing_files;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class WeightsKind : public ::testing::Test {
 protected:
  WeightsKind() : spec_(support::tiny_spec()), tensors_(support::tiny_tensors(spec_, 1)) {}

  void write(const std::string& more = "") const {
    write_bytes(folder_ / "config.json",
                R"({"model_type":"t5","vocab_size":40,"d_model":20,"d_kv":4,"num_heads":3,"d_ff":24,"num_layers":3,)"
                R"("num_decoder_layers":2,"feed_forward_proj":"gated-gelu","tie_word_embeddings":false)" +
                    more + "}");
    write_safetensors(folder_ / "model.safetensors", tensors_);
  }
  std::string refusal_of_folder() const {
    return refusal([&] { Backbone::load(folder_ / ""); });
  }
  void rename(const std::function<std::string(const std::string&)>& name) {
    TensorMap renamed;
    for (const auto& [old, tensor] : tensors_) renamed[name(old)] = tensor;
    tensors_ = renamed;
  }

  TempFolder folder_;
  BackboneSpec spec_;
  TensorMap tensors_;
};

TEST_F(WeightsKind, WrappersOfAModelAreTakenOffItsNames) {
  const std::string checksum = Backbone::from_tensors(spec_, tensors_)->checksum();
  const TensorMap plain = tensors_;
  for (const std::string prefix : {"model.", "module.", "_orig_mod.", "module._orig_mod.", "model.transformer."}) {
    tensors_ = plain;
    rename([&](const std::string& name) { return prefix + name; });
    write();
    EXPECT_EQ(Backbone::load(folder_ / "")->checksum(), checksum) << prefix;
  }
  tensors_ = plain;
  rename([](const std::string& name) { return "head.of.something." + name; });
  write();
  EXPECT_THAT(refusal_of_folder(), AllOf(HasSubstr("begin with 'head.of.something.'"), HasSubstr("save_pretrained"),
                                         Not(HasSubstr("missing"))));
}

TEST_F(WeightsKind, AnEncoderAlone) {
  std::erase_if(tensors_, [](const auto& entry) {
    return entry.first.starts_with("decoder.") || entry.first == "lm_head.weight";
  });
  write();
  EXPECT_THAT(refusal_of_folder(), AllOf(HasSubstr("contains only an encoder"), HasSubstr("use the complete model"),
                                         Not(HasSubstr("missing"))));
}

TEST_F(WeightsKind, QuantisedWeights) {
  write(R"(,"quantization_config":{"quant_method":"bitsandbytes","load_in_8bit":true})");
  EXPECT_THAT(refusal_of_folder(),
              AllOf(HasSubstr("quantization_config of bitsandbytes"), HasSubstr("backbone.quantization=nf4 or int8")));
  const std::string q = "encoder.block.0.layer.0.SelfAttention.q.";
  const TensorMap plain = tensors_;
  for (const char* suffix : {"SCB", "weight.absmax", "qweight"}) {
    tensors_ = plain;
    tensors_[q + suffix] = at::zeros({12});
    write();
    EXPECT_THAT(refusal_of_folder(), AllOf(HasSubstr("contains quantised weights"), HasSubstr(q + suffix)));
  }
}

TEST_F(WeightsKind, PartsThatWereNotGathered) {
  for (auto& [name, tensor] : tensors_) tensor = at::zeros({0});
  write();
  EXPECT_THAT(refusal_of_folder(), AllOf(HasSubstr("empty tensors"), HasSubstr("ZeRO-3"), HasSubstr("zero_to_fp32.py"),
                                         Not(HasSubstr("wrong"))));
}

TEST_F(WeightsKind, AnAdapterInTheModel) {
  rename([](const std::string& name) {
    return "base_model.model." +
           (name.ends_with("q.weight") ? name.substr(0, name.size() - 6) + "base_layer.weight" : name);
  });
  write();
  EXPECT_THAT(refusal_of_folder(), AllOf(HasSubstr("a model with an adapter"), HasSubstr("merge_and_unload")));
}

TEST_F(WeightsKind, NoTensorsAtAll) {
  tensors_.clear();
  write();
  EXPECT_THAT(refusal_of_folder(), HasSubstr("contains no tensors"));
}

}  // namespace
}  // namespace peftbench::weights_kind_test
