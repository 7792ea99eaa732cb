#pragma once

#include "results/layer.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::results {

using Json = nlohmann::ordered_json;

// What one part of a run cost.
struct PhaseCost {
  std::string name;  // load, plan, train, evaluate, …
  double wall_seconds = 0;
  double cpu_seconds = 0;                    // of all threads
  std::int64_t peak_memory_bytes = 0;        // resident
  bool peak_is_of_phase = true;              // false: the kernel could not reset the peak, so it counts since the start
  std::optional<double> energy_joules = {};  // of the whole machine's processors (core/energy.h)
  std::optional<std::int64_t> peak_device_memory_bytes = {};  // of tensors on a GPU
};

struct Interval {
  double low = 0, high = 0;
};

struct MetricRecord {
  std::string split;  // validation, test
  std::string name;   // accuracy, macro_f1, …: data/task/metric_names.h
  double value = 0;
  std::int64_t n = 0;                // examples, or groups of them where a group counts once
  std::optional<Interval> interval;  // 95 %
  std::optional<double> majority;    // the same metric for the best constant answer
  std::string majority_answer = {};  // that answer; "" in older records: the task's majority_label
};

// Details of the scores: counts and scores of each label, and truncation of the texts.
struct ScoreDetails {
  Json labels = Json::array();     // one for each label word
  Json confusion = Json::array();  // by target and answer
  Json texts = Json::object();     // by split: "train" and the scored one
};

// The scores of one of several tasks: of a mixture, or another evaluation task.
struct TaskScore {
  std::string task = {}, source = {}, hash = {};
  std::string definition = {};                    // hash of the task's file; "" in older records
  bool trained = false;                           // a task of the mixture; false: a transfer
  std::optional<double> rate = {};                // in the mixture
  std::int64_t train = 0, scored = 0;             // examples of its training split; examples that were scored
  std::vector<MetricRecord> metrics = {};         // the first is its score
  std::string majority_label = {}, answers = {};  // as the record's own
  std::optional<double> illegal_rate = {};
  std::optional<double> loss = {};  // mean per target token, or per example of a head that scores classes
  std::string predictions = {};     // file in the run's folder; empty: the run's own
  std::string predictions_hash = {};
  ScoreDetails details = {};
};

// The loss of text without and with the trained method (commands/forgetting.h), and whose text it is.
struct ForgettingRecord {
  std::string task = {}, text = {}, text_hash = {};  // inputs of this task, or a file and its SHA-256
  std::int64_t examples = 0, max_tokens = 0;         // as asked for: only the first N texts, in pieces of N ids
  std::int64_t pieces = 0, tokens = 0;               // what the losses are means over
  double loss_frozen = 0;
  std::optional<double> loss_with_method = {};  // nothing of a method whose head scores classes
};

// The contents of a run's record.json; results/record_fields.h describes the fields and units.
// A record is written when a run starts, and again with every change of status.
struct RunRecord {
  static constexpr int schema = 1;

  std::string id;
  std::string status = "running";  // running, finished, failed, interrupted
  std::string message;             // of a failure
  std::string started, ended;      // UTC, ISO 8601

  struct Program {
    std::string peftbench, torch;
    std::optional<std::string> commit = {};  // of the checkout that it was built from
    std::optional<bool> clean = {};          // nothing in that checkout was other than in the commit
  } program;
  struct Machine {
    std::string cpu;
    int threads = 0;  // used
    std::optional<std::int64_t> cores = {}, usable_cores = {}, memory_bytes = {};
    std::string kernel = {}, compiler = {};
    std::string device = {};  // that computed: cpu, cuda:0; "" in older records: cpu
    std::string device_name = {}, device_capability = {}, driver = {};  // of a GPU
    std::optional<std::int64_t> device_memory_bytes = {};
  } machine;
  struct Method {
    std::string name, version, summary, reference, plugin, abi_note;
    Json values = Json::object();
  } method;
  struct Task {
    std::string name, source, hash, majority_label = {};
    std::int64_t train = 0, validation = 0, test = 0;
    std::string file = {};                 // the task's YAML, absolute; "" in older records
    std::vector<std::string> labels = {};  // label words, in the order of training
  } task;
  struct Backbone {
    std::string name, folder, precision, quantization = "none", backend = "reference", checksum_before,
                                         checksum_after = {};
    std::int64_t parameters = 0;  // elements, however few bits they are kept in
    std::int64_t bytes = 0;       // memory of the weights
  } backbone;
  std::string vocabulary_hash;
  std::uint64_t seed = 0;
  std::string config_hash;
  Json config = Json::object();

  Json ledger = Json::object();
  std::vector<std::string> sites;  // claimed by the method
  struct Training {
    std::int64_t steps = 0, best_step = 0, resumed_from = 0, times_resumed = 0, examples = 0, tokens = 0;
    std::optional<double> loss_before, loss_after;  // mean per target token on the split named below
    std::string loss_split;
    bool stopped_early = false;
    Json encoder_cache = Json::object();
    std::optional<double> validation_score = {};  // at best_step
    std::string validation_metric = {};           // its name; "" without validation, and in older records
    // Of the run that this one goes on from (continue_from); "" for others.
    std::string continued_from = {}, continued_device = {};
    std::optional<std::int64_t> continued_step = {};
  } training;
  std::vector<MetricRecord> metrics;
  std::string answers;                 // generated, ranked (label words), or classes (a head's); "" in older records
  std::optional<double> illegal_rate;  // of answers that are generated
  ScoreDetails details;                // of a run on one task
  std::string predictions_hash, adapter_hash;
  std::vector<TaskScore> tasks;  // of a mixture, and of transfers; their metrics are not among those above
  std::vector<PhaseCost> phases;
  std::vector<std::string> warnings;
  std::optional<ForgettingRecord> forgetting;  // where it was measured after the run

  // First metric of the split that was evaluated at the end; null before there is one.
  const MetricRecord* score() const { return metrics.empty() ? nullptr : &metrics.front(); }
  double wall_seconds() const;
  std::int64_t peak_memory_bytes() const;
  std::optional<std::int64_t> peak_device_memory_bytes() const;
};

// A truncated or damaged record. Only its contents are lost: checkpoint and log do not need it.
class DamagedRecord : public DataError {
 public:
  DamagedRecord(const std::string& where, const std::string& fault);
};

Json to_json(const RunRecord& record);
// Throws DamagedRecord if a field is missing or of another type, DataError if the schema version is unknown; `where`
// names the file.
RunRecord record_from_json(const Json& json, const std::string& where);

std::string utc_now();  // 2026-11-22T16:30:05Z

}  // namespace peftbench::results
