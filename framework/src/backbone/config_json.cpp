#include "backbone/config_json.h"

#include "core/hub_cache.h"
#include "core/json.h"
#include "core/names.h"
#include "core/utf8.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <optional>

namespace peftbench::backbone {

namespace {

using nlohmann::json;

constexpr const char* generation_file = "generation_config.json";
constexpr const char* remedy = "download the model's config.json again, or fix these keys";

// Reads keys and gathers complaints, so that one message tells all of them.
class Keys {
 public:
  explicit Keys(const json& object, std::string file = {}) : object_(object), file_(std::move(file)) {}

  int64_t size(const char* key) { return integer(key, std::nullopt, 1); }
  int64_t size(const char* key, int64_t standard) { return integer(key, standard, 1); }
  int64_t id(const char* key, int64_t standard) { return integer(key, standard, 0); }
  std::optional<int64_t> id(const char* key) {
    return find(key) == nullptr ? std::nullopt : std::optional(integer(key, 0, 0));
  }

  double real(const char* key, double standard, double low, double high) {
    const json* value = find(key);
    if (value == nullptr) return standard;
    const double number = value->is_number() ? value->get<double>() : std::nan("");
    if (!(number >= low && number <= high)) {
      complain(key, *value, "a number from " + json(low).dump() + " to " + json(high).dump());
      return standard;
    }
    return number;
  }

  std::optional<bool> flag(const char* key) {
    const json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_boolean()) {
      complain(key, *value, "true or false");
      return std::nullopt;
    }
    return value->get<bool>();
  }

  std::optional<std::string> text(const char* key) {
    const json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) {
      complain(key, *value, "a string");
      return std::nullopt;
    }
    return value->get<std::string>();
  }

  void complain(const char* key, const json& value, const std::string& expected) {
    problems_.push_back(file_ + key + " is " + printable(value.dump(-1, ' ', false, json::error_handler_t::replace)) +
                        "; it must be " + expected);
  }

  std::vector<std::string>& problems() { return problems_; }

 private:
  // null is how Hugging Face writes "not set".
  const json* find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  int64_t integer(const char* key, std::optional<int64_t> standard, int64_t low) {
    const json* value = find(key);
    if (value == nullptr) {
      if (!standard) problems_.push_back(std::string(key) + " is missing");
      return standard.value_or(low);
    }
    if (low == 0 && value->is_array() && !value->empty()) {
      if (std::any_of(value->begin(), value->end(), [&](const json& each) { return each != value->front(); })) {
        complain(key, *value, "one id (several stop ids are not supported)");
        return standard.value_or(low);
      }
      value = &value->front();
    }
    const bool whole = value->is_number_integer() ||
                       (value->is_number_float() && std::trunc(value->get<double>()) == value->get<double>());
    const double number = whole ? value->get<double>() : -1;
    if (number < static_cast<double>(low) || number > 1e9) {
      complain(key, *value, low == 0 ? "a token id" : "a whole number above 0");
      return standard.value_or(low);
    }
    return static_cast<int64_t>(number);
  }

  const json& object_;
  std::string file_;  // before a key, where it is not config.json's
  std::vector<std::string> problems_;
};

struct FeedForward {
  bool gated;
  Activation activation;
};

std::optional<Activation> activation_of(std::string_view name) {
  if (name == "relu") return Activation::relu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh") return Activation::gelu_tanh;
  if (name == "gelu") return Activation::gelu;
  if (name == "silu" || name == "swish") return Activation::silu;
  return std::nullopt;
}

// feed_forward_proj is the older key; dense_act_fn and is_gated_act, where they stand, have the last word.
FeedForward read_feed_forward(Keys& keys, bool mt5) {
  const std::string form = keys.text("feed_forward_proj").value_or(mt5 ? "gated-gelu" : "relu");
  const bool gated_form = form.starts_with("gated-");
  std::string name = gated_form ? form.substr(6) : form;
  if (form == "gated-gelu") name = "gelu_new";  // the name is from before the two were told apart
  FeedForward result{gated_form, Activation::relu};
  const std::optional<Activation> of_form = activation_of(name);
  if (!of_form) {
    keys.complain("feed_forward_proj", form, "relu, gelu, silu, gated-gelu, gated-silu or gated-relu");
  }
  result.activation = of_form.value_or(Activation::relu);
  if (const std::optional<std::string> own = keys.text("dense_act_fn")) {
    const std::optional<Activation> activation = activation_of(*own);
    if (!activation) keys.complain("dense_act_fn", *own, "relu, gelu_new, gelu or silu");
    result.activation = activation.value_or(result.activation);
  }
  result.gated = keys.flag("is_gated_act").value_or(result.gated);
  return result;
}

// The ids that decoding begins and ends with. As in transformers, those of generation_config.json decide over it.
void read_ids(Keys& keys, Keys& generation, BackboneSpec& spec) {
  spec.pad_id = keys.id("pad_token_id", 0);
  const std::optional<int64_t> stop = generation.id("eos_token_id");
  spec.eos_id = stop ? *stop : keys.id("eos_token_id", 1);
  const std::optional<int64_t> start = keys.id("decoder_start_token_id");
  std::optional<int64_t> first = generation.id("decoder_start_token_id");
  if (start && first && *start != *first) {
    generation.complain("decoder_start_token_id", *first,
                        "that of config.json, " + std::to_string(*start) + ": training uses one, generation the other");
  }
  if (!start && !first) first = generation.id("bos_token_id");
  spec.decoder_start_id = start.value_or(first.value_or(spec.pad_id));
}

// Other families share the keys but not the network.
bool check_family(Keys& keys, const std::string& origin) {
  const std::string type = keys.text("model_type").value_or("");
  if (type == "t5" || type == "mt5") return type == "mt5";
  std::string found = type.empty() ? "no model_type" : "model_type '" + printable(type) + "'";
  if (type == "umt5") found += ", which has a relative bias in every layer where T5 has one per stack";
  if (type == "longt5") found += ", which attends locally where T5 attends to all";
  if (type == "switch_transformers") found += ", which is a mixture of experts";
  throw CheckpointError(Problem{origin + " is not a T5 configuration", found, "model_type t5 or mt5",
                                "choose a T5: v1.0, v1.1, LM-adapted or Flan"});
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
  Keys keys(object), generation(generation_object, std::string(generation_file) + ": ");
  const bool mt5 = check_family(keys, origin);
  BackboneSpec spec;
  spec.vocab_size = keys.size("vocab_size");
  spec.d_model = keys.size("d_model");
  spec.d_kv = keys.size("d_kv");
  spec.num_heads = keys.size("num_heads");
  spec.d_ff = keys.size("d_ff");
  spec.encoder_layers = keys.size("num_layers");
  spec.decoder_layers = keys.size("num_decoder_layers", spec.encoder_layers);
  spec.relative_buckets = keys.size("relative_attention_num_buckets", 32);
  spec.relative_max_distance = keys.size("relative_attention_max_distance", 128);
  spec.norm_epsilon = keys.real("layer_norm_epsilon", 1e-6, 0, 1);
  spec.dropout_rate = keys.real("dropout_rate", 0.1, 0, 0.999);
  read_ids(keys, generation, spec);

  const FeedForward feed_forward = read_feed_forward(keys, mt5);
  spec.gated = feed_forward.gated;
  spec.activation = feed_forward.activation;
  // Files written since transformers 5 say "tied" of every T5; only the scale tells v1.0 from v1.1. mT5 has none.
  const bool ties = keys.flag("tie_word_embeddings").value_or(!mt5);
  spec.scale_logits = keys.flag("scale_decoder_outputs").value_or(ties && !mt5);
  spec.tied = ties && spec.scale_logits;

  const std::vector<std::string>& others = generation.problems();
  keys.problems().insert(keys.problems().end(), others.begin(), others.end());
  if (keys.problems().empty()) keys.problems() = implausible(spec);
  if (!keys.problems().empty()) {
    const std::size_t count = keys.problems().size();
    throw CheckpointError(Problem{
        origin + " cannot be used", join(keys.problems(), "\n"),
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
