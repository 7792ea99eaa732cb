#include "fuzz/own_seeds.h"
#include "support/layers.h"

#include "data/prepared/example_file.h"
#include "data/prepared/storage.h"
#include "formats/record_file.h"
#include "fuzz/target.h"
#include "pretrain/corpus.h"
#include "results/run_record.h"
#include "results/suite_manifest.h"
#include "train/checkpoint.h"

#include <peftbench/abi.h>

#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>

#include <elf.h>

#include <cstring>
#include <vector>

namespace peftbench::hostile {

using namespace layers;

namespace {

void records(const fs::path& file) {
  const std::vector<std::uint32_t> numbers = {3, 1, 2};
  write_atomically(file, [&](std::ostream& out) {
    RecordWriter writer(out, "made from this");
    for (int i = 0; i < 40; ++i)
      writer.add(std::string(static_cast<std::size_t>(i) * 7 % 90, static_cast<char>('a' + i % 26)));
    writer.finish({{"numbers", {reinterpret_cast<const char*>(numbers.data()), 12}}, {"words", "a section"}});
  });
}

void examples(const fs::path& folder) {
  DataStorage storage{scratch_root() / "made", true, 0, 1, nullptr};
  int i = 0;
  store_examples(
      [&](EncodedExample& example) {
        example = {};
        example.input = {5, 6 + i, 1};
        example.target = {7, 1};
        return i++ < 20;
      },
      StoredRecords(storage, "t", "made from this", "rec"), 0, [] { return std::string("[]"); });
  for (const auto& entry : fs::directory_iterator(storage.folder))
    fs::copy_file(entry.path(), folder / "some.rec", fs::copy_options::overwrite_existing);
}

void corpus(const fs::path& folder) {
  const fs::path companions = corpus_folder() / "companions";
  const auto made = Corpus::open({"text", {companions / "text.jsonl"}}, *Tokenizer::load(companions / "spiece.model"),
                                 {scratch_root() / "cache", 1, nullptr});
  fs::copy_file(made->file(), folder / "text.corpus", fs::copy_options::overwrite_existing);
}

void checkpoint(const fs::path& folder) {
  TrainState state;
  state.step = 3;
  state.progress = {{"loss", 0.5}, {"history", {{{"step", 1}, {"loss", 0.75}}}}, {"log", 120}};
  state.parameters = {{"encoder.input.prompt", at::full({2, 3}, 1.5)}};
  state.optimizer = {{"encoder.input.prompt/v", at::ones({2, 3})}};
  state.best = {{"encoder.input.prompt", at::full({2, 3}, 0.5)}};
  state.seen = {{"0", at::ones({2, 3}, at::kByte)}};
  CheckpointStore(scratch_root() / "checkpoint", "run-1").save(state);
  fs::copy_file(scratch_root() / "checkpoint/train.safetensors", folder / "step3.safetensors",
                fs::copy_options::overwrite_existing);
}

void record(const fs::path& file) {
  RunRecord record;
  record.id = "lora-movies-s1-0123456789";
  record.status = "finished";
  record.started = record.ended = "2026-01-02T03:04:05Z";
  record.method.name = "lora";
  record.method.values = {{"rank", 8}, {"targets", {"q", "v"}}};
  record.task.name = "movies";
  record.task.test = 600;
  record.backbone.name = "t5-nano-lm";
  record.backbone.parameters = 9180928;
  record.seed = 1;
  record.config = {{"seed", 1}, {"train", {{"steps", 50}}}};
  record.ledger = {{"trained", 5120}, {"percent", 0.5}};
  record.sites = {"encoder.0.self.q"};
  record.training.steps = 50;
  record.training.loss_before = 4.25;
  record.metrics = {{"test", "accuracy", 0.75, 600, Interval{0.7, 0.8}, 0.5, "good"}};
  record.tasks = {{.task = "spam", .source = "here", .metrics = {{"test", "accuracy", 0.5, 60, {}, {}}}}};
  record.phases = {{"train", 2.5, 4.5, 1000, true}, {"evaluate", 1.5, 2.0, 2000, false}};
  record.warnings = {"one"};
  write_atomically(file, to_json(record).dump(1) + "\n");
}

void manifest(const fs::path& file) {
  const SuiteManifest suite{
      .name = "mine",
      .cells =
          {{.row = "lora", .method = "lora", .task = "t", .backbone = "b", .seed = 1, .run = "lora-1", .message = {}}},
      .commands = {{.file = "/suite.yaml", .settings = {"train.steps=3"}, .seeds = {1, 2}, .threads = 1}}};
  fs::create_directories(suite_folder(scratch_root(), suite.name));
  add_to_manifest(scratch_root(), suite);
  fs::copy_file(suite_folder(scratch_root(), suite.name) / "suite.json", file, fs::copy_options::overwrite_existing);
}

// The least that passes for a library, with a note behind it.
void plugin(const fs::path& file) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_DYN;
  header.e_machine = EM_X86_64;
  header.e_phoff = header.e_ehsize = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  Elf64_Phdr segment{};
  segment.p_type = PT_LOAD;
  segment.p_filesz = segment.p_memsz = 64;
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  bytes.append(reinterpret_cast<const char*>(&segment), sizeof segment);
  write_atomically(file, bytes + PEFTBENCH_ABI_NOTE_BEGIN "abi=1;version=0.1.0;torch=2.13.0;" PEFTBENCH_ABI_NOTE_END);
}

}  // namespace

void write_own_seeds(const fs::path& corpus_root) {
  for (const char* name :
       {"record_file", "examples", "corpus", "checkpoint", "record", "suite_manifest", "plugin_note"})
    fs::create_directories(corpus_root / name);
  records(corpus_root / "record_file/some.rec");
  examples(corpus_root / "examples");
  corpus(corpus_root / "corpus");
  checkpoint(corpus_root / "checkpoint");
  record(corpus_root / "record/lora.json");
  manifest(corpus_root / "suite_manifest/one.json");
  plugin(corpus_root / "plugin_note/least.so");
}

}  // namespace peftbench::hostile
