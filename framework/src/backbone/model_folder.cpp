#include "backbone/model_folder.h"

#include "architectures/architecture.h"
#include "backbone/load.h"
#include "core/write_files.h"
#include "formats/safetensors.h"
#include "text/added_tokens.h"
#include "text/tokenizer.h"

#include <nlohmann/json.hpp>

#include <string_view>

namespace peftbench::backbone {
std::string config_json(const BackboneSpec& spec, Precision precision) {
  nlohmann::ordered_json json;
  for (const auto& [key, value] : architecture_named(spec.architecture).write_config(spec))
    std::visit([&, &name = key](const auto& each) { json[name] = each; }, value);
  json["dtype"] = enum_name(precision);
  return json.dump(2) + "\n";
}

std::string generation_config_json(const BackboneSpec& spec) {
  const nlohmann::ordered_json generation = {
      {"decoder_start_token_id", spec.decoder_start_id}, {"eos_token_id", spec.eos_id}, {"pad_token_id", spec.pad_id}};
  return generation.dump(2) + "\n";
}

TensorMap converted(const TensorMap& tensors, Precision precision) {
  TensorMap result;
  for (const auto& [name, tensor] : tensors) result.emplace(name, tensor.detach().to(type_of(precision)).contiguous());
  return result;
}

std::map<std::string, std::string> vocabulary_files(const fs::path& spiece_model) {
  std::map<std::string, std::string> files;
  if (file_exists(spiece_model)) files[spiece_file] = read_text(spiece_model);
  for (const char* name : tokenizer_files)
    if (const fs::path beside = spiece_model.parent_path() / name; file_exists(beside)) files[name] = read_text(beside);
  return files;
}

fs::path write_model_folder(const fs::path& folder, const ModelFiles& files, const std::function<void()>& check) {
  make_folder(folder);
  retract_other(folder / "config.json", files.config);
  const fs::path weights = folder / weight_files.front();
  TensorMap dense;
  for (const auto& [name, tensor] : files.tensors) dense.emplace(name, tensor.detach().contiguous());
  write_safetensors(weights, dense, {{"format", "pt"}});
  for (const auto& [name, bytes] : files.others) write_atomically(folder / name, bytes);
  if (check) check();
  write_atomically(folder / "config.json", files.config);  // last: with it the folder is a model
  return weights;
}

}  // namespace peftbench::backbone
