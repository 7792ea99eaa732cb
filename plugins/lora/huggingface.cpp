#include "huggingface.h"

#include "targets.h"

#include <peftbench/error.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace pb = peftbench;

namespace lora {
namespace {

const std::string prefix = "base_model.model.";
const std::string end_of_a = ".lora_A.weight", end_of_b = ".lora_B.weight";

// Neither absent nor null, false, 0, "none" nor empty.
bool is_set(const pb::ForeignAdapter& adapter, const std::string& key) {
  const auto found = adapter.config.find(key);
  if (found == adapter.config.end()) return false;
  struct Visitor {
    bool operator()(std::monostate) const { return false; }
    bool operator()(bool value) const { return value; }
    bool operator()(int64_t value) const { return value != 0; }
    bool operator()(double value) const { return value != 0; }
    bool operator()(const std::string& value) const { return !value.empty() && value != "none"; }
    bool operator()(const pb::Names& value) const { return !value.empty(); }
    bool operator()(const std::map<std::string, double>& value) const { return !value.empty(); }
  };
  return std::visit(Visitor(), found->second);
}

[[noreturn]] void refuse(const std::string& key, const std::string& why) {
  throw pb::CheckpointError(pb::Problem{"adapter_config.json: " + key + " is set, and " + why,
                                        {},
                                        "an adapter of plain LoRA: matrices A and B and a scale",
                                        "merge the adapter into its model with the program that made it"});
}

// What changes the forward pass and is not W₀ + s·BA.
void refuse_variants(const pb::ForeignAdapter& adapter) {
  const std::pair<const char*, const char*> variants[] = {
      {"use_dora", "DoRA rescales the frozen weights"},
      {"use_qalora", "QA-LoRA pools its inputs"},
      {"use_bdlora", "BD-LoRA has block-diagonal factors"},
      {"lora_bias", "there is no bias here"},
      {"bias", "T5's maps have no bias"},
      {"alora_invocation_tokens", "aLoRA is switched on by tokens"},
      {"arrow_config", "Arrow routes between adapters"},
      {"kasa_config", "KaSA changes the frozen weights"},
      {"monteclora_config", "MonteCLoRA draws its factors"},
      {"layer_replication", "it changes the backbone's layers"},
      {"modules_to_save", "whole modules were trained beside the adapter"},
      {"trainable_token_indices", "embeddings were trained beside the adapter"},
      {"target_parameters", "only linear maps are targets here"},
      {"megatron_config", "there is no Megatron here"},
  };
  for (const auto& [key, why] : variants) {
    if (is_set(adapter, key)) refuse(key, why);
  }
  const auto init = adapter.config.find("init_lora_weights");
  const auto* word = init == adapter.config.end() ? nullptr : std::get_if<std::string>(&init->second);
  if (!word) return;
  for (const char* changes : {"pissa", "olora", "corda", "loftq", "lora_ga"}) {
    if (word->starts_with(changes)) refuse("init_lora_weights=" + *word, "such a start changes the frozen weights");
  }
}

struct Pair {
  const pb::LinearSite* site = nullptr;
  pb::Tensor a, b;
};

// Both factors of each module, every tensor accounted for.
std::map<std::string, Pair> pairs_of(const pb::ForeignAdapter& adapter, const std::vector<pb::LinearSite>& sites,
                                     const pb::BackboneSpec& backbone) {
  std::map<std::string, Pair> pairs;
  for (const auto& [name, tensor] : adapter.tensors) {
    const auto ends = [&, &text = name](const std::string& end) { return text.ends_with(end); };
    // peft stores the frozen head beside its update.
    const pb::Shape head{backbone.vocab_size, backbone.d_model};
    if (name == prefix + "lm_head.base_layer.weight" && tensor.sizes() == at::IntArrayRef(head)) continue;
    std::string module;
    if (name.starts_with(prefix) && (ends(end_of_a) || ends(end_of_b))) {
      module = name.substr(prefix.size(), name.size() - prefix.size() - end_of_a.size());
    }
    const auto site =
        std::find_if(sites.begin(), sites.end(), [&](const pb::LinearSite& one) { return module_of(one) == module; });
    if (site == sites.end() || site->map == "embedding") {
      throw pb::CheckpointError(pb::Problem{"a tensor of the adapter has no place in this backbone", name,
                                            "such as " + prefix + module_of(sites.front()) + end_of_a,
                                            "take the backbone that the adapter was trained for"});
    }
    Pair& pair = pairs[module];
    pair.site = &*site;
    (ends(end_of_a) ? pair.a : pair.b) = tensor;
  }
  for (const auto& [module, pair] : pairs) {
    const int64_t in = pair.site->in_features(), out = pair.site->out_features();
    const bool whole = pair.a.defined() && pair.b.defined() && pair.a.dim() == 2 && pair.b.dim() == 2;
    if (whole && pair.a.size(1) == in && pair.b.size(0) == out && pair.a.size(0) == pair.b.size(1)) continue;
    const std::string i = std::to_string(in), o = std::to_string(out);
    throw pb::CheckpointError(
        pb::Problem{"lora_A and lora_B of " + module + " do not fit this backbone",
                    whole ? c10::str(pair.a.sizes(), " and ", pair.b.sizes()) : "one of them is missing",
                    "[rank, " + i + "] and [" + o + ", rank]", "take the backbone that the adapter was trained for"});
  }
  if (pairs.empty()) throw pb::CheckpointError("the adapter has no LoRA matrices");
  return pairs;
}

pb::Names entries(const std::map<std::string, double>& pattern) {
  pb::Names result;
  for (const auto& [key, value] : pattern) result.push_back(key + "=" + show(value));
  return result;
}

// peft's: the first that fits, in the order of the file, which peft writes sorted.
double by_pattern(const std::map<std::string, double>& pattern, const std::string& module, double otherwise) {
  for (const auto& [key, value] : pattern) {
    if (fits(key, module)) return value;
  }
  return otherwise;
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

pb::ImportedAdapter HuggingFaceLora::read(const pb::ForeignAdapter& adapter, const pb::BackboneSpec& backbone) const {
  refuse_variants(adapter);
  const std::vector<pb::LinearSite> sites = backbone.linears();
  const std::map<std::string, Pair> pairs = pairs_of(adapter, sites, backbone);
  const int64_t rank = adapter.integer("r", 8);
  const double alpha = adapter.real("lora_alpha", 8);
  const auto alphas = adapter.numbers("alpha_pattern");

  pb::ImportedAdapter imported;
  std::vector<Target> wanted;
  for (const auto& [module, pair] : pairs) {
    wanted.push_back({*pair.site, pair.a.size(0), by_pattern(alphas, module, alpha), 0});
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
  values.set("rank_pattern", entries(adapter.numbers("rank_pattern")));
  values.set("alpha_pattern", entries(alphas));
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
  std::map<std::string, double> ranks, alphas;
  for (const Target& target : all) {
    const std::string module = module_of(target.site);
    maps.insert(target.site.map);
    modules.insert(module);
    // By whole names: peft sorts its patterns when it saves them, so that which is first may change.
    if (target.rank != rank) ranks[module] = static_cast<double>(target.rank);
    if (target.alpha != alpha) alphas[module] = target.alpha;
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
