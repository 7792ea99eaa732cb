#include "formats.h"
#include "support/layers.h"

#include "support/tiny_backbone.h"

#include <peftbench/error.h>

#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <gmock/gmock.h>

namespace peftbench::formats_test {

using namespace layers;

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;
const BackboneSpec backbone = support::tiny_spec();  // d_model 20

ForeignAdapter peft(const Tensor& rows, int64_t length) {
  return {{{"peft_type", "PROMPT_TUNING"}, {"num_virtual_tokens", length}}, {{"prompt_embeddings", rows}}};
}

std::string refusal(const AdapterFormat& format, const ForeignAdapter& adapter) {
  try {
    format.read(adapter, backbone);
  } catch (const CheckpointError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(PromptFormats, PeftsSecondHalfIsLeftOut) {
  const prompt_tuning::HuggingFacePrompt format;
  const Tensor rows = at::randn({6, 20});
  EXPECT_TRUE(format.recognises(peft(rows, 6)));
  for (const int64_t length : {6, 3}) {
    const ImportedAdapter imported = format.read(peft(rows, length), backbone);
    EXPECT_EQ(imported.values.integer("length"), length);
    EXPECT_THAT(imported.tensors, ElementsAre(Key("encoder.input.prompt")));
    EXPECT_TRUE(at::equal(imported.tensors.at("encoder.input.prompt"), rows.narrow(0, 0, length)));
  }
  EXPECT_THAT(refusal(format, peft(rows, 4)), HasSubstr("6 rows, and num_virtual_tokens is 4"));
  EXPECT_THAT(refusal(format, peft(at::randn({6, 24}), 6)), HasSubstr("[length, 20]"));
  EXPECT_THAT(refusal(format, peft(at::randn({120}), 6)), HasSubstr("[length, 20]"));
  ForeignAdapter more = peft(rows, 6);
  more.tensors["lm_head.weight"] = rows;
  EXPECT_THAT(refusal(format, more), HasSubstr("more than a prompt"));
  // S9: entries that the rows contradict.
  for (const auto& [key, value] :
       {std::pair{"token_dim", int64_t{24}}, std::pair{"num_transformer_submodules", int64_t{2}}}) {
    ForeignAdapter other = peft(rows, 6);
    other.config[key] = value;
    EXPECT_THAT(refusal(format, other), HasSubstr(key));
  }
  ForeignAdapter lost = peft(rows, 6);
  lost.config["modules_to_save"] = Names{"lm_head"};
  EXPECT_THAT(refusal(format, lost), HasSubstr("modules_to_save"));
  EXPECT_FALSE(format.recognises({{{"peft_type", "P_TUNING"}}, {}}));
  EXPECT_FALSE(format.recognises({{}, {{"", rows}}}));
}

TEST(PromptFormats, BothReadWhatTheyWrite) {
  const Tensor rows = at::randn({5, 20});
  Values values;
  values.set("length", int64_t{5});
  const prompt_tuning::HuggingFacePrompt peft_format;
  const prompt_tuning::GooglePrompt google_format;
  for (const AdapterFormat* format : std::initializer_list<const AdapterFormat*>{&peft_format, &google_format}) {
    const ForeignAdapter written = format->write(values, backbone, {{"encoder.input.prompt", rows}});
    EXPECT_TRUE(format->recognises(written)) << format->name();
    const ImportedAdapter imported = format->read(written, backbone);
    EXPECT_EQ(imported.values.integer("length"), 5);
    EXPECT_TRUE(at::equal(imported.tensors.at("encoder.input.prompt"), rows));
  }
  const ForeignAdapter written = peft_format.write(values, backbone, {{"encoder.input.prompt", rows}});
  EXPECT_EQ(written.integer("num_transformer_submodules", 0), 1);  // 2 would make peft expect 2P rows
  EXPECT_EQ(written.integer("token_dim", 0), 20);
  EXPECT_FALSE(google_format.recognises(written));
}

TEST(PromptFormats, ANumpyFileOfAnotherShapeIsRefused) {
  const prompt_tuning::GooglePrompt format;
  EXPECT_TRUE(format.recognises({{}, {{"", at::randn({5, 24})}}}));
  EXPECT_THAT(refusal(format, {{}, {{"", at::randn({5, 24})}}}), HasSubstr("[5, 24]"));
}

}  // namespace
}  // namespace peftbench::formats_test
