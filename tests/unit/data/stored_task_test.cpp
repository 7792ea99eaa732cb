// Tasks whose texts lie in files: the same data as in memory, found again, made anew where they are damaged.
#include "core/random.h"
#include "data/task/load_task.h"
#include "data_fixture.h"
#include "support/layers.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <map>
#include <thread>
#include <vector>

namespace peftbench::stored_task_test {

using namespace layers;

namespace {

using testing::HasSubstr;

struct Sink final : ProgressSink {
  void update(const Progress&) override {}
  void note(const std::string& line) override { notes += line + "\n"; }
  std::string notes;
};

class StoredTaskTest : public DataTest {
 protected:
  // Rows of which some are alike, some share an id, with characters of all kinds.
  std::string rows(std::uint64_t seed, std::size_t count) const {
    Random random(seed);
    std::string text = "text,id,label\n";
    for (std::size_t i = 0; i < count; ++i) {
      text += "\"a \"\"text\"\" ünd\n" + std::to_string(random.below(3 * count)) + "\",id" +
              std::to_string(random.below(count)) + (random.below(2) == 0 ? ",no\n" : ",yes\n");
    }
    return text;
  }
  DataStorage files(bool keep = true) const {
    DataStorage storage;
    storage.folder = folder_ / "cache";
    storage.keep = keep;
    storage.memory_bytes = 2000;
    storage.progress = &sink_;
    return storage;
  }
  TaskData stored(const std::string& yaml, bool keep = true) const {
    return load_task(task(yaml), folder_ / "data", files(keep));
  }
  static void expect_same(const TaskData& a, const TaskData& b) {
    EXPECT_EQ(a.hash, b.hash);
    EXPECT_EQ(a.notes, b.notes);
    EXPECT_EQ(a.test_labelled, b.test_labelled);
    for (const auto& [one, other] :
         {std::pair{&a.train, &b.train}, std::pair{&a.validation, &b.validation}, std::pair{&a.test, &b.test}}) {
      ASSERT_EQ(one->size(), other->size());
      auto left = one->begin();
      for (auto right = other->begin(); right != other->end(); ++left, ++right) expect_same(*left, *right);
      for (std::size_t i = 0; i < one->size(); i += 7) EXPECT_EQ(one->origin(i), other->origin(i));
    }
  }
  static void expect_same(const TextExample& a, const TextExample& b) {
    ASSERT_EQ(a.input.size(), b.input.size());
    for (std::size_t p = 0; p < a.input.size(); ++p) {
      EXPECT_EQ(a.input[p].kind, b.input[p].kind);
      EXPECT_EQ(a.input[p].name, b.input[p].name);
      EXPECT_EQ(a.input[p].text, b.input[p].text);
    }
    EXPECT_EQ(a.target, b.target);
    EXPECT_EQ(a.label, b.label);
    EXPECT_EQ(a.references, b.references);
    EXPECT_EQ(a.group, b.group);
  }
  std::vector<fs::path> kept() const {
    std::vector<fs::path> result;
    if (fs::exists(folder_ / "cache"))
      for (const auto& entry : fs::directory_iterator(folder_ / "cache"))
        if (entry.is_regular_file()) result.push_back(entry.path());
    return result;
  }
  static std::uint64_t inode(const fs::path& file) {
    struct stat status {};
    return ::stat(file.c_str(), &status) == 0 ? status.st_ino : 0;
  }

  mutable Sink sink_;
  const std::string yaml_ =
      "source: r.csv\nsplit: {by: id, validation: 0.2, test: 40}\ninput: 'say: {text}'\ntarget: '{label}'\n"
      "labels: [no, yes]\n";
};

TEST_F(StoredTaskTest, FilesHoldWhatMemoryHolds) {
  write("r.csv", rows(1, 500));
  const TaskData memory = load(yaml_);
  EXPECT_TRUE(kept().empty());
  for (const bool keep : {false, true, true}) {  // made, made, opened
    expect_same(stored(yaml_, keep), memory);
    EXPECT_EQ(kept().size(), keep ? 2u : 0u);
  }
  EXPECT_EQ(sink_.notes, "");
}

TEST_F(StoredTaskTest, GivenSplitsToo) {
  write("a.csv", rows(1, 400));
  write("b.csv", rows(2, 300));
  write("c.csv", rows(3, 200));
  for (const char* source : {"{train: a.csv, validation: b.csv, test: c.csv}", "{train: a.csv, test: b.csv}",
                             "{train: [a.csv, b.csv], validation: c.csv}", "{file: [a.csv, c.csv]}"}) {
    const std::string yaml = std::string("source: ") + source + "\ninput: '{text}'\ntarget: '{label}'\n";
    const TaskData memory = load(yaml);
    expect_same(stored(yaml), memory);
    expect_same(stored(yaml), memory);
  }
}

// ReCoRD trains an example for each answer of a row, WSC the true pairs; both score rows as they are.
TEST_F(StoredTaskTest, RowsThatTrainSeveralExamplesOrNone) {
  Random random(4);
  std::string queries, pairs;
  for (int i = 0; i < 300; ++i) {
    const std::string number = std::to_string(i);
    queries += "{\"passage_idx\": " + std::to_string(i / 2) + ", \"query_idx\": " + number +
               ", \"passage\": \"Ann and Bob had text " + number + ".\", \"query\": \"@placeholder had " + number +
               ".\", \"entities\": [\"Ann\", \"Bob\"], \"answers\": [\"Ann\"" +
               (random.below(3) == 0 ? ", \"Bob\"" : "") + "]}\n";
    pairs += "{\"text\": \"Ann" + number + " saw that she won.\", \"span1_text\": \"Ann" + number +
             "\", \"span1_index\": 0, \"span2_text\": \"she\", \"span2_index\": 3, \"label\": " +
             std::to_string(random.below(2)) + "}\n";
  }
  write("q.jsonl", queries);
  write("p.jsonl", pairs);
  for (const std::string yaml :
       {"source: q.jsonl\npreprocess: record\ninput: '{query} {passage}'\ntarget: '{answer}'\n",
        "source: p.jsonl\npreprocess: wsc\ninput: '{text}'\ntarget: '{referent}'\n"}) {
    const TaskData memory = load(yaml);
    EXPECT_NE(memory.train.size(), 240u) << "rows and examples would be the same";
    EXPECT_EQ(memory.validation.size(), 30u);
    expect_same(stored(yaml), memory);
    expect_same(stored(yaml), memory);
  }
}

TEST_F(StoredTaskTest, WhatWasKeptIsOpenedAndNotMade) {
  write("r.csv", rows(1, 500));
  stored(yaml_);
  std::map<fs::path, std::uint64_t> before;
  for (const fs::path& file : kept()) before[file] = inode(file);
  stored(yaml_ + "summary: other words\n");
  fs::rename(folder_ / "r.csv", folder_ / "moved.csv");  // another name of the same rows
  write("r.csv", read_text(folder_ / "moved.csv"));
  stored(yaml_);
  for (const auto& [file, number] : before) EXPECT_EQ(inode(file), number) << file;
  EXPECT_EQ(kept().size(), 2u);
}

TEST_F(StoredTaskTest, OtherRowsOrAnotherTaskAreMadeAnew) {
  write("r.csv", rows(1, 500));
  const std::string hash = stored(yaml_).hash;
  EXPECT_NE(stored(yaml_ + "limits: {input: 12}\nfilter: {label: [no, yes]}\n").hash, "");
  EXPECT_EQ(kept().size(), 4u);
  write("r.csv", rows(1, 500) + "one more,id0,no\n");
  EXPECT_NE(stored(yaml_).hash, hash);
  EXPECT_EQ(kept().size(), 6u);
  EXPECT_EQ(sink_.notes, "");
}

TEST_F(StoredTaskTest, TheWayThatIsThereNowSaysHowRowsAreRead) {
  std::string text = "a,b,label\n";
  for (int i = 0; i < 60; ++i) text += "first " + std::to_string(i) + ",second " + std::to_string(i) + ",yes\n";
  write("one.csv", text);
  const std::string yaml =
      "source: {any: [{file: one.csv, rename: {text: a}}, {file: two.csv, rename: {text: b}}]}\n"
      "input: '{text}'\ntarget: '{label}'\n";
  EXPECT_TRUE(stored(yaml).train[0].input[0].text.starts_with("first "));
  fs::rename(folder_ / "one.csv", folder_ / "two.csv");
  EXPECT_TRUE(stored(yaml).train[0].input[0].text.starts_with("second "));
  fs::rename(folder_ / "two.csv", folder_ / "one.csv");
  EXPECT_TRUE(stored(yaml).train[0].input[0].text.starts_with("first "));
  EXPECT_EQ(kept().size(), 4u);
}

TEST_F(StoredTaskTest, TheEndingThatIsThereNowSaysHowRowsAreRead) {
  std::string text = "text,id\tx\n";
  for (int i = 0; i < 60; ++i) text += "t" + std::to_string(i) + ",1\tx\n";
  write("one.csv", text);
  const std::string yaml =
      "source: 'one.*'\nfields: {a: {from: text, default: ''}, b: {from: 'text,id', default: ''}}\n"
      "input: '{a}{b}'\ntarget: x\n";
  const TextExample as_csv = stored(yaml).train[0];
  EXPECT_EQ(as_csv.input[1].text, "");
  fs::rename(folder_ / "one.csv", folder_ / "one.tsv");
  const TextExample as_tsv = stored(yaml).train[0];
  EXPECT_EQ(as_tsv.input[0].text, "");
  EXPECT_EQ(as_tsv.input[1].text, as_csv.input[0].text + ",1");
}

TEST_F(StoredTaskTest, OriginsNameTheFileThatIsThereNow) {
  write("r.csv", rows(1, 500));
  const std::string first = stored(yaml_).train.origin(3);
  EXPECT_TRUE(first.starts_with((folder_ / "r.csv").string() + ":")) << first;
  fs::create_directories(folder_ / "data/task");
  fs::rename(folder_ / "r.csv", folder_ / "data/task/r.csv");
  const std::string then = stored(yaml_).train.origin(3);
  EXPECT_EQ(kept().size(), 2u);
  EXPECT_TRUE(then.starts_with((folder_ / "data/task/r.csv").string() + ":")) << then;
  EXPECT_EQ(then.substr(then.rfind(':')), first.substr(first.rfind(':')));
}

TEST_F(StoredTaskTest, DamagedFilesAreMadeAnewWithANote) {
  write("r.csv", rows(1, 300));
  const TaskData memory = load(yaml_);
  stored(yaml_);
  Random random(6);
  int noted = 0;
  for (int round = 0; round < 60; ++round) {
    const std::vector<fs::path> files = kept();
    ASSERT_EQ(files.size(), 2u);
    const fs::path& file = files[random.below(2)];
    std::string bytes = read_text(file);
    const std::string whole = bytes;
    if (round % 3 == 0) bytes.resize(random.below(bytes.size()));
    if (round % 3 == 1) bytes[random.below(bytes.size())] ^= static_cast<char>(1 + random.below(255));
    if (round % 3 == 2) bytes = std::string(random.below(3000), static_cast<char>(random.below(256)));
    std::ofstream(file, std::ios::binary) << bytes;
    sink_.notes.clear();
    expect_same(stored(yaml_), memory);
    EXPECT_THAT(sink_.notes, HasSubstr("is rebuilt: "));
    ++noted;
    sink_.notes.clear();
    expect_same(stored(yaml_), memory);
    EXPECT_EQ(sink_.notes, "") << "made anew for good";
  }
  EXPECT_EQ(noted, 60);
}

TEST_F(StoredTaskTest, RunsAtOnceDoNotDisturbEachOther) {
  write("r.csv", rows(1, 400));
  const TaskData memory = load(yaml_);
  const TaskConfig config = task(yaml_);
  std::vector<TaskData> loaded(6);
  std::vector<std::thread> threads;
  for (TaskData& data : loaded) {
    threads.emplace_back([&] {
      DataStorage storage = files();
      storage.progress = nullptr;
      data = load_task(config, folder_ / "data", storage);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const TaskData& data : loaded) expect_same(data, memory);
  EXPECT_EQ(kept().size(), 2u);
}

TEST_F(StoredTaskTest, AFolderThatCannotBeWrittenIsNoHindrance) {
  write("r.csv", rows(1, 300));
  write("cache", "a file where the folder should be");
  const TaskData data = stored(yaml_);
  expect_same(data, load(yaml_));
  EXPECT_THAT(sink_.notes, HasSubstr("not writable"));
}

TEST_F(StoredTaskTest, ASourceThatChangesMeanwhileIsNotKept) {
  struct Writer final : ProgressSink {
    explicit Writer(fs::path file) : file(std::move(file)) {}
    void update(const Progress& progress) override {
      if (progress.detail.starts_with("rows of")) std::ofstream(file, std::ios::app) << "late,x,no\n";
    }
    void note(const std::string&) override {}
    fs::path file;
  };
  std::string text = "text,id,label\n";
  for (int i = 0; i < 70'000; ++i) text += std::to_string(i) + ",i" + std::to_string(i) + ",no\n";
  Writer writer(write("r.csv", text));
  DataStorage storage = files();
  storage.progress = &writer;
  const TaskConfig config = task(yaml_);
  EXPECT_THAT(message<DataError>([&] { load_task(config, folder_ / "data", storage); }),
              HasSubstr("changed while it was read"));
  EXPECT_EQ(kept().size(), 1u) << "texts that nobody takes without their splits";
  write("r.csv", text);
  const TaskData data = load_task(config, folder_ / "data", files());
  EXPECT_EQ(data.train.size() + data.validation.size() + data.test.size(), 70'000u);
}

TEST_F(StoredTaskTest, ErrorsLeaveNothingBehind) {
  write("r.csv", rows(1, 300) + "a,b,maybe\n");
  for (const bool keep : {true, false}) {
    EXPECT_THAT(message<DataError>([&] { stored(yaml_, keep); }), HasSubstr("unknown label"));
    EXPECT_TRUE(kept().empty());
  }
}

TEST_F(StoredTaskTest, ALargeFilesHashIsRememberedUntilItChanges) {
  DataStorage storage = files();
  const fs::path file = write("large", std::string(9 << 20, 'x'));
  const std::string hash = content_hash(file, storage);
  EXPECT_FALSE(fs::exists(folder_ / "cache/hashes")) << "a file that was just written may change within a tick";
  struct timespec times[2] = {{1'000'000, 0}, {1'000'000, 0}};
  ::utimensat(AT_FDCWD, file.c_str(), times, 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  EXPECT_EQ(content_hash(file, storage), hash);
  ASSERT_TRUE(fs::exists(folder_ / "cache/hashes"));
  const fs::path memory = fs::directory_iterator(folder_ / "cache/hashes")->path();
  std::string text = read_text(memory);
  const std::string other(64, '0');
  text.replace(text.find(hash), 64, other);  // so that it shows which is taken
  std::ofstream(memory, std::ios::binary) << text;
  EXPECT_EQ(content_hash(file, storage), other);
  for (const char* damage : {"", "{", "[1]", "{\"file\": 3}", "null"}) {
    std::ofstream(memory, std::ios::binary) << damage;
    EXPECT_EQ(content_hash(file, storage), hash) << damage;
  }
  std::ofstream(memory, std::ios::binary) << text;
  std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).put('y');
  ::utimensat(AT_FDCWD, file.c_str(), times, 0);  // as tools do that copy times
  EXPECT_NE(content_hash(file, storage), other);
  EXPECT_NE(content_hash(file, storage), hash);
}

}  // namespace
}  // namespace peftbench::stored_task_test
