// Settings, results, adapters and checkpoints.
#include "adapters/adapter.h"
#include "adapters/tensor_source.h"
#include "backbone/config_json.h"
#include "commands/suite_spec.h"
#include "config/settings.h"
#include "fuzz/target.h"
#include "plugin/note.h"
#include "pretrain/config.h"
#include "report/run_report.h"
#include "results/comparison.h"
#include "results/stored_runs.h"
#include "results/suite_manifest.h"
#include "support/layers.h"
#include "train/checkpoint.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

namespace peftbench::hostile {

using namespace layers;

namespace {

void settings(std::string_view bytes) {
  const SettingsBlock block = read_settings(put("settings.yaml", bytes));
  in_force(block, {{{"t5-nano-lm"}, {}}, {{"movie_sentiment"}, scratch()}});
  conditions_of(block);
}

void suite(std::string_view bytes) { read_suite(put("suite.yaml", bytes).string(), scratch()); }

void pretrain_config(std::string_view bytes) { to_json(read_pretrain_config(put("pretrain.yaml", bytes))); }

void record(std::string_view bytes) {
  const RunRecord record = read_record(put("record.json", bytes));
  to_json(record);
  describe_run(record, "runs/x");
  compare(std::vector<RunRecord>{record});
}

void suite_manifest(std::string_view bytes) {
  fs::create_directories(suite_folder(scratch(), "mine"));
  put((suite_folder(scratch(), "mine") / "suite.json").lexically_relative(scratch()).string(), bytes);
  if (const auto manifest = find_manifest(scratch(), "mine")) compare(*manifest, StoredRuns());
}

const PluginFinder& finder() {
  static const PluginFinder plugins({}, {{PEFTBENCH_TEST_BUILD_DIR "/lib/peftbench/plugins", "build tree"}});
  return plugins;
}

const BackboneSpec& spec() {
  static const BackboneSpec sizes = parse_config(seed("companions/config.json"), "config.json");
  return sizes;
}

// An adapter's folder of these files, one of them mutated.
void adapter_with(const std::string& folder, const std::string& name, std::string_view bytes,
                  std::initializer_list<const char*> others) {
  fs::create_directories(scratch() / folder);
  for (const char* other : others)
    if (!file_exists(scratch() / folder / other)) put(folder + "/" + other, seed("companions/" + folder + "/" + other));
  put(folder + "/" + name, bytes);
  const Adapter adapter = read_adapter(scratch() / folder, finder(), spec());
  plan_of(adapter, finder(), spec());
}

void adapter(std::string_view bytes) { adapter_with("ours", "adapter.json", bytes, {"adapter.safetensors"}); }
void adapter_tensors(std::string_view bytes) {
  adapter_with("ours_tensors", "adapter.safetensors", bytes, {"adapter.json"});
}
void adapter_config(std::string_view bytes) {
  adapter_with("peft", "adapter_config.json", bytes, {"adapter_model.safetensors"});
}
void adapter_model(std::string_view bytes) {
  adapter_with("peft_tensors", "adapter_model.safetensors", bytes, {"adapter_config.json"});
}

void parameter(std::string_view bytes) {
  read_parameter(put("values.safetensors", bytes), "prompt|encoder.input.prompt", {finder(), spec()},
                 [](const std::string&) {});
}

void checkpoint(std::string_view bytes) {
  fs::create_directories(scratch() / "checkpoint");
  put("checkpoint/train.safetensors", bytes);
  const auto state = CheckpointStore(scratch() / "checkpoint", "run-1").load();
  for (const TensorMap* tensors : {&state->parameters, &state->optimizer, &state->best, &state->seen})
    for (const auto& [name, tensor] : *tensors) tensor.clone();
}

void plugin_note(std::string_view bytes) {
  const fs::path file = put("plugin.so", bytes);
  check_note(file, read_note(file), host_note_fields(), true);
}

}  // namespace

std::vector<Target> run_targets() {
  return {{"settings", Syntax::yaml, settings},
          {"suite", Syntax::yaml, suite},
          {"pretrain", Syntax::yaml, pretrain_config},
          {"record", Syntax::json, record},
          {"suite_manifest", Syntax::json, suite_manifest},
          {"adapter", Syntax::json, adapter},
          {"adapter_tensors", Syntax::bytes, adapter_tensors, &safetensors_header},
          {"adapter_config", Syntax::json, adapter_config},
          {"adapter_model", Syntax::bytes, adapter_model, &safetensors_header},
          {"parameter", Syntax::bytes, parameter, &safetensors_header},
          {"checkpoint", Syntax::bytes, checkpoint, &safetensors_header},
          {"plugin_note", Syntax::bytes, plugin_note}};
}

}  // namespace peftbench::hostile
