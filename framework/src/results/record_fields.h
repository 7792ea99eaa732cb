#pragma once

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
// docs/record.schema.json: the test RecordSchema compares them, and says how they are made anew.
namespace peftbench {

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
inline constexpr Field schema_version_field = {"schema_version", "a program refuses a version that it does not know"};

template <class T, class U>
concept Is = std::same_as<std::remove_const_t<T>, U>;

// A visitor is called with a Field and its member, and with what is held where that is Json.

void visit_fields(auto& field, Is<RunRecord::Program> auto& p) {
  field({"peftbench", "version"}, p.peftbench);
  field({"torch", "version of LibTorch"}, p.torch);
  field({"commit", "of the git checkout that it was built from; `null` where there was none", newer}, p.commit);
  field({"clean", "whether nothing in that checkout was other than in the commit, new files included", newer}, p.clean);
}

void visit_fields(auto& field, Is<RunRecord::Machine> auto& m) {
  field({"cpu", "processor model; `\"\"` where `/proc` does not tell"}, m.cpu);
  field({"threads", "used"}, m.threads);
  field({"cores", "logical processors of the machine that are online", newer}, m.cores);
  field({"usable_cores", "of these, how many the process may keep busy, by its affinity and its control groups", newer},
        m.usable_cores);
  field({"memory_bytes", "of the machine", newer}, m.memory_bytes);
  field({"kernel", "system, release and architecture, as `uname` tells them", newer}, m.kernel);
  field({"compiler", "that the program was built with: name and version", newer}, m.compiler);
}

void visit_fields(auto& field, Is<RunRecord::Method> auto& m) {
  field({"name", "as the plugin states it"}, m.name);
  field({"version", "likewise"}, m.version);
  field({"summary", "likewise"}, m.summary);
  field({"reference", "likewise"}, m.reference);
  field({"plugin", "path of the library, which is told and never opened"}, m.plugin);
  field({"abi_note", "what the library was built with"}, m.abi_note);
  field({"values", "all parameters of the method, defaults included"}, m.values);
}

void visit_fields(auto& field, Is<RunRecord::Task> auto& t) {
  field({"name", "of the task"}, t.name);
  field({"file", "its YAML file, absolute", newer}, t.file);
  field({"source", "where its data was found"}, t.source);
  field({"hash", "SHA-256 over all formatted examples"}, t.hash);
  field({"train", "examples"}, t.train);
  field({"validation", "examples"}, t.validation);
  field({"test", "examples"}, t.test);
  field({"labels", "its label words in the order in which they were learnt", newer}, t.labels);
  field({"majority_label", "most frequent label of the scored split; `\"\"` for free text"}, t.majority_label);
}

void visit_fields(auto& field, Is<RunRecord::Backbone> auto& b) {
  field({"name", "of the frozen model"}, b.name);
  field({"folder", "of its weights, absolute"}, b.folder);
  field({"precision", "of the frozen weights"}, b.precision);
  field({"quantization", "of its linear maps", newer, "none|nf4|int8"}, b.quantization);
  field({"bytes", "memory of the weights as they are kept", newer}, b.bytes);
  field({"parameters", "elements, however few bits they are kept in"}, b.parameters);
  field({"checksum_before", "SHA-256 over names and bytes of all weights, after loading"}, b.checksum_before);
  field({"checksum_after", "the same at the end. They are equal in every finished run: a difference is a failure"},
        b.checksum_after);
}

void visit_fields(auto& field, Is<CountsParts> auto& c) {
  field({"trained", "elements handed to the optimizer", sometimes}, c.trained);
  field({"stored", "elements in `adapter.safetensors`, derived values in place of what they come from", sometimes},
        c.stored);
  field({"inference", "elements that a trained method uses", sometimes}, c.inference);
  field({"after_merge", "what is left of them once merged into frozen weights", sometimes}, c.after_merge);
  field({"receiving_gradient",
         "elements whose gradient was seen not to be zero in the first steps; `null` before training", sometimes},
        c.receiving_gradient);
}

void visit_fields(auto& field, Is<LedgerRowParts> auto& r) {
  visit_fields(field, r.counts);
  field({"method", "of the group of parameters"}, r.method);
  field({"site", "where they are in the backbone"}, r.site);
  field({"role", "of the parameters", Presence::always, "trained|buffer|derived"}, r.role);
}

void visit_fields(auto& field, Is<FlopsParts> auto& f) {
  field({"forward", "of one batch"}, f.forward);
  field({"training_step", "of one batch"}, f.training_step);
  field({"prediction", "of one example"}, f.prediction);
}

void visit_fields(auto& field, Is<LedgerParts> auto& l) {
  visit_fields(field, l.counts);
  field({"percent", "100 · trained / (backbone + what is trained beside it), as Lester et al. (2021) count", sometimes},
        l.percent);
  field({"bytes_stored", "of the tensors in `adapter.safetensors`", sometimes}, l.bytes_stored);
  field({"optimizer_state_bytes", "kept beside the parameters while training", sometimes}, l.optimizer_state_bytes);
  field({"added_encoder_length", "rows that the method adds to each sequence of the encoder", sometimes},
        l.added_encoder_length);
  field({"prompt_tokens",
         "token ids among these rows: words and examples that a layout puts around the first validation example, what "
         "Lester et al. count as the parameters of prompt design; `null` before an example was read",
         sometimes},
        l.prompt_tokens);
  field({"added_decoder_length", "rows that the method adds to each sequence of the decoder", sometimes},
        l.added_decoder_length);
  field({"prefix_length", "the longest key/value prefix", sometimes}, l.prefix_length);
  field({"flops",
         "multiplications and additions in the backbone's matrix products, over the lengths of the first batch of "
         "training examples (of their targets alone, where the loss compares label words too; each copy of an example "
         "at its own length; without the encoder for the part of the examples whose outputs the cache can hold); "
         "`null` where no data was read",
         sometimes},
        l.flops);
  field({"rows", "the counts by method, site and role", sometimes}, l.rows);
}

void visit_fields(auto& field, Is<EncoderCacheParts> auto& c) {
  field({"used", "whether encoder outputs were kept", sometimes}, c.used);
  field({"hits", "sequences whose output was there", sometimes}, c.hits);
  field({"misses", "sequences whose output was not", sometimes}, c.misses);
  field({"entries", "outputs kept at the end", sometimes}, c.entries);
  field({"bytes", "of these", sometimes}, c.bytes);
}

void visit_fields(auto& field, Is<RunRecord::Training> auto& t) {
  field({"steps", "optimizer steps done"}, t.steps);
  field({"best_step", "the step whose parameters were scored and stored"}, t.best_step);
  field({"stopped_early", "by `train.patience`"}, t.stopped_early);
  field({"resumed_from", "step at which the last process went on; 0: from the start"}, t.resumed_from);
  field({"times_resumed", "how often a process went on"}, t.times_resumed);
  field({"examples", "seen in training, repeats counted"}, t.examples);
  field({"tokens", "of inputs and targets seen in training, repeats counted"}, t.tokens);
  field({"loss_before",
         "nats for each label token, EOS included, before the first step, on the split `loss_split`. On `train` (where "
         "there is no validation split) it is the first step's"},
        t.loss_before);
  field({"loss_after", "the same at `best_step`; on `train` the last step's"}, t.loss_after);
  field({"loss_split", "of these losses"}, t.loss_split);
  field({"encoder_cache", "of the last process; `{}` until it trained"}, t.encoder_cache, Holds<EncoderCacheParts>());
}

void visit_fields(auto& field, Is<MetricRecord> auto& m) {
  field({"split", "that was scored"}, m.split);
  field({"name", "of the metric"}, m.name);
  field({"value", "rates lie in 0…1; `null` where it is undefined"}, m.value);
  field({"n", "examples, or groups of them where a group counts once"}, m.n);
  field({"interval", "95 %, lowest and highest: Wilson's for shares, else a bootstrap's percentiles"}, m.interval);
  field({"majority", "the same metric for the best constant answer; `null` for free text"}, m.majority);
  field({"majority_answer", "that answer; `\"\"`: `task.majority_label`", newer}, m.majority_answer);
}

void visit_fields(auto& field, Is<LabelParts> auto& l) {
  field({"label", "the label word"}, l.label);
  field({"targets", "scored examples of which it is the target"}, l.targets);
  field({"answers", "scored examples of which it is the answer"}, l.answers);
  field({"precision", "`null` where it is never answered"}, l.precision);
  field({"recall", "`null` where it is never the target"}, l.recall);
  field({"f1", "`null` where it is neither"}, l.f1);
  field({"train", "training examples; absent where nothing was trained", sometimes}, l.train);
}

void visit_fields(auto& field, Is<TextParts> auto& t) {
  field({"examples", "in all"}, t.examples);
  field({"inputs_cut", "by the limit of tokens"}, t.inputs_cut);
  field({"targets_cut", "by the limit of tokens"}, t.targets_cut);
  field({"longest_target", "tokens before it was cut, EOS among them"}, t.longest_target);
  field({"fields_lost", "examples by the field of which nothing is left"}, t.fields_lost);
}

void visit_fields(auto& field, Is<ScoreDetails> auto& d) {
  field({"labels", "of each label word; empty for free text, and for a mixture as a whole", newer}, d.labels,
        Holds<std::vector<LabelParts>>());
  field(
      {"confusion",
       "scored examples by target and answer, rows and columns in the order of `labels`; a last column counts answers "
       "that are none of them. Empty above 100 labels",
       newer},
      d.confusion, Holds<std::vector<std::vector<std::int64_t>>>());
  field({"texts", "by split, `train` and the scored one. What was cut is among the `warnings` too", newer}, d.texts,
        Holds<std::map<std::string, TextParts>>());
}

void visit_fields(auto& field, Is<TaskScore> auto& t) {
  field({"task", "its name"}, t.task);
  field({"source", "where its data was found"}, t.source);
  field({"hash", "SHA-256 over all formatted examples"}, t.hash);
  field({"definition", "SHA-256 of what its file says", newer}, t.definition);
  field({"trained", "a task of the mixture; `false`: a task that was not trained on (`eval.tasks`)"}, t.trained);
  field({"rate", "in the mixture; `null` for a task that was not trained on"}, t.rate);
  field({"train", "rows of its training split"}, t.train);
  field({"scored", "examples"}, t.scored);
  field({"metrics", "the first is its score"}, t.metrics);
  field({"majority_label", "as `task.majority_label`"}, t.majority_label);
  field({"answers", "as the record's `answers`"}, t.answers);
  field({"illegal_rate", "as the record's `illegal_rate`"}, t.illegal_rate);
  field({"loss", "of the answers that were asked for; `null` where more or less than one learnt word becomes one"},
        t.loss);
  visit_fields(field, t.details);
  field({"predictions", "file in the run's folder, of a task that was not trained on; `\"\"`: the run's own"},
        t.predictions);
  field({"predictions_hash", "its SHA-256"}, t.predictions_hash);
}

void visit_fields(auto& field, Is<PhaseCost> auto& p) {
  field({"name",
         "`load`, `prepare`, `train` (its steps, and keeping them), `validate` (the evaluations during training) or "
         "`evaluate`"},
        p.name);
  field({"wall_seconds", "of the clock"}, p.wall_seconds);
  field({"cpu_seconds", "of all threads"}, p.cpu_seconds);
  field({"peak_memory_bytes", "resident"}, p.peak_memory_bytes);
  field({"peak_is_of_phase", "`false` where the kernel could not reset the peak, which then counts since the start"},
        p.peak_is_of_phase);
}

// All but the version.
void visit_fields(auto& field, Is<RunRecord> auto& r) {
  field({"id", "name of the run and of its folder"}, r.id);
  field({"status", "a killed process leaves `running`: tables show it as `stopped` where no process holds `lock`",
         Presence::always, "running|finished|failed|interrupted"},
        r.status);
  field({"message", "of a failure, else `\"\"`"}, r.message);
  field({"started", "UTC, ISO 8601, of the first process of the run"}, r.started);
  field({"ended", "UTC, ISO 8601; `\"\"` until it finished or failed"}, r.ended);
  field({"program", "that the last process ran"}, r.program);
  field({"machine", "that the last process ran on"}, r.machine);
  field({"method", "what was trained"}, r.method);
  field({"task", "what it was trained on"}, r.task);
  field({"backbone", "the frozen model"}, r.backbone);
  field(
      {"vocabulary_hash", "SHA-256 of `spiece.model`; where other files change the ids, of that hash and those tokens"},
      r.vocabulary_hash);
  field({"seed", "from which all chance follows"}, r.seed);
  field({"config_hash", "SHA-256 of `config`"}, r.config_hash);
  field({"config",
         "the identity: all settings but those of `data`, the method's version, hashes of the task's definition and "
         "data, "
         "of files that parameters name, of what training began from (`init_from`), of the vocabulary and of the "
         "backbone"},
        r.config);
  field({"sites", "sites of the backbone that the method claims"}, r.sites);
  field(
      {"ledger", "counts, measured on tensors: a method cannot report a number of its own. `{}` until it was measured"},
      r.ledger, Holds<LedgerParts>());
  field({"training", "the loop"}, r.training);
  field({"metrics", "of the run's task, or of all tasks of its mixture. The first is the score"}, r.metrics);
  field({"answers",
         "how they came about: `generated`, `ranked` (the likeliest label word) or `classes` (the method's head scores "
         "them); `\"\"` until they did",
         newer, "|generated|ranked|classes"},
        r.answers);
  field(
      {"illegal_rate",
       "share of generated answers that are none of the label words, no number where metrics read numbers, or nothing "
       "for `wsc_simple`; `null` for other free text, and where no answer can be illegal"},
      r.illegal_rate);
  visit_fields(field, r.details);
  field({"predictions_hash", "SHA-256 of `predictions.jsonl`"}, r.predictions_hash);
  field({"adapter_hash", "SHA-256 of `adapter/adapter.safetensors`"}, r.adapter_hash);
  field({"tasks", "the scores of a mixture's tasks, and of tasks that were not trained on. Empty for a run on one task",
         newer},
        r.tasks);
  field({"phases",
         "sums over all processes of the run; what a killed process did since it last wrote its record (at most about "
         "ten seconds) is missing"},
        r.phases);
  field({"warnings",
         "what the reader of the numbers should know: inputs and targets that were cut, fields that were lost whole, "
         "targets that the vocabulary cannot write, labels that are never answered or of which there is no example, …"},
        r.warnings);
}

// A type whose fields are listed here.
struct AnyVisitor {};
template <class T>
concept Listed = requires(AnyVisitor& visitor, T& value) {
  visit_fields(visitor, value);
};

}  // namespace peftbench
