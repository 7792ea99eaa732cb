#include "huggingface.h"

#include "targets.h"

#include <peftbench/error.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

namespace pb = peftbench;

namespace lora {
namespace {

const std::string prefix = "base_model.model.";
const std::string end_of_a = ".lora_A.weight", end_of_b = ".lora_B.weight";

[[noreturn]] void refuse(const std::string& key, const std::string& why) {
  throw pb::CheckpointError(pb::Problem{.what = "adapter_config.json: " + key + " is set, and " + why,
                                        .expected = "a plain LoRA adapter: matrices A and B and a scale",
                                        .remedy = "merge the adapter into its model with the program that made it"});
}

// What changes the forward pass and is not W₀ + s·BA.
constexpr std::pair<const char*, const char*> variants[] = {
    {"use_dora", "DoRA rescales the frozen weights"},
    {"use_qalora", "QA-LoRA pools its inputs"},
    {"use_bdlora", "BD-LoRA has block-diagonal factors"},
    {"lora_bias", "biases are not supported"},
    {"bias", "T5's maps have no bias"},
    {"alora_invocation_tokens", "aLoRA is switched on by tokens"},
    {"alora_invocation_string", "aLoRA is switched on by tokens"},
    {"arrow_config", "Arrow routes between adapters"},
    {"kasa_config", "KaSA changes the frozen weights"},
    {"monteclora_config", "MonteCLoRA draws its factors"},
    {"layer_replication", "it changes the backbone's layers"},
    {"modules_to_save", "whole modules were trained with the adapter"},
    {"trainable_token_indices", "embeddings were trained with the adapter"},
    {"target_parameters", "only linear maps are supported as targets"},
    {"megatron_config", "Megatron is not supported"},
};

// Entries that change nothing in a trained LoRA of linear maps, or that are read below.
const pb::Names read_or_harmless = {"r",
                                    "lora_alpha",
                                    "lora_dropout",
                                    "target_modules",
                                    "exclude_modules",
                                    "layers_to_transform",
                                    "layers_pattern",
                                    "rank_pattern",
                                    "alpha_pattern",
                                    "use_rslora",
                                    "init_lora_weights",
                                    "fan_in_fan_out",  // peft sets it to false for linear maps
                                    "megatron_core",
                                    "loftq_config",  // of first values, as are the next three
                                    "eva_config",
                                    "corda_config",
                                    "lora_ga_config",
                                    "velora_config",  // of the memory of training
                                    "qalora_group_size",
                                    "runtime_config",
                                    "ensure_weight_tying"};

void refuse_variants(const pb::ForeignAdapter& adapter) {
  for (const auto& [key, why] : variants) {
    if (adapter.is_set(key)) refuse(key, why);
  }
  const auto init = adapter.config.find("init_lora_weights");
  if (init == adapter.config.end() || !std::holds_alternative<std::string>(init->second)) return;
  const std::string word = adapter.word("init_lora_weights");
  for (const char* changes : {"pissa", "olora", "corda", "loftq", "lora_ga"}) {
    if (word.starts_with(changes))
      refuse("init_lora_weights=" + adapter.text("init_lora_weights"),
             "this initialisation changes the frozen weights");
  }
  for (const char* keeps : {"gaussian", "eva", "orthogonal", "mica"}) {
    if (word == keeps) return;
  }
  refuse("init_lora_weights=" + adapter.text("init_lora_weights"), "this initialisation is unknown");
}

struct Pair {
  const pb::LinearSite* site = nullptr;
  pb::Tensor a, b;
};

// What a tensor that is no LoRA matrix of this backbone is, and what to do.
std::pair<std::string, std::string> what_it_is(const std::string& name) {
  const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
  const bool factor = has(".lora_A.") || has(".lora_B.");
  if (factor && !name.ends_with(end_of_a) && !name.ends_with(end_of_b))
    return {
        "the tensor names contain the adapter name: this is the state dict of a model in memory, not a file of "
        "save_pretrained",
        "save it with model.save_pretrained(DIR), or remove the adapter name from the tensor names"};
  if (factor && !name.starts_with(prefix))
    return {"the tensor names do not start with " + prefix, "save the adapter with peft's save_pretrained"};
  if (has("lora_embedding_"))
    return {"the embedding table is a target of the adapter", "train it on linear maps only to use it here"};
  if (has("lora_magnitude_vector"))
    return {"the adapter is a DoRA", "merge it into its model with the program that made it"};
  if (has("ia3_l") || name == "prompt_embeddings")
    return {"the tensors do not belong to an adapter of peft_type LORA",
            "use the adapter_config.json that belongs to the tensors"};
  return {"a tensor of the adapter does not fit this backbone", "use the backbone that the adapter was trained for"};
}

// The frozen tensor that peft stores beside its update, by its name in the backbone: of a head that is a target, and
// of the embedding table where peft took it to have changed.
std::optional<std::string> frozen_name(const std::string& name, const pb::BackboneSpec& backbone) {
  if (name == prefix + "shared.weight" || name == prefix + "encoder.embed_tokens.weight" ||
      name == prefix + "decoder.embed_tokens.weight" || name == prefix + "shared.base_layer.weight")
    return "shared.weight";
  if (name == prefix + "lm_head.base_layer.weight" || name == prefix + "lm_head.weight")
    return backbone.tied ? "shared.weight" : "lm_head.weight";
  return std::nullopt;
}

// Both factors of each module, every tensor accounted for.
std::map<std::string, Pair> pairs_of(const pb::ForeignAdapter& adapter, const std::vector<pb::LinearSite>& sites,
                                     const pb::BackboneSpec& backbone, pb::ImportedAdapter& imported) {
  std::map<std::string, Pair> pairs;
  for (const auto& [name, tensor] : adapter.tensors) {
    if (const auto frozen = frozen_name(name, backbone)) {
      imported.frozen[*frozen] = tensor;
      continue;
    }
    std::string module;
    const bool first = name.ends_with(end_of_a);
    if (name.starts_with(prefix) && (first || name.ends_with(end_of_b))) {
      module = name.substr(prefix.size(), name.size() - prefix.size() - end_of_a.size());
    }
    const auto site =
        std::find_if(sites.begin(), sites.end(), [&](const pb::LinearSite& one) { return module_of(one) == module; });
    if (site == sites.end() || site->map == "embedding") {
      const auto [what, remedy] = what_it_is(name);
      throw pb::CheckpointError(
          pb::Problem{what, name, "names such as " + prefix + module_of(sites.front()) + end_of_a, remedy});
    }
    Pair& pair = pairs[module];
    pair.site = &*site;
    (first ? pair.a : pair.b) = tensor;
  }
  for (const auto& [module, pair] : pairs) {
    const int64_t in = pair.site->in_features(), out = pair.site->out_features();
    const bool whole = pair.a.defined() && pair.b.defined() && pair.a.dim() == 2 && pair.b.dim() == 2;
    if (whole && pair.a.size(1) == in && pair.b.size(0) == out && pair.a.size(0) == pair.b.size(1) &&
        pair.a.size(0) > 0)
      continue;
    const std::string i = std::to_string(in), o = std::to_string(out);
    throw pb::CheckpointError(
        pb::Problem{"lora_A and lora_B of " + module + " do not fit this backbone",
                    whole ? c10::str(pair.a.sizes(), " and ", pair.b.sizes()) : "one of them is missing",
                    "[rank, " + i + "] and [" + o + ", rank]", "use the backbone that the adapter was trained for"});
  }
  if (pairs.empty()) throw pb::CheckpointError("the adapter has no LoRA matrices");
  return pairs;
}

pb::Names pattern_entries(const pb::ForeignNumbers& pattern) {
  pb::Names result;
  for (const auto& [key, value] : pattern) result.push_back(key + "=" + show(value));
  return result;
}

// The values of the patterns that fit a module, in the order of the file. peft takes the first.
class Patterns {
 public:
  explicit Patterns(const pb::ForeignNumbers& numbers) {
    for (const auto& [key, value] : numbers) patterns_.emplace_back(EndPattern(key), value);
  }
  std::vector<double> of(const std::string& module) const {
    std::vector<double> values;
    for (const auto& [pattern, value] : patterns_) {
      if (pattern.fits(module)) values.push_back(value);
    }
    return values;
  }

 private:
  std::vector<std::pair<EndPattern, double>> patterns_;
};

// peft sorts its patterns when it saves them, so another that fits may have been the first when the rank was chosen;
// any other rank is a contradiction, and the scale alpha / rank would be a guess.
void check_ranks(const pb::ForeignAdapter& adapter, const std::map<std::string, Pair>& pairs, int64_t rank) {
  const Patterns patterns(adapter.numbers("rank_pattern"));
  std::string first;
  std::size_t others = 0;
  for (const auto& [module, pair] : pairs) {
    std::vector<double> allowed = patterns.of(module);
    if (allowed.empty()) allowed.push_back(static_cast<double>(rank));
    const auto found = pair.a.size(0);
    if (std::find(allowed.begin(), allowed.end(), static_cast<double>(found)) != allowed.end()) continue;
    if (others++ == 0) first = module + " has " + std::to_string(found) + ", not " + show(allowed.front());
  }
  if (others == 0) return;
  throw pb::CheckpointError(
      pb::Problem{"the ranks of the adapter's matrices differ from its adapter_config.json",
                  first + (others > 1 ? "; and " + std::to_string(others - 1) + " more maps" : ""),
                  "r (" + std::to_string(rank) + "), or the map's value in rank_pattern",
                  "use the adapter_config.json that was saved with these matrices"});
}

// The maps that the config means against those of the file: peft would leave both differences without a word or with
// a warning.
void compare_targets(const pb::ForeignAdapter& adapter, const std::vector<pb::LinearSite>& sites,
                     const std::map<std::string, Pair>& pairs, pb::ImportedAdapter& imported) {
  pb::Names modules = {"shared"}, meant;
  for (const pb::LinearSite& site : sites) {
    if (site.map != "embedding") modules.push_back(module_of(site));
  }
  try {
    meant = foreign_targets(adapter, modules, {"q", "v"});  // peft's default for a T5
  } catch (const pb::ConfigError& error) {
    imported.notes.push_back(std::string("cannot check whether maps are missing: ") + error.what());
    return;
  }
  pb::Names missing, surplus;
  for (const std::string& module : meant) {
    if (!pairs.contains(module)) missing.push_back(module);
  }
  for (const auto& [module, pair] : pairs) {
    if (std::find(meant.begin(), meant.end(), module) == meant.end()) surplus.push_back(module);
  }
  if (!surplus.empty()) {
    throw pb::CheckpointError(pb::Problem{
        "the adapter contains matrices of maps that its adapter_config.json does not select, which peft would ignore",
        std::to_string(surplus.size()) + " of " + std::to_string(pairs.size()) + " maps, such as " + surplus.front(),
        "target_modules, exclude_modules and layers_to_transform that match the file",
        "use the adapter_config.json that was saved with these matrices"});
  }
  if (!missing.empty()) {
    imported.notes.push_back("the adapter has no matrices for " + std::to_string(missing.size()) + " of the " +
                             std::to_string(meant.size()) + " maps that its adapter_config.json selects, such as " +
                             missing.front() + ": they remain unchanged");
  }
}

bool same(const std::vector<Target>& a, const std::vector<Target>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Target& one, const Target& other) {
    return one.site.index == other.site.index && one.rank == other.rank && one.alpha == other.alpha;
  });
}

bool says(const pb::Values& values, const pb::BackboneSpec& backbone, const std::vector<Target>& wanted) {
  try {
    return same(targets(values, backbone), wanted);
  } catch (const pb::ConfigError&) {
    return false;  // a pattern that fits nothing, which peft only warns of, or one in Python's own dialect
  }
}

}  // namespace

bool HuggingFaceLora::recognises(const pb::ForeignAdapter& adapter) const {
  const auto type = adapter.config.find("peft_type");
  return type != adapter.config.end() && type->second == pb::ForeignValue(std::string("LORA"));
}

std::optional<pb::Names> HuggingFaceLora::entries() const {
  pb::Names entries = read_or_harmless;
  for (const auto& [key, why] : variants) entries.push_back(key);
  return entries;
}

pb::ImportedAdapter HuggingFaceLora::read(const pb::ForeignAdapter& adapter, const pb::BackboneSpec& backbone) const {
  refuse_variants(adapter);
  pb::ImportedAdapter imported;
  const std::vector<pb::LinearSite> sites = backbone.linears();
  const std::map<std::string, Pair> pairs = pairs_of(adapter, sites, backbone, imported);
  const int64_t rank = adapter.integer("r", 8);
  const double alpha = adapter.real("lora_alpha", 8);
  check_ranks(adapter, pairs, rank);
  compare_targets(adapter, sites, pairs, imported);
  if (adapter.is_set("ensure_weight_tying") && pairs.contains("lm_head"))
    refuse("ensure_weight_tying", "the embedding table would change with the head");
  const auto alphas = adapter.numbers("alpha_pattern");
  const Patterns alpha_of(alphas);
  std::vector<Target> wanted;
  for (const auto& [module, pair] : pairs) {
    const std::vector<double> own = alpha_of.of(module);
    wanted.push_back({*pair.site, pair.a.size(0), own.empty() ? alpha : own.front(), 0});
    imported.tensors[pair.site->name() + ".A"] = pair.a;
    imported.tensors[pair.site->name() + ".B"] = pair.b;
  }
  std::sort(wanted.begin(), wanted.end(),
            [](const Target& one, const Target& other) { return one.site.index < other.site.index; });

  pb::Values& values = imported.values;
  values.set("rank", rank);
  values.set("alpha", alpha);
  values.set("rslora", adapter.flag("use_rslora", false));
  values.set("dropout", adapter.real("lora_dropout", 0));
  pb::Names modules = adapter.names("target_modules");
  std::sort(modules.begin(), modules.end());  // a set in peft, in no order that lasts
  values.set("targets", modules);
  values.set("rank_pattern", pattern_entries(adapter.numbers("rank_pattern")));
  values.set("alpha_pattern", pattern_entries(alphas));
  if (says(values, backbone, wanted)) return imported;

  // The tensors know better (layers_to_transform, exclude_modules, expressions of another dialect): map by map.
  pb::Names names, ranks, others;
  for (const Target& target : wanted) {
    const std::string name = target.site.name();
    names.push_back(name);
    if (target.rank != rank) ranks.push_back(name + "=" + std::to_string(target.rank));
    if (target.alpha != alpha) others.push_back(name + "=" + show(target.alpha));
  }
  values.set("targets", names);
  values.set("rank_pattern", ranks);
  values.set("alpha_pattern", others);
  return imported;
}

pb::ForeignAdapter HuggingFaceLora::write(const pb::Values& values, const pb::BackboneSpec& backbone,
                                          const std::map<std::string, pb::Tensor>& stored) const {
  const std::vector<Target> all = targets(values, backbone);
  const int64_t rank = values.integer("rank");
  const double alpha = values.real("alpha");

  pb::ForeignAdapter adapter;
  std::set<std::string> maps, modules;
  pb::ForeignNumbers ranks, alphas;
  for (const Target& target : all) {
    const std::string module = module_of(target.site);
    maps.insert(target.site.map);
    modules.insert(module);
    // By whole names: peft sorts its patterns when it saves them, so that which is first may change.
    if (target.rank != rank) ranks.emplace_back(module, static_cast<double>(target.rank));
    if (target.alpha != alpha) alphas.emplace_back(module, target.alpha);
    adapter.tensors[prefix + module + end_of_a] = stored.at(target.site.name() + ".A");
    adapter.tensors[prefix + module + end_of_b] = stored.at(target.site.name() + ".B");
  }
  // Short names where they mean the same maps.
  const bool whole = backbone.linears({maps.begin(), maps.end()}).size() == all.size();
  const std::set<std::string>& named = whole ? maps : modules;
  adapter.config = {
      {"peft_type", "LORA"},
      {"r", rank},
      {"lora_dropout", values.real("dropout")},
      {"target_modules", pb::Names(named.begin(), named.end())},
      {"rank_pattern", ranks},
      {"alpha_pattern", alphas},
      {"use_rslora", values.flag("rslora")},
      {"use_dora", false},
      {"bias", "none"},
      {"fan_in_fan_out", false},
      {"init_lora_weights", true},
      {"modules_to_save", std::monostate()},
  };
  if (alpha == std::floor(alpha) && std::abs(alpha) < 1e15) {
    adapter.config["lora_alpha"] = static_cast<int64_t>(alpha);
  } else {
    adapter.config["lora_alpha"] = alpha;
  }
  return adapter;
}

}  // namespace lora
