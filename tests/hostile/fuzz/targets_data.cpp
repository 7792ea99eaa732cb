// Rows, tasks and what is prepared of them.
#include "core/progress.h"
#include "data/prepared/example_file.h"
#include "data/prepared/storage.h"
#include "data/readers/rows.h"
#include "data/task/load_task.h"
#include "data/task/task.h"
#include "eval/metrics.h"
#include "eval/prediction_file.h"
#include "formats/record_file.h"
#include "fuzz/target.h"
#include "pretrain/corpus.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <exception>

namespace peftbench::hostile {

using namespace layers;

namespace {

// Fields are asked for as tasks do, by name; those that are no texts are refused, and the rest is read all the same.
void read_rows(const std::string& name, std::string_view bytes, const SourceSpec& source = {}) {
  const auto rows = RowReader::open(put(name, bytes), source);
  std::exception_ptr refusal;
  std::vector<std::string> names;
  for (int row = 0; rows->next(); ++row) {
    if (row < 100) {
      names = rows->names();
      std::erase_if(names, [](const std::string& field) { return field.size() > 1000; });
      if (names.size() > 32) names.resize(32);
    }
    for (const std::string& field : names) {
      rows->count(field);
      try {
        rows->field(field);
      } catch (const Error&) {
        if (!refusal) refusal = std::current_exception();
      }
    }
    rows->place();
  }
  if (refusal) std::rethrow_exception(refusal);
}

void csv(std::string_view bytes) { read_rows("rows.csv", bytes); }
void tsv(std::string_view bytes) { read_rows("rows.tsv", bytes); }
void headless(std::string_view bytes) {
  SourceSpec source;
  source.header = false;
  source.columns = {"a", "b", "c"};
  source.skip_short_rows = true;
  source.quote = std::optional<char>();
  read_rows("rows.csv", bytes, source);
}
void jsonl(std::string_view bytes) { read_rows("rows.jsonl", bytes); }
void json_rows(std::string_view bytes) { read_rows("rows.json", bytes); }
void nested_rows(std::string_view bytes) {
  SourceSpec source;
  source.records = {"data", "paragraphs", "qas"};
  read_rows("rows.json", bytes, source);
}
void jsonl_gz(std::string_view bytes) { read_rows("rows.jsonl.gz", bytes); }
void csv_gz(std::string_view bytes) { read_rows("rows.csv.gz", bytes); }
void parquet(std::string_view bytes) { read_rows("rows.parquet", bytes); }

fs::path companion(const std::string& name) {
  const fs::path file = scratch() / name;
  return file_exists(file) ? file : put(name, seed("companions/" + name));
}

// Rows by way of a whole task: filter, templates, preprocessing, splits.
void load(const char* yaml) {
  const TaskConfig config = read_task_config(companion(yaml).string(), {});
  DataStorage storage{scratch() / "tasks", false, 1 << 20, 1, nullptr};
  const TaskData data = load_task(config, scratch() / "data", storage);
  for (const TextList* list : {&data.train, &data.validation, &data.test})
    for (std::size_t i = 0; i < std::min<std::size_t>(list->size(), 100); ++i) list->operator[](i);
}
void task_rows(std::string_view bytes) {
  put("task_rows.jsonl", bytes);
  load("task_rows.yaml");
}
void squad_rows(std::string_view bytes) {
  put("squad_rows.json", bytes);
  load("squad_rows.yaml");
}
void wsc_rows(std::string_view bytes) {
  put("wsc_rows.jsonl", bytes);
  load("wsc_rows.yaml");
}
void multirc_rows(std::string_view bytes) {
  put("multirc_rows.jsonl", bytes);
  load("multirc_rows.yaml");
}
void record_rows(std::string_view bytes) {
  put("record_rows.jsonl", bytes);
  load("record_rows.yaml");
}

void task(std::string_view bytes) {
  for (const char* name : {"added.yaml", "more.yaml"}) companion(name);  // for mixtures
  read_task_config(put("task.yaml", bytes).string(), {scratch()});
}

void predictions(std::string_view bytes) {
  for (const std::vector<std::string>& labels : {std::vector<std::string>{"bad", "good"}, std::vector<std::string>{}}) {
    const PredictionFile file = read_predictions(put("predictions.jsonl", bytes), labels);
    const std::vector<std::string> metrics = labels.empty()
                                                 ? std::vector<std::string>{"exact_match", "squad_f1"}
                                                 : std::vector<std::string>{"accuracy", "macro_f1", "exact_match"};
    check_scorable(file, metrics);
    compute_metrics(metrics, file.predictions, static_cast<int>(labels.size()));
  }
}

void record_file(std::string_view bytes) {
  const RecordFile::Opened opened = RecordFile::open(put("examples.rec", bytes), "made from this");
  if (!opened.file) throw DataError(opened.damage.empty() ? "there is no file" : opened.damage);
  RecordFile::Cursor cursor(*opened.file);
  const std::uint64_t records = std::min<std::uint64_t>(opened.file->size(), 10'000);
  for (std::uint64_t i = 0; i < records; ++i) cursor.at(i);
  opened.file->section("words");
  opened.file->numbers("numbers");
}

void examples(std::string_view bytes) {
  const RecordFile::Opened opened = RecordFile::open(put("examples.rec", bytes), "made from this");
  if (!opened.file) throw DataError(opened.damage.empty() ? "there is no file" : opened.damage);
  const ExamplesInFile list(opened.file);
  for (std::size_t i = 0; i < std::min<std::size_t>(list.size(), 10'000); ++i) list.at(i);
}

void corpus(std::string_view bytes) {
  static const auto tokenizer = Tokenizer::load(companion("spiece.model"));
  static const Documents source{"text", {companion("text.jsonl")}};
  const CorpusOptions options{scratch() / "cache", 1, nullptr};
  static const fs::path file = Corpus::open(source, *tokenizer, options)->file();
  fs::remove(file);
  put("cache/" + file.filename().string(), bytes);
  const auto corpus = Corpus::open(source, *tokenizer, options);
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < std::min<int64_t>(corpus->documents(), 10'000); ++i) {
    ids.clear();
    corpus->append(i, 0, corpus->length(i), ids);
    corpus->held_out(i, 0.5);
  }
  corpus->tokens();
}

void documents(std::string_view bytes) {
  DocumentReader reader({"text", {put("documents.jsonl", bytes)}});
  while (reader.next()) (void)reader.text();
}

}  // namespace

std::vector<Target> data_targets() {
  return {{"csv", Syntax::table, csv},
          {"tsv", Syntax::table, tsv},
          {"csv_without_header", Syntax::table, headless},
          {"csv_gz", Syntax::bytes, csv_gz, &gzip_text},
          {"jsonl", Syntax::json, jsonl},
          {"jsonl_gz", Syntax::bytes, jsonl_gz, &gzip_text},
          {"json", Syntax::json, json_rows},
          {"json_nested", Syntax::json, nested_rows},
          {"parquet", Syntax::bytes, parquet, &parquet_footer},
          {"task_rows", Syntax::json, task_rows},
          {"squad_rows", Syntax::json, squad_rows},
          {"wsc_rows", Syntax::json, wsc_rows},
          {"multirc_rows", Syntax::json, multirc_rows},
          {"record_rows", Syntax::json, record_rows},
          {"task", Syntax::yaml, task},
          {"predictions", Syntax::json, predictions},
          {"record_file", Syntax::bytes, record_file, &record_directory},
          {"examples", Syntax::bytes, examples, &record_directory},
          {"corpus", Syntax::bytes, corpus, &corpus_trailer},
          {"documents", Syntax::json, documents}};
}

}  // namespace peftbench::hostile
