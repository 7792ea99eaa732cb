#include "run/describe_run.h"

#include "config/machine.h"
#include "core/clock.h"
#include "core/hash.h"
#include "data/task/task_mixture.h"
#include "plugin/schema.h"

#include <nlohmann/json.hpp>

namespace peftbench::run {

namespace {

std::string absolute_text(const fs::path& path) { return fs::absolute(path).lexically_normal().string(); }

}  // namespace

void describe_run(const Workbench& bench, RunRecord& record) {
  const RunConfig& config = bench.setup.config;
  const LoadedPlugin& plugin = *bench.setup.plugin;
  const ResolvedBackbone& backbone = bench.setup.backbone;
  record.id = bench.run_id();
  if (record.started.empty()) record.started = utc_now();
  record.program = describe_program();
  record.machine = describe_machine(config.options.train.threads, config.device);
  record.method = {.name = plugin.name,
                   .version = plugin.version,
                   .summary = plugin.summary,
                   .reference = plugin.reference,
                   .plugin = absolute_text(plugin.path),
                   .abi_note = plugin.note,
                   .values = to_json(config.values)};
  describe_task(bench.task, record);
  record.backbone = {.name = backbone.name,
                     .folder = absolute_text(*backbone.folder),
                     .precision = std::string(enum_name(config.options.backbone.precision)),
                     .quantization = std::string(enum_name(config.options.backbone.quantization)),
                     .backend = std::string(enum_name(config.options.backbone.backend)),
                     .checksum_before = bench.checksum,
                     .parameters = backbone.spec.parameter_count(),
                     .bytes = bench.backbone->bytes()};
  record.vocabulary_hash = bench.tokenizer->hash();
  record.seed = static_cast<std::uint64_t>(config.seed());
  const nlohmann::json identity = bench.identity();
  record.config_hash = sha256(identity.dump());
  record.config = Json(identity);
}

void describe_task(const TaskData& task, RunRecord& record) {
  const SplitSizes sizes = sizes_of(task);
  record.task = {.name = task.config.name,
                 .source = absolute_text(task.source),
                 .hash = task.hash,
                 .train = sizes.train,
                 .validation = sizes.validation,
                 .test = sizes.test,
                 .file = absolute_text(task.config.file),
                 .labels = label_words(task.config)};
}

}  // namespace peftbench::run
