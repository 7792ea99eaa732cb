// Models and vocabularies: what a folder from the hub holds.
#include "backbone/catalogue.h"
#include "backbone/config_json.h"
#include "backbone/load.h"
#include "formats/npy.h"
#include "formats/pickle.h"
#include "formats/safetensors.h"
#include "formats/torch_pickle.h"
#include "fuzz/target.h"
#include "support/layers.h"
#include "text/tokenizer.h"

#include <ATen/ops/sum.h>

namespace peftbench::hostile {

using namespace layers;

namespace {

// Every byte is looked at: a tensor that leaves its file is found here, not in training.
void touch(const TensorMap& tensors) {
  for (const auto& [name, tensor] : tensors) tensor.clone();
}

void safetensors(std::string_view bytes) {
  const TensorFile file = read_safetensors(put("model.safetensors", bytes));
  touch(file.tensors);
}

void torch_zip(std::string_view bytes) { touch(read_torch_pickle(put("model.bin", bytes))); }

void pickle(std::string_view bytes) {
  parse_pickle(
      bytes, [](const std::string& name) { return name.starts_with("torch") || name.starts_with("coll"); },
      "the pickle");
}

void npy(std::string_view bytes) { read_npy(put("array.npy", bytes)).clone(); }

// A model's folder in which one file is mutated and the others are seeds.
fs::path model_with(const std::string& name, std::string_view bytes) {
  static bool made = false;
  const fs::path folder = scratch() / "model";
  if (!made) {
    fs::create_directories(folder);
    for (const char* file : {"config.json", "spiece.model", "model-00001-of-00002.safetensors",
                             "model-00002-of-00002.safetensors", "pytorch_model-00001-of-00001.bin"})
      put("model/" + std::string(file), seed("companions/" + std::string(file)));
    made = true;
  }
  put("model/" + name, bytes);
  return folder;
}

void config(std::string_view bytes) { parse_config(bytes, "config.json"); }

void safetensors_index(std::string_view bytes) {
  touch(read_weights(model_with("model.safetensors.index.json", bytes)));
}
void torch_index(std::string_view bytes) { touch(read_weights(model_with("pytorch_model.bin.index.json", bytes))); }

const std::string& sentence() {
  static const std::string text =
      "The quick brown fox <extra_id_0> \xe2\x96\x81 \xef\xbd\x86 e\xcc\x81 naïve 12345 <hl> \xf0\x9f\x98\x80";
  return text;
}

void read_tokenizer(const Tokenizer& tokenizer) {
  const std::vector<int64_t> ids = tokenizer.encode(sentence());
  tokenizer.decode(ids);
  tokenizer.sentinel(0);
  for (int64_t id = 0; id < std::min<int64_t>(tokenizer.size(), 400); ++id) tokenizer.piece(id);
}

void read_model(const fs::path& folder) {
  read_spec(folder);
  read_tokenizer(*open_tokenizer(folder));
}

// A folder without a SentencePiece model.
void byte_tokenizer(std::string_view bytes) {
  const fs::path folder = scratch() / "bytes";
  fs::create_directories(folder);
  put("bytes/tokenizer_config.json", bytes);
  read_tokenizer(*open_tokenizer(folder));
}

// What a folder says beside config.json.
void generation_config(std::string_view bytes) { read_model(model_with("generation_config.json", bytes)); }
void added_tokens(std::string_view bytes) { read_model(model_with("added_tokens.json", bytes)); }
void tokenizer_config(std::string_view bytes) { read_model(model_with("tokenizer_config.json", bytes)); }
void special_tokens_map(std::string_view bytes) { read_model(model_with("special_tokens_map.json", bytes)); }
void tokenizer_json(std::string_view bytes) { read_model(model_with("tokenizer.json", bytes)); }

void spiece(std::string_view bytes) { read_model(model_with("spiece.model", bytes)); }

void catalogue(std::string_view bytes) { read_catalogue_entry(put("t5.yaml", bytes)); }

}  // namespace

std::vector<Target> backbone_targets() {
  return {{"safetensors", Syntax::bytes, safetensors, &safetensors_header},
          {"safetensors_index", Syntax::json, safetensors_index},
          {"torch_zip", Syntax::bytes, torch_zip, &zip_pickle},
          {"torch_index", Syntax::json, torch_index},
          {"pickle", Syntax::bytes, pickle},
          {"npy", Syntax::bytes, npy, &npy_header},
          {"config", Syntax::json, config},
          {"generation_config", Syntax::json, generation_config},
          {"added_tokens", Syntax::json, added_tokens},
          {"tokenizer_config", Syntax::json, tokenizer_config},
          {"byte_tokenizer", Syntax::json, byte_tokenizer},
          {"special_tokens_map", Syntax::json, special_tokens_map},
          {"tokenizer_json", Syntax::json, tokenizer_json},
          {"spiece", Syntax::bytes, spiece, &spiece_lines},
          {"catalogue", Syntax::yaml, catalogue}};
}

}  // namespace peftbench::hostile
