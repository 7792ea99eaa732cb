#include "formats.h"

#include <peftbench/error.h>

namespace pb = peftbench;

namespace prompt_tuning {
namespace {

const std::string ours = "encoder.input.prompt", theirs = "prompt_embeddings";

pb::ImportedAdapter prompt_of(const pb::Tensor& rows, const pb::BackboneSpec& backbone) {
  if (rows.dim() != 2 || rows.size(0) < 1 || rows.size(1) != backbone.d_model) {
    throw pb::CheckpointError(pb::Problem{"the prompt does not fit this backbone", c10::str(rows.sizes()),
                                          "[length, " + std::to_string(backbone.d_model) + "]",
                                          "use the backbone that the prompt was trained for"});
  }
  pb::ImportedAdapter imported;
  imported.values.set("length", rows.size(0));
  imported.tensors[ours] = rows;
  return imported;
}

}  // namespace

bool HuggingFacePrompt::recognises(const pb::ForeignAdapter& adapter) const {
  const auto type = adapter.config.find("peft_type");
  return type != adapter.config.end() && type->second == pb::ForeignValue(std::string("PROMPT_TUNING"));
}

std::optional<pb::Names> HuggingFacePrompt::entries() const {
  return pb::Names{"num_virtual_tokens",
                   "token_dim",
                   "num_transformer_submodules",
                   "num_attention_heads",
                   "num_layers",
                   "modules_to_save",
                   "prompt_tuning_init",  // of first values, as are the next three
                   "prompt_tuning_init_text",
                   "tokenizer_name_or_path",
                   "tokenizer_kwargs"};
}

pb::ImportedAdapter HuggingFacePrompt::read(const pb::ForeignAdapter& adapter, const pb::BackboneSpec& backbone) const {
  if (adapter.tensors.size() > 1 || !adapter.names("modules_to_save").empty()) {
    throw pb::CheckpointError(
        pb::Problem{"the adapter contains more than a prompt", std::to_string(adapter.tensors.size()) + " tensors",
                    "only " + theirs + ", without modules_to_save", "use an adapter without other trained modules"});
  }
  const pb::Tensor& rows = adapter.tensor(theirs);
  const int64_t width = rows.dim() == 2 ? rows.size(1) : 0;
  if (adapter.integer("token_dim", width) != width) {
    throw pb::CheckpointError(pb::Problem{.what = theirs + " is " + std::to_string(width) + " wide, and token_dim is " +
                                                  std::to_string(adapter.integer("token_dim", width)),
                                          .expected = "equal widths",
                                          .remedy = "use the adapter_config.json that was saved with this prompt"});
  }
  const int64_t stored = rows.dim() == 2 ? rows.size(0) : 0;
  const int64_t length = adapter.integer("num_virtual_tokens", stored);
  const int64_t copies = adapter.integer("num_transformer_submodules", stored == 2 * length ? 2 : 1);
  if (stored != 0 && ((stored != length && stored != 2 * length) || stored != copies * length)) {
    throw pb::CheckpointError(pb::Problem{
        theirs + " has " + std::to_string(stored) + " rows, and num_virtual_tokens is " + std::to_string(length),
        "num_transformer_submodules " + std::to_string(copies),
        "as many rows, or twice as many (num_transformer_submodules 2)", "use another copy of the adapter"});
  }
  if (stored != 2 * length) return prompt_of(rows, backbone);
  pb::ImportedAdapter imported = prompt_of(rows.narrow(0, 0, length).clone(), backbone);
  imported.notes = {"of the " + std::to_string(stored) + " rows of " + theirs + " the first " + std::to_string(length) +
                    " are taken: the others are for the decoder, where Hugging Face does not use them"};
  return imported;
}

pb::ForeignAdapter HuggingFacePrompt::write(const pb::Values& values, const pb::BackboneSpec& backbone,
                                            const std::map<std::string, pb::Tensor>& stored) const {
  pb::ForeignAdapter adapter;
  adapter.config = {
      {"peft_type", "PROMPT_TUNING"},
      {"num_virtual_tokens", values.integer("length")},
      {"num_transformer_submodules", int64_t{1}},
      {"token_dim", backbone.d_model},
      {"num_layers", backbone.encoder_layers},
      {"num_attention_heads", backbone.num_heads},
      {"prompt_tuning_init", "RANDOM"},  // of no matter in a trained prompt; the others need a tokenizer there
      {"prompt_tuning_init_text", std::monostate()},
      {"tokenizer_name_or_path", std::monostate()},
      {"modules_to_save", std::monostate()},
  };
  adapter.tensors[theirs] = stored.at(ours);
  return adapter;
}

bool GooglePrompt::recognises(const pb::ForeignAdapter& adapter) const {
  return adapter.config.empty() && adapter.tensors.size() == 1 && adapter.tensors.begin()->first.empty();
}

pb::ImportedAdapter GooglePrompt::read(const pb::ForeignAdapter& adapter, const pb::BackboneSpec& backbone) const {
  return prompt_of(adapter.tensor({}), backbone);
}

pb::ForeignAdapter GooglePrompt::write(const pb::Values&, const pb::BackboneSpec&,
                                       const std::map<std::string, pb::Tensor>& stored) const {
  pb::ForeignAdapter adapter;
  adapter.tensors[""] = stored.at(ours);
  return adapter;
}

}  // namespace prompt_tuning
