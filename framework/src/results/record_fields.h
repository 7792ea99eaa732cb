#pragma once

#include "results/layer.h"
#include "results/run_record.h"

#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

// The fields of record.json. Each is listed here once, with its key, its meaning and its member, whose type is the
// field's. Writing and reading follow from this list, as do the table of docs/results-schema.md and
// docs/record.schema.json: the test RecordSchema compares them, and its message says how to regenerate them.
namespace peftbench::results {

enum class Presence {
  always,
  newer,      // older records lack it
  sometimes,  // absent where its meaning, or that of what it stands in, says so
};

struct Field {
  const char* key;
  const char* meaning;  // Markdown
  Presence presence = Presence::always;
  const char* one_of = "";  // its values, between bars; "|a": or none
  int since = 1;            // schema version
};

inline constexpr Presence newer = Presence::newer, sometimes = Presence::sometimes;

// What a field of type Json holds. Other layers make it, and it is passed on as it is.
template <class T>
struct Holds {};

struct CountsParts {
  std::int64_t trained = 0, stored = 0, inference = 0, after_merge = 0;
  std::optional<std::int64_t> receiving_gradient;
};
struct LedgerRowParts {
  CountsParts counts;
  std::string method, site, role;
};
struct FlopsParts {
  double forward = 0, training_step = 0, prediction = 0;
};
struct LedgerParts {
  CountsParts counts;
  double percent = 0;
  std::int64_t bytes_stored = 0, added_decoder_length = 0, prefix_length = 0;
  std::optional<std::int64_t> optimizer_state_bytes, added_encoder_length, prompt_tokens;
  std::optional<FlopsParts> flops;
  std::vector<LedgerRowParts> rows;
};
struct EncoderCacheParts {
  bool used = false;
  std::int64_t hits = 0, misses = 0, entries = 0, bytes = 0;
};
struct LabelParts {
  std::string label;
  std::int64_t targets = 0, answers = 0, train = 0;
  std::optional<double> precision, recall, f1;
};
struct TextParts {
  std::int64_t examples = 0, inputs_cut = 0, targets_cut = 0, longest_target = 0;
  std::map<std::string, std::int64_t> fields_lost;
};

// Read before the others.
inline constexpr Field schema_version_field = {"schema_version", "unknown versions are refused"};

template <class T, class U>
concept Is = std::same_as<std::remove_const_t<T>, U>;

// A visitor is called with a Field and its member, and with what is held where that is Json.

void visit_fields(auto& field, Is<RunRecord::Program> auto& p) {
  field({"peftbench", "version of peft-bench"}, p.peftbench);
  field({"torch", "version of LibTorch"}, p.torch);
  field({"commit", "commit of the git checkout from which it was built; `null` if there was none", newer}, p.commit);
  field({"clean", "whether that checkout had no changes and no new files", newer}, p.clean);
}

void visit_fields(auto& field, Is<RunRecord::Machine> auto& m) {
  field({"cpu", "CPU model; `\"\"` if `/proc` does not contain it"}, m.cpu);
  field({"threads", "number of threads used"}, m.threads);
  field({"cores", "number of online logical processors of the machine", newer}, m.cores);
  field({"usable_cores", "number of these available to the process, by its affinity and control groups", newer},
        m.usable_cores);
  field({"memory_bytes", "memory of the machine", newer}, m.memory_bytes);
  field({"kernel", "system, release and architecture, as reported by `uname`", newer}, m.kernel);
  field({"compiler", "name and version of the compiler that built the program", newer}, m.compiler);
  field(
      {"device", "the device that computed: `cpu`, `cuda:0`; `\"\"` in older records, whose runs used the CPU", newer},
      m.device);
  field({"device_name", "a GPU's name; `\"\"` on the CPU", newer}, m.device_name);
  field({"device_capability", "its compute capability", newer}, m.device_capability);
  field({"driver", "version of its driver, and of the newest CUDA that this serves", newer}, m.driver);
  field({"device_memory_bytes", "its memory", newer}, m.device_memory_bytes);
}

void visit_fields(auto& field, Is<RunRecord::Method> auto& m) {
  field({"name", "as declared by the plugin"}, m.name);
  field({"version", "likewise"}, m.version);
  field({"summary", "likewise"}, m.summary);
  field({"reference", "likewise"}, m.reference);
  field({"plugin", "path of the library, for information only; it is never opened"}, m.plugin);
  field({"abi_note", "ABI note of the library"}, m.abi_note);
  field({"values", "all parameters of the method, including defaults"}, m.values);
}

void visit_fields(auto& field, Is<RunRecord::Task> auto& t) {
  field({"name", "name of the task"}, t.name);
  field({"file", "absolute path of its YAML file", newer}, t.file);
  field({"source", "location of its data"}, t.source);
  field({"hash", "SHA-256 over all formatted examples"}, t.hash);
  field({"train", "number of examples"}, t.train);
  field({"validation", "number of examples"}, t.validation);
  field({"test", "number of examples"}, t.test);
  field({"labels", "its label words in the order of training", newer}, t.labels);
  field({"majority_label", "most frequent label of the scored split; `\"\"` for free text"}, t.majority_label);
}

void visit_fields(auto& field, Is<RunRecord::Backbone> auto& b) {
  field({"name", "name of the frozen model"}, b.name);
  field({"folder", "absolute path of the folder of its weights"}, b.folder);
  field({"precision", "precision of the frozen weights"}, b.precision);
  field({"quantization", "quantization of its linear maps", newer, "none|nf4|int8"}, b.quantization);
  field({"backend", "what computes it", newer, "reference|fast"}, b.backend);
  field({"bytes", "memory of the weights as loaded, without the copies that `fast` makes to train", newer}, b.bytes);
  field({"parameters", "number of elements, independent of their number of bits"}, b.parameters);
  field({"checksum_before", "SHA-256 over names and bytes of all weights, after loading"}, b.checksum_before);
  field({"checksum_after", "the same at the end. They are equal in every finished run: a difference is a failure"},
        b.checksum_after);
}

void visit_fields(auto& field, Is<CountsParts> auto& c) {
  field({"trained", "elements given to the optimizer", sometimes}, c.trained);
  field({"stored", "elements in `adapter.safetensors`, with derived values instead of their sources", sometimes},
        c.stored);
  field({"inference", "elements used by a trained method", sometimes}, c.inference);
  field({"after_merge", "elements that remain after merging into the frozen weights", sometimes}, c.after_merge);
  field(
      {"receiving_gradient", "elements with a non-zero gradient in the first steps; `null` before training", sometimes},
      c.receiving_gradient);
}

void visit_fields(auto& field, Is<LedgerRowParts> auto& r) {
  visit_fields(field, r.counts);
  field({"method", "method of the group of parameters"}, r.method);
  field({"site", "their site in the backbone"}, r.site);
  field({"role", "their role", Presence::always, "trained|buffer|derived"}, r.role);
}

void visit_fields(auto& field, Is<FlopsParts> auto& f) {
  field({"forward", "forward pass of one batch"}, f.forward);
  field({"training_step", "training step of one batch"}, f.training_step);
  field({"prediction", "prediction of one example"}, f.prediction);
}

void visit_fields(auto& field, Is<LedgerParts> auto& l) {
  visit_fields(field, l.counts);
  field({"percent", "100 · trained / (backbone + additional trained elements), as in Lester et al. (2021)", sometimes},
        l.percent);
  field({"bytes_stored", "size of the tensors in `adapter.safetensors`", sometimes}, l.bytes_stored);
  field({"optimizer_state_bytes", "size of the optimizer state during training", sometimes}, l.optimizer_state_bytes);
  field({"added_encoder_length", "rows that the method adds to each sequence of the encoder", sometimes},
        l.added_encoder_length);
  field({"prompt_tokens",
         "token ids among these rows: text and examples that a layout adds to the first validation example, which "
         "Lester et al. count as the parameters of prompt design; `null` before an example was read",
         sometimes},
        l.prompt_tokens);
  field({"added_decoder_length", "rows that the method adds to each sequence of the decoder", sometimes},
        l.added_decoder_length);
  field({"prefix_length", "the longest key/value prefix", sometimes}, l.prefix_length);
  field({"flops",
         "multiplications and additions in the backbone's matrix products, with the sequence lengths of the first "
         "training batch (only of the targets if the loss also compares label words; each copy of an example with its "
         "own length; without the encoder for the part of the examples whose outputs fit into the cache); `null` if no "
         "data was read",
         sometimes},
        l.flops);
  field({"rows", "the counts by method, site and role", sometimes}, l.rows);
}

void visit_fields(auto& field, Is<EncoderCacheParts> auto& c) {
  field({"used", "whether encoder outputs were cached", sometimes}, c.used);
  field({"hits", "number of sequences with a cached output", sometimes}, c.hits);
  field({"misses", "number of sequences without a cached output", sometimes}, c.misses);
  field({"entries", "number of cached outputs at the end", sometimes}, c.entries);
  field({"bytes", "size of these outputs", sometimes}, c.bytes);
}

void visit_fields(auto& field, Is<RunRecord::Training> auto& t) {
  field({"steps", "number of optimizer steps"}, t.steps);
  field({"best_step", "step whose parameters are scored and stored"}, t.best_step);
  field({"stopped_early", "whether `train.patience` stopped training"}, t.stopped_early);
  field({"resumed_from", "step at which the last process continued; 0: from the start"}, t.resumed_from);
  field({"times_resumed", "number of times the run was continued"}, t.times_resumed);
  field({"examples", "number of examples seen in training, including repetitions"}, t.examples);
  field({"tokens", "number of input and target tokens seen in training, including repetitions"}, t.tokens);
  field({"loss_before",
         "nats per target token, including EOS, before the first step, on the split `loss_split`. On `train` (without "
         "a validation split): of the first step"},
        t.loss_before);
  field({"loss_after", "the same at `best_step`; on `train`: of the last step"}, t.loss_after);
  field({"loss_split", "split of these losses"}, t.loss_split);
  field({"encoder_cache", "encoder cache of the last process; `{}` before it trained"}, t.encoder_cache,
        Holds<EncoderCacheParts>());
  field({"validation_score", "score on the validation split at `best_step`; `null` without such a split", newer},
        t.validation_score);
  field({"validation_metric", "metric of that score, which chooses `best_step`; `\"\"` without a validation split",
         newer},
        t.validation_metric);
  field({"continued_from", "id of the run whose checkpoint this one continued (`continue_from`); `\"\"`: none", newer},
        t.continued_from);
  field({"continued_device", "the device on which that run was trained", newer}, t.continued_device);
  field({"continued_step", "step of that checkpoint; `null`: none", newer}, t.continued_step);
}

void visit_fields(auto& field, Is<MetricRecord> auto& m) {
  field({"split", "the scored split"}, m.split);
  field({"name", "name of the metric"}, m.name);
  field({"value", "value of the metric; rates are between 0 and 1; `null` if undefined"}, m.value);
  field({"n", "number of examples, or of groups if a group counts once"}, m.n);
  field({"interval", "95 % interval, lower and upper limit: Wilson's for shares, otherwise bootstrap percentiles"},
        m.interval);
  field({"majority", "the same metric for the best constant answer; `null` for free text"}, m.majority);
  field({"majority_answer", "that answer; `\"\"`: `task.majority_label`", newer}, m.majority_answer);
}

void visit_fields(auto& field, Is<LabelParts> auto& l) {
  field({"label", "the label word"}, l.label);
  field({"targets", "number of scored examples with it as target"}, l.targets);
  field({"answers", "number of scored examples with it as answer"}, l.answers);
  field({"precision", "`null` if it is never answered"}, l.precision);
  field({"recall", "`null` if it is never the target"}, l.recall);
  field({"f1", "`null` if it is neither"}, l.f1);
  field({"train", "number of training examples; absent if nothing was trained", sometimes}, l.train);
}

void visit_fields(auto& field, Is<TextParts> auto& t) {
  field({"examples", "number of examples"}, t.examples);
  field({"inputs_cut", "number of inputs truncated by the token limit"}, t.inputs_cut);
  field({"targets_cut", "number of targets truncated by the token limit"}, t.targets_cut);
  field({"longest_target", "tokens of the longest target before truncation, including EOS"}, t.longest_target);
  field({"fields_lost", "number of examples by field that was truncated completely"}, t.fields_lost);
}

void visit_fields(auto& field, Is<ScoreDetails> auto& d) {
  field({"labels", "one entry per label word; empty for free text, and for a mixture as a whole", newer}, d.labels,
        Holds<std::vector<LabelParts>>());
  field({"confusion",
         "scored examples by target and answer, rows and columns in the order of `labels`; a last column counts all "
         "other answers. Empty above 100 labels",
         newer},
        d.confusion, Holds<std::vector<std::vector<std::int64_t>>>());
  field({"texts", "by split, `train` and the scored one. Truncation is also reported in `warnings`", newer}, d.texts,
        Holds<std::map<std::string, TextParts>>());
}

void visit_fields(auto& field, Is<TaskScore> auto& t) {
  field({"task", "name of the task"}, t.task);
  field({"source", "location of its data"}, t.source);
  field({"hash", "SHA-256 over all formatted examples"}, t.hash);
  field({"definition", "SHA-256 of the definition in its file", newer}, t.definition);
  field({"trained", "`true`: a task of the mixture; `false`: another evaluation task (`eval.tasks`)"}, t.trained);
  field({"rate", "rate in the mixture; `null` for another evaluation task"}, t.rate);
  field({"train", "number of rows of its training split"}, t.train);
  field({"scored", "number of scored examples"}, t.scored);
  field({"metrics", "the first is its score"}, t.metrics);
  field({"majority_label", "as `task.majority_label`"}, t.majority_label);
  field({"answers", "as `answers` of the record"}, t.answers);
  field({"illegal_rate", "as `illegal_rate` of the record"}, t.illegal_rate);
  field({"loss", "loss of the correct answers; `null` if training labels do not map one-to-one to them"}, t.loss);
  visit_fields(field, t.details);
  field({"predictions", "file in the run's folder, for another evaluation task; `\"\"`: the run's own"}, t.predictions);
  field({"predictions_hash", "SHA-256 of that file"}, t.predictions_hash);
}

void visit_fields(auto& field, Is<PhaseCost> auto& p) {
  field({"name",
         "`load`, `prepare`, `train` (steps and checkpoints), `validate` (the evaluations during training) or "
         "`evaluate`"},
        p.name);
  field({"wall_seconds", "elapsed time"}, p.wall_seconds);
  field({"cpu_seconds", "CPU time of all threads"}, p.cpu_seconds);
  field({"peak_memory_bytes", "peak resident memory"}, p.peak_memory_bytes);
  field({"peak_is_of_phase", "`false` if the kernel could not reset the peak, which is then measured since the start"},
        p.peak_is_of_phase);
  field({"peak_device_memory_bytes", "peak memory of tensors on the GPU; `null` on the CPU", newer},
        p.peak_device_memory_bytes);
  field({"energy_joules",
         "energy of all processor packages of the machine during the phase, other programs included; `null` if the "
         "machine does not tell it ([accounting.md](accounting.md#energy))",
         newer},
        p.energy_joules);
}

void visit_fields(auto& field, Is<ForgettingRecord> auto& f) {
  field({"task", "task whose inputs are the text; `\"\"` for a file"}, f.task);
  field({"text", "path of the file of texts; `\"\"` for a task"}, f.text);
  field({"text_hash", "SHA-256 of that file; `\"\"` for a task"}, f.text_hash);
  field({"examples", "only the first N texts; 0: all"}, f.examples);
  field({"max_tokens", "texts are split into pieces of N tokens"}, f.max_tokens);
  field({"pieces", "number of pieces"}, f.pieces);
  field({"tokens", "number of predicted tokens"}, f.tokens);
  field({"loss_frozen", "mean loss per predicted token in nats, of the frozen backbone"}, f.loss_frozen);
  field({"loss_with_method", "the same with the trained method; `null` for a classification head"}, f.loss_with_method);
}

// All but the version.
void visit_fields(auto& field, Is<RunRecord> auto& r) {
  field({"id", "name of the run and of its folder"}, r.id);
  field({"status", "a killed process leaves `running`: tables show it as `stopped` if no process holds `lock`",
         Presence::always, "running|finished|failed|interrupted"},
        r.status);
  field({"message", "error message of a failed run, otherwise `\"\"`"}, r.message);
  field({"started", "UTC, ISO 8601, of the first process of the run"}, r.started);
  field({"ended", "UTC, ISO 8601; `\"\"` until the run has finished or failed"}, r.ended);
  field({"program", "the program of the last process"}, r.program);
  field({"machine", "the machine of the last process"}, r.machine);
  field({"method", "the trained method"}, r.method);
  field({"task", "the training task"}, r.task);
  field({"backbone", "the frozen model"}, r.backbone);
  field({"vocabulary_hash",
         "SHA-256 of `spiece.model`; if other files change the ids, SHA-256 of that hash and the added tokens"},
        r.vocabulary_hash);
  field({"seed", "random seed"}, r.seed);
  field({"config_hash", "SHA-256 of `config`"}, r.config_hash);
  field({"config",
         "the identity: all settings except those of `data`, the method's version, hashes of the task's definition and "
         "data, of files given in parameters, of the initial values (`init_from`), of the vocabulary and of the "
         "backbone"},
        r.config);
  field({"sites", "sites of the backbone that the method claims"}, r.sites);
  field({"ledger", "counts, measured from tensors; a method cannot report numbers itself. `{}` before it is measured"},
        r.ledger, Holds<LedgerParts>());
  field({"training", "the training loop"}, r.training);
  field({"metrics", "metrics of the run's task, or of all tasks of its mixture. The first is the score"}, r.metrics);
  field({"answers",
         "how answers were made: `generated`, `ranked` (the most likely label word) or `classes` (by the method's "
         "head); `\"\"` before evaluation",
         newer, "|generated|ranked|classes"},
        r.answers);
  field({"illegal_rate",
         "share of generated answers that are not a label word, not a number if the metrics need numbers, or empty for "
         "`wsc_simple`; `null` for other free text, and if no answer can be illegal"},
        r.illegal_rate);
  visit_fields(field, r.details);
  field({"predictions_hash", "SHA-256 of `predictions.jsonl`"}, r.predictions_hash);
  field({"adapter_hash", "SHA-256 of `adapter/adapter.safetensors`"}, r.adapter_hash);
  field({"tasks", "scores of the tasks of a mixture and of other evaluation tasks. Empty for a run on one task", newer},
        r.tasks);
  field({"phases",
         "sums over all processes of the run; the costs of a killed process since its last record (at most about ten "
         "seconds) are missing"},
        r.phases);
  field({"warnings",
         "warnings about the results: truncated inputs and targets, fields that were truncated completely, targets "
         "that the vocabulary cannot represent, labels that are never answered or have no examples, …"},
        r.warnings);
  field({"forgetting",
         "loss of text under the trained method, from `peft-bench forgetting --save` or `forgetting: true` of a suite; "
         "`null` if it was not measured",
         newer},
        r.forgetting);
}

// A type whose fields are listed here.
struct AnyVisitor {};
template <class T>
concept Listed = requires(AnyVisitor& visitor, T& value) { visit_fields(visitor, value); };

}  // namespace peftbench::results
