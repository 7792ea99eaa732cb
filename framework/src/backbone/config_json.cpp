#include "backbone/config_json.h"

#include "architectures/architecture.h"
#include "architectures/config_keys.h"
#include "core/hub_cache.h"
#include "core/json.h"
#include "core/names.h"
#include "core/utf8.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <string_view>

namespace peftbench::backbone {

namespace {

using nlohmann::json;

constexpr const char* generation_file = "generation_config.json";
constexpr const char* remedy = "download the model's config.json again, or fix these keys";

// Relatives that share the keys but not the network.
struct Relative {
  std::string_view model_type, difference;
};
constexpr Relative unsupported[] = {
    {"umt5", "which has a relative bias in every layer where T5 has one per stack"},
    {"longt5", "which attends locally where T5 attends to all"},
    {"switch_transformers", "which is a mixture of experts"},
};

const Architecture& architecture_for(const std::string& type, const std::string& origin) {
  if (const Architecture* found = architecture_of(type)) return *found;
  std::string found = type.empty() ? "no model_type" : "model_type '" + printable(type) + "'";
  for (const Relative& relative : unsupported)
    if (relative.model_type == type) found += ", " + std::string(relative.difference);
  std::vector<std::string> known;
  for (const Architecture* each : all_architectures())
    known.insert(known.end(), each->model_types.begin(), each->model_types.end());
  throw CheckpointError(Problem{origin + " is not a configuration of a supported model", found,
                                "model_type " + join(known, " or "), "choose a T5: v1.0, v1.1, LM-adapted, Flan, mT5"});
}

json parse_object(std::string_view text, const std::string& origin, const char* file) {
  const std::string remedy = "download the file again";
  json object = parse_json<json, CheckpointError>(text, origin, remedy);
  if (!object.is_object())
    throw CheckpointError(Problem{origin + " is not a model configuration", "JSON that is not an object",
                                  std::string("a Hugging Face ") + file, remedy});
  return object;
}

// The folder's own name; in the hub cache, models--org--name/snapshots/<commit>, that is org/name.
std::string folder_name(const fs::path& folder) {
  fs::path path = fs::absolute(folder).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  const auto name = hub_name(path.parent_path().parent_path(), HubKind::model);
  return path.parent_path().filename() == "snapshots" && name ? *name : path.filename().string();
}

}  // namespace

std::vector<std::string> implausible(const BackboneSpec& spec) {
  std::vector<std::string> result;
  const auto check = [&](const char* name, int64_t value, int64_t low, int64_t high) {
    if (value >= low && value <= high) return;
    result.push_back(std::string(name) + " is " + std::to_string(value) + "; it must be from " + std::to_string(low) +
                     " to " + std::to_string(high));
  };
  constexpr int64_t wide = 1 << 20;
  check("vocab_size", spec.vocab_size, 1, 1 << 24);
  check("d_model", spec.d_model, 1, wide);
  check("d_kv", spec.d_kv, 1, wide);
  check("num_heads", spec.num_heads, 1, 1 << 14);
  check("d_ff", spec.d_ff, 1, wide);
  check("layers of the encoder", spec.encoder_layers, 1, 1024);
  check("layers of the decoder", spec.decoder_layers, 1, 1024);
  check("relative_attention_num_buckets", spec.relative_buckets, 4, 1 << 16);
  // The logarithmic half of the buckets begins at a quarter of them (both directions) or a half (one).
  check("relative_attention_max_distance", spec.relative_max_distance, spec.relative_buckets / 2 + 1, 1 << 24);
  if (spec.relative_buckets % 2 != 0)
    result.push_back("relative_attention_num_buckets must be even: half of them are for earlier positions");
  if (result.empty()) check("num_heads · d_kv", spec.inner(), 1, wide);
  if (spec.vocab_size > 0) {
    check("pad_token_id", spec.pad_id, 0, spec.vocab_size - 1);
    check("eos_token_id", spec.eos_id, 0, spec.vocab_size - 1);
    check("decoder_start_token_id", spec.decoder_start_id, 0, spec.vocab_size - 1);
  }
  return result;
}

BackboneSpec parse_config(std::string_view text, const std::string& origin, std::string_view generation_text) {
  const json object = parse_object(text, origin, "config.json");
  const std::string generation_origin = (fs::path(origin).parent_path() / generation_file).string();
  const json generation_object =
      generation_text.empty() ? json::object() : parse_object(generation_text, generation_origin, generation_file);
  ConfigKeys keys(object), generation(generation_object, std::string(generation_file) + ": ");
  const std::string type = keys.text("model_type").value_or("");
  const Architecture& architecture = architecture_for(type, origin);
  BackboneSpec spec = architecture.read_config(type, keys, generation);
  spec.architecture = architecture.name;

  std::vector<std::string> problems = keys.complaints();
  problems.insert(problems.end(), generation.complaints().begin(), generation.complaints().end());
  if (problems.empty()) problems = implausible(spec);
  if (!problems.empty()) {
    const std::size_t count = problems.size();
    throw CheckpointError(Problem{
        origin + " cannot be used", join(problems, "\n"),
        count == 1 ? "the sizes of a T5" : "the sizes of a T5 (" + std::to_string(count) + " invalid keys)", remedy});
  }
  return spec;
}

BackboneSpec read_config(const fs::path& folder) {
  const fs::path file = folder / "config.json";
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) {
    throw CheckpointError(Problem{"there is no config.json in " + folder.string(),
                                  fs::is_directory(folder, ignored) ? "a folder without config.json" : "no such folder",
                                  "a Hugging Face folder: config.json, weights, spiece.model",
                                  "give another folder, or download the model with `hf download`"});
  }
  const fs::path generation = folder / generation_file;
  BackboneSpec spec =
      parse_config(read_text(file), file.string(), file_exists(generation) ? read_text(generation) : std::string());
  spec.name = folder_name(folder);
  return spec;
}

}  // namespace peftbench::backbone
