#include "run/task_scoring.h"

#include "backbone/finite.h"
#include "core/hash.h"
#include "core/names.h"
#include "core/utf8.h"
#include "data/prepared/encode_list.h"
#include "data/prepared/groups.h"
#include "data/prepared/text_counts.h"
#include "data/task/label_check.h"
#include "eval/label_report.h"
#include "eval/likelihood.h"
#include "eval/prediction_file.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <tuple>
#include <utility>

namespace peftbench::run {

namespace {

std::int64_t most_scored_input(const Workbench& bench, const TaskConfig& task) {
  const std::int64_t most = bench.setup.config.options.eval.max_input_tokens;
  return most > 0 ? most : task.max_input_tokens;
}

}  // namespace

std::vector<EncodedExample> encode_for(const Workbench& bench, const TaskConfig& task,
                                       const std::vector<TextExample>& examples, const Arrangement& arrangement,
                                       std::vector<Cut>* cuts) {
  const BackboneSpec& spec = bench.backbone->spec();
  return encode_all(examples, *bench.tokenizer,
                    {task.max_input_tokens, task.max_target_tokens, bench.target_prefix(task)}, arrangement,
                    spec.pad_id, spec.eos_id, bench.storage.threads, cuts);
}

std::vector<EncodedExample> encode_scored(const Workbench& bench, TaskConfig task,
                                          const std::vector<TextExample>& examples, const Arrangement& arrangement,
                                          std::vector<Cut>* cuts) {
  task.max_input_tokens = most_scored_input(bench, task);
  return encode_for(bench, task, examples, arrangement, cuts);
}

namespace {

// Below the folder of the task's file, or of the data that was fetched for it: two files of one name are told apart,
// and the bytes are the same on every machine.
std::string short_origin(const Workbench& bench, const TaskConfig& task, const std::string& origin) {
  const fs::path path = fs::absolute(origin).lexically_normal();
  const auto below = [&](const fs::path& folder) {
    const fs::path relative = path.lexically_relative(fs::absolute(folder).lexically_normal());
    return relative.empty() || *relative.begin() == ".." ? fs::path() : relative;
  };
  if (const fs::path beside = below(task.file.parent_path()); !beside.empty()) return beside.generic_string();
  const fs::path fetched = below(bench.storage.folder.parent_path().parent_path());
  if (fetched.empty()) return path.generic_string();
  return fetched.lexically_relative(*fetched.begin()).generic_string();  // without the recipe's own folder
}

// As the task's template makes it, before a layout adds to it and before it is truncated.
std::string input_text(const TextExample& example) {
  std::string text;
  for (const Piece& piece : example.input) text += piece.text;
  return text;
}

}  // namespace

nlohmann::ordered_json prediction_json(const Workbench& bench, const TaskConfig& task, const Prediction& p,
                                       const TextList& split) {
  const auto place = static_cast<std::size_t>(p.index);
  const bool known = place < split.size();
  nlohmann::ordered_json json = {{"index", p.index},
                                 {"origin", known ? short_origin(bench, task, split.origin(place)) : ""}};
  const KeepInputs keep = bench.setup.config.options.eval.keep_inputs;
  if (known && keep != KeepInputs::none) {
    const std::string input = input_text(split[place]);
    json[keep == KeepInputs::text ? "input" : "input_hash"] = keep == KeepInputs::text ? input : sha256(input);
  }
  json.update(to_json(p));
  return json;
}

TaskScoring::TaskScoring(Subject subject, const CompiledPlan& plan)
    : subject_(std::move(subject)),
      layout_(plan.only() ? plan.only()->layout : nullptr),
      replicas_(replicas_of(plan)),
      classes_(scores_classes(plan)),
      evaluator_(*subject_.bench.backbone, TextCodec::of(subject_.bench.tokenizer), subject_.task.config,
                 subject_.bench.setup.config.options.train.evaluation,
                 static_cast<std::uint64_t>(subject_.bench.setup.config.seed()), subject_.cache, subject_.transfer) {
  const EvaluationConfig& evaluation = subject_.bench.setup.config.options.train.evaluation;
  if (!classes_) {  // a head's classes are numbers: no word is written
    const Tokenizer& tokenizer = *subject_.bench.tokenizer;
    check_labels(task().config, tokenizer, evaluation.mode == EvaluationMode::greedy ? evaluation.max_tokens : 0);
    warnings_ = label_warnings(task().config, tokenizer);
    check_learnt();
  }
  check_transfer();
}

// Words of the task that was trained on which are one to the model, but become different answers of this one.
void TaskScoring::check_learnt() const {
  const std::vector<std::string>& learnt = subject_.transfer.labels;
  const Tokenizer& tokenizer = *subject_.bench.tokenizer;
  for (std::size_t a = 0; a < learnt.size(); ++a) {
    for (std::size_t b = a + 1; b < learnt.size(); ++b) {
      const std::vector<std::int64_t> ids = tokenizer.encode(learnt[a]);
      if (ids != tokenizer.encode(learnt[b])) continue;
      const std::string to_a = subject_.transfer.map.apply(learnt[a]), to_b = subject_.transfer.map.apply(learnt[b]);
      if (evaluator_.label_of(to_a) == evaluator_.label_of(to_b)) continue;
      throw ConfigError({"two training label words are identical to the model, but are mapped to different answers",
                         spelled(learnt[a]) + " to '" + to_a + "', " + spelled(learnt[b]) + " to '" + to_b +
                             "': both are the ids " + ids_text(ids),
                         "one answer for both",
                         "map both to one answer, or train on words that the vocabulary distinguishes"});
    }
  }
}

// Answers that cannot be right are found before anything is computed.
void TaskScoring::check_transfer() {
  const std::vector<std::string>&learnt = subject_.transfer.labels, &labels = subject_.task.config.labels;
  if (learnt.empty() || labels.empty()) return;
  const LabelMap& map = subject_.transfer.map;
  std::vector<bool> reached(labels.size());
  for (const std::string& word : learnt)
    if (const int label = evaluator_.label_of(map.apply(word)); label >= 0)
      reached[static_cast<std::size_t>(label)] = true;
  const auto unreached = std::count(reached.begin(), reached.end(), false);
  const bool ranked = subject_.bench.setup.config.options.train.evaluation.mode == EvaluationMode::rank && !map.empty();
  const std::string found = spelled_list(learnt) + " in training; " + spelled_list(labels) + " in '" +
                            subject_.task.config.name + "'",
                    remedy = "map each training label to one of the task's labels: --label-map " + learnt.front() +
                             ":" + labels.front() + (learnt.size() > 1 ? " --label-map " + learnt[1] + ":…" : "");
  const bool none = unreached == static_cast<std::ptrdiff_t>(labels.size());
  if ((ranked && none) || (classes_ && unreached > 0))
    throw ConfigError({"the training task's labels do not map to this task's labels", found,
                       classes_ ? "one training label for each of the task's labels"
                                : "training labels that are mapped to the task's labels",
                       remedy});
  if (none && !ranked && subject_.bench.setup.config.options.train.evaluation.mode != EvaluationMode::rank)
    warnings_.push_back("no training label is a label of '" + subject_.task.config.name + "': " + found + "; " +
                        remedy);
}

const std::vector<TextExample>& TaskScoring::pool() const {
  if (pool_) return *pool_;
  pool_.emplace();
  if (!layout_) return *pool_;
  for (const TaskData* task : subject_.shots) {
    std::vector<TextExample> some = layout_pool(task->train);
    std::move(some.begin(), some.end(), std::back_inserter(*pool_));
  }
  return *pool_;
}

Arrangement TaskScoring::arrangement() const {
  return {layout_.get(), &pool(), replicas_, static_cast<std::uint64_t>(subject_.bench.setup.config.seed())};
}

std::shared_ptr<const ExampleList> TaskScoring::training_examples(bool trained) {
  const Workbench& bench = subject_.bench;
  const TaskConfig& config = task().config;
  if (!trained) {
    const auto batch = static_cast<std::size_t>(bench.setup.config.options.train.batch_size);
    return std::make_shared<const ExamplesInMemory>(
        encode_for(bench, config, task().train.first(batch), arrangement()));
  }
  const BackboneSpec& spec = bench.backbone->spec();
  const EncodeSettings settings{*bench.tokenizer,
                                {config.max_input_tokens, config.max_target_tokens, bench.target_prefix(config)},
                                spec.pad_id,
                                spec.eos_id};
  training_counts_.emplace();
  return encode_list(task().train, settings, arrangement(), bench.storage, config.name,
                     layout_ ? bench.layout_key() : "", &*training_counts_);
}

const TextList& TaskScoring::split(const std::string& name) const {
  return name == "test" ? task().test : task().validation;
}

std::string TaskScoring::split_for(const std::string& wanted) const {
  for (const std::string& name : {wanted, std::string("validation"), std::string("test")})
    if (!split(name).empty() && (name != "test" || task().test_labelled)) return name;
  throw DataError({.what = "task '" + task().config.name + "' has no rows to evaluate",
                   .found = "neither test nor validation examples with labels",
                   .remedy = "give the task a test split: docs/tasks.md shows how"});
}

Evaluation TaskScoring::evaluate(const CompiledPlan& plan, const std::string& name, std::int64_t limit,
                                 ProgressSink& progress) {
  const std::size_t count = whole_groups(split(name), limit);
  const Questions& asked = questions(name, count);
  const bool named = !subject_.transfer.labels.empty() || subject_.bench.task.config.mixture;
  try {
    return evaluator_.evaluate(plan, asked.encoded, asked.texts, static_cast<std::int64_t>(count), &progress,
                               "evaluate on " + (named ? task().config.name + ", " : "") + name);
  } catch (const NotFiniteError& error) {
    throw error.of(example_name(name, error.place()));
  }
}

std::string TaskScoring::example_name(const std::string& name, std::int64_t index) const {
  return name + " example " + std::to_string(index) + " of '" + task().config.name + "' (" +
         split(name).origin(static_cast<std::size_t>(index)) + ")";
}

const TaskScoring::Questions& TaskScoring::questions(const std::string& name, std::size_t count) {
  std::shared_ptr<const Questions>& kept = questions_[name];
  if (!kept || kept->texts.size() < count) {
    auto asked = std::make_shared<Questions>();
    asked->texts = split(name).first(count);
    asked->encoded = encode(asked->texts, &asked->cuts);
    kept = std::move(asked);
  }
  return *kept;
}

std::vector<EncodedExample> TaskScoring::encode(const std::vector<TextExample>& texts, std::vector<Cut>* cuts) const {
  return encode_scored(subject_.bench, task().config, texts, arrangement(), cuts);
}

std::vector<std::string> TaskScoring::cut_remarks_on(const TextCounts& counts, const std::string& of) const {
  const TaskConfig& config = task().config;
  std::vector<std::string> remarks;
  for (const std::string& remark :
       cut_remarks(counts, of, most_scored_input(subject_.bench, config), config.max_target_tokens))
    remarks.push_back("task '" + config.name + "': " + remark);
  return remarks;
}

void TaskScoring::share_questions(const TaskScoring& other) {
  const auto encoding = [](const TaskScoring& scoring) {
    const TaskConfig& config = scoring.task().config;
    return std::tuple(most_scored_input(scoring.subject_.bench, config), config.max_target_tokens, config.sentinel,
                      scoring.replicas_);
  };
  if (!layout_ && !other.layout_ && encoding(*this) == encoding(other)) questions_ = other.questions_;
}

TaskScore TaskScoring::describe(const Evaluation& evaluation, const std::string& name) const {
  TaskScore score;
  score.task = task().config.name;
  score.source = fs::absolute(task().source).lexically_normal().string();
  score.hash = task().hash;
  score.definition = sha256(task().config.canonical);
  score.train = static_cast<std::int64_t>(task().train.size());
  score.scored = evaluation.examples;
  score.loss = evaluation.loss;
  // The same examples for the majority label, where only the first so many were scored.
  const auto majority = evaluator_.majority(split(name).first(static_cast<std::size_t>(evaluation.examples)));
  for (const MetricValue& metric : evaluation.metrics) {
    MetricRecord line{name, metric.name, metric.value, metric.n, Interval{metric.low, metric.high}, {}};
    if (majority) {
      for (const ConstantAnswer& constant : majority->metrics) {
        if (constant.name != metric.name) continue;
        line.majority = constant.value;
        line.majority_answer = constant.answer;
      }
    }
    score.metrics.push_back(line);
  }
  score.majority_label = majority ? majority->label : "";
  const bool ranked = subject_.bench.setup.config.options.train.evaluation.mode == EvaluationMode::rank;
  score.answers = classes_ ? "classes" : ranked ? "ranked" : "generated";
  // Ranked words may be mapped to what is no answer too.
  const bool may_be_illegal = score.answers == "generated" || !subject_.transfer.labels.empty();
  const TaskConfig& config = task().config;
  const LabelReport report = label_report(evaluation.predictions, config.labels);
  score.details.labels = labels_json(report);
  score.details.confusion = report.confusion;
  if (training_counts_) {
    score.details.texts["train"] = texts_json(*training_counts_);
    for (std::size_t label = 0; label < config.labels.size(); ++label) {
      const auto found = training_counts_->labels.find(static_cast<int>(label));
      score.details.labels[label]["train"] = found == training_counts_->labels.end() ? 0 : found->second;
    }
  }
  score.details.texts[name] = texts_json(counts(evaluation, name));
  if (may_be_illegal && answers_may_be_illegal(config.metrics, static_cast<int>(config.labels.size())))
    score.illegal_rate = evaluation.illegal_rate;
  return score;
}

TextCounts TaskScoring::counts(const Evaluation& evaluation, const std::string& name) const {
  const Questions& asked = *questions_.at(name);
  TextCounts counts;
  for (std::size_t i = 0; i < static_cast<std::size_t>(evaluation.examples); ++i)
    counts.add(asked.cuts[i], asked.texts[i].label);
  return counts;
}

nlohmann::ordered_json TaskScoring::texts_json(const TextCounts& counts) const {
  nlohmann::ordered_json json = to_json(counts);
  json.erase("labels");  // they are counted by their words
  return json;
}

std::vector<std::string> TaskScoring::training_remarks() const {
  std::vector<std::string> result;
  if (!training_counts_) return result;
  const TaskConfig& config = task().config;
  const std::string of = "task '" + config.name + "': ";
  for (std::string& remark :
       cut_remarks(*training_counts_, "training", config.max_input_tokens, config.max_target_tokens))
    result.push_back(of + std::move(remark));
  std::vector<std::string> absent;
  for (std::size_t label = 0; label < config.labels.size(); ++label)
    if (!training_counts_->labels.contains(static_cast<int>(label))) absent.push_back(spelled(config.labels[label]));
  if (!absent.empty()) result.push_back(of + "no example of " + join(absent) + " in training");
  return result;
}

std::vector<std::string> TaskScoring::remarks(const Evaluation& evaluation, const std::string& name) const {
  const Workbench& bench = subject_.bench;
  const TaskConfig& config = task().config;
  const std::string of = "task '" + config.name + "': ";
  std::vector<std::string> result = cut_remarks_on(counts(evaluation, name), name);
  for (std::string& remark : label_remarks(label_report(evaluation.predictions, config.labels), name + " "))
    result.push_back(of + std::move(remark));
  if (!config.labels.empty()) return result;
  const Questions& asked = *questions_.at(name);
  const std::string whole = with_thousands(evaluation.examples) + " " + name + " targets";
  const std::int64_t most = bench.setup.config.options.train.evaluation.max_tokens;
  const auto longer = std::count_if(asked.cuts.begin(), asked.cuts.begin() + evaluation.examples, [&](const Cut& cut) {
    return !cut.target && most > 0 && cut.target_tokens - 1 > most;
  });
  if (longer > 0)
    result.push_back(of + with_thousands(longer) + " of the " + whole +
                     " exceed the answer length limit eval.max_tokens=" + std::to_string(most) +
                     ", so no answer can match them");
  Unwritable bare;
  for (std::int64_t i = 0; i < evaluation.examples; ++i)
    bare.add(asked.texts[static_cast<std::size_t>(i)], *bench.tokenizer);
  if (const auto remark = unwritable_remark(bare, whole)) result.push_back(of + *remark);
  return result;
}

std::string TaskScoring::prediction_lines(const Evaluation& evaluation, const std::string& name, bool named) const {
  std::string text;
  for (const Prediction& p : evaluation.predictions) {
    nlohmann::ordered_json line;
    if (named) line["task"] = task().config.name;
    line.update(prediction_json(subject_.bench, task().config, p, split(name)));
    text += line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  }
  return text;
}

}  // namespace peftbench::run
