#include "pretrain/corpus.h"
#include "support/layers.h"

#include "core/hash.h"
#include "texts.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace peftbench::corpus_test {

using namespace layers;

namespace {

using namespace testing_support;
using testing::AllOf;
using testing::HasSubstr;

class CountingSink final : public ProgressSink {
 public:
  void update(const Progress&) override { ++updates; }
  void note(const std::string&) override {}
  int updates = 0;
};

template <class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const DataError& error) {
    return error.what();
  }
  return "no DataError";
}

TEST(Corpus, HoldsTheIdsOfEveryDocument) {
  const Scratch scratch;
  const auto corpus = corpus_of(scratch, "a.jsonl", jsonl(0, 300));
  ASSERT_EQ(corpus->documents(), 300);
  int64_t tokens = 0;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(ids_of(*corpus, i), nano_tokenizer()->encode(document(i)));
    tokens += corpus->length(i);
  }
  EXPECT_EQ(corpus->tokens(), tokens);
  std::vector<int64_t> part = {5};
  corpus->append(39, 2, 3, part);
  const std::vector<int64_t> all = ids_of(*corpus, 39);
  EXPECT_EQ(part, (std::vector<int64_t>{5, all[2], all[3], all[4]}));
}

TEST(Corpus, SentinelsThatATextWritesOutAreWords) {
  const Scratch scratch;
  const auto corpus = corpus_of(scratch, "a.txt", "The input is: Thank you <extra_id_0> me <extra_id_1><extra_id_2>");
  for (const int64_t id : ids_of(*corpus, 0)) EXPECT_LT(id, nano_tokenizer()->sentinel(99));
  EXPECT_THAT(nano_tokenizer()->decode(ids_of(*corpus, 0)), HasSubstr("extra_id_0"));
}

TEST(Corpus, ThreadsDoNotChangeAByte) {
  const Scratch scratch, other;
  const std::string text = jsonl(0, 2000);
  const auto one = corpus_of(scratch, "a.jsonl", text, 1), four = corpus_of(other, "a.jsonl", text, 4);
  EXPECT_EQ(file_text(one->file()), file_text(four->file()));
}

TEST(Corpus, IsMadeOnceAndAgainWhenTextOrFileChange) {
  const Scratch scratch;
  CountingSink sink;
  const fs::path file = scratch.write("a.jsonl", jsonl(0, 50));
  const auto open = [&] {
    return Corpus::open({"a", {file}}, *nano_tokenizer(), {scratch.path() / "cache", 1, &sink});
  };
  const fs::path cache = open()->file();
  const std::string bytes = file_text(cache);
  ASSERT_EQ(sink.updates, 1);
  open();
  EXPECT_EQ(sink.updates, 1) << "it was there";
  // Any byte that is not as written, and any end that is missing.
  for (std::size_t at = 0; at < bytes.size(); at += bytes.size() / 40) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    scratch.write("cache/" + cache.filename().string(), damaged);
    EXPECT_EQ(open()->documents(), 50);
    EXPECT_EQ(file_text(cache), bytes) << "byte " << at;
    scratch.write("cache/" + cache.filename().string(), bytes.substr(0, at));
    EXPECT_EQ(open()->documents(), 50);
    EXPECT_EQ(file_text(cache), bytes) << "cut at " << at;
  }
  const int before = sink.updates;
  scratch.write("a.jsonl", jsonl(0, 51));
  EXPECT_EQ(open()->documents(), 51);
  EXPECT_EQ(sink.updates, before + 1);
}

// hostile: a file whose checksum is right and whose numbers point outside of it.
TEST(Corpus, NumbersThatDoNotFitTheFileAreRefused) {
  const Scratch scratch;
  const fs::path file = scratch.write("a.jsonl", jsonl(0, 50));
  const auto open = [&] {
    return Corpus::open({"a", {file}}, *nano_tokenizer(), {scratch.path() / "cache", 1, nullptr});
  };
  const auto made = open();
  const fs::path cache = made->file();
  const std::string bytes = file_text(cache);
  // The file with other sections, whole as far as its checksums go.
  const auto forged = [&](const std::vector<std::uint64_t>& starts, std::size_t hashes, const std::string& width) {
    const RecordFile::Opened kept = RecordFile::open(cache, made->key());
    RecordFile::Cursor cursor(*kept.file);
    const std::string hash_bytes(8 * hashes, 'h');
    const std::string_view start_bytes(reinterpret_cast<const char*>(starts.data()), 8 * starts.size());
    std::ostringstream out;
    RecordWriter writer(out, made->key());
    for (std::uint64_t i = 0; i < kept.file->size(); ++i) writer.add(cursor.at(i));
    writer.finish({{"starts", start_bytes}, {"hashes", hash_bytes}, {"bytes of an id", width}});
    return out.str();
  };
  std::vector<std::uint64_t> starts = {0};
  for (int64_t d = 0; d < 50; ++d) starts.push_back(starts.back() + static_cast<std::uint64_t>(made->length(d)));
  std::vector<std::string> files = {forged(starts, 49, "2"), forged(starts, 50, "3"), forged({}, 0, "2")};
  for (const std::size_t place : {std::size_t{0}, std::size_t{7}, starts.size() - 1})
    for (const std::uint64_t number : {std::uint64_t{1} << 60, std::uint64_t{1} << 61, ~std::uint64_t{0}}) {
      std::vector<std::uint64_t> wrong = starts;
      wrong[place] = number;
      files.push_back(forged(wrong, 50, "2"));
    }
  for (std::size_t i = 0; i < files.size(); ++i) {
    scratch.write("cache/" + cache.filename().string(), files[i]);
    ASSERT_EQ(open()->documents(), 50) << i;
    EXPECT_EQ(file_text(cache), bytes) << i;
  }
}

TEST(Corpus, OneVocabularyDoesNotReadTheIdsOfAnother) {
  const fs::path t5 = fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "../shared/t5/spiece.model";
  if (!fs::exists(t5)) GTEST_SKIP() << "T5's own vocabulary is not here";
  const Scratch scratch;
  const auto nano = corpus_of(scratch, "a.jsonl", jsonl(0, 20));
  const auto other =
      Corpus::open({"a", {scratch.path() / "a.jsonl"}}, *Tokenizer::load(t5), {scratch.path() / "cache", 1, nullptr});
  EXPECT_NE(nano->file(), other->file());
  EXPECT_EQ(ids_of(*other, 7), Tokenizer::load(t5)->encode(document(7)));
}

TEST(Corpus, HoldsOutByTextAlone) {
  const Scratch scratch;
  const auto few = corpus_of(scratch, "few.jsonl", jsonl(1000, 3000));
  const auto more = corpus_of(scratch, "more.jsonl", jsonl(0, 3000));
  int64_t held_out = 0;
  for (int64_t d = 0; d < few->documents(); ++d) {
    EXPECT_EQ(few->held_out(d, 0.1), more->held_out(d + 1000, 0.1));
    EXPECT_LE(few->held_out(d, 0.01), few->held_out(d, 0.1));
    EXPECT_FALSE(few->held_out(d, 0));
    EXPECT_TRUE(few->held_out(d, 1));
    held_out += few->held_out(d, 0.1);
  }
  EXPECT_NEAR(static_cast<double>(held_out), 200, 50);
}

TEST(Documents, ComeFromFoldersOfSeveralFormats) {
  const Scratch scratch;
  scratch.write("text/mixed/b.jsonl",
                "{\"text\": \"second\", \"title\": \"x\"}\n\n{\"text\": \"  \\n\"}\n{\"text\": \"third\\nline\"}\n");
  scratch.write("text/mixed/a.txt", "first\nof\n\nall");
  scratch.write("text/mixed/LICENSE", "nobody reads it");
  scratch.write("text/mixed/.hidden.txt", "nor this");
  const Documents source = find_text("mixed", scratch.path());
  EXPECT_EQ(source.files.size(), 2u);
  std::vector<std::string> texts;
  for (DocumentReader reader(source); reader.next();) texts.push_back(reader.text());
  EXPECT_EQ(texts, (std::vector<std::string>{"first\nof\n\nall", "second", "third\nline"}));
  EXPECT_EQ(find_text((scratch.path() / "text/mixed/a.txt").string(), "/nowhere").files.size(), 1u);
}

TEST(Documents, MistakesNameThePlaceAndTheRemedy) {
  const Scratch scratch;
  const auto read_all = [&](const std::string& name) {
    return message_of([&] {
      for (DocumentReader reader({name, {scratch.path() / name}}); reader.next();) continue;
    });
  };
  scratch.write("a.jsonl", "{\"text\": \"x\"}\n{\"body\": \"x\"}\n");
  EXPECT_THAT(read_all("a.jsonl"), AllOf(HasSubstr("a.jsonl:2"), HasSubstr("'text'"), HasSubstr("body")));
  scratch.write("b.jsonl", "{\"text\": \"x\"}\nplain words\n");
  EXPECT_THAT(read_all("b.jsonl"), AllOf(HasSubstr("b.jsonl:2"), HasSubstr("JSON")));
  scratch.write("c.txt", "x\ny\xff\n");
  EXPECT_THAT(read_all("c.txt"), AllOf(HasSubstr("c.txt:2"), HasSubstr("UTF-8"), HasSubstr("iconv")));
  EXPECT_THAT(message_of([&] { find_text("absent", scratch.path()); }),
              AllOf(HasSubstr("'absent'"), HasSubstr("--fetch text/absent")));
  scratch.write("empty/readme.md", "x");
  EXPECT_THAT(message_of([&] { find_text((scratch.path() / "empty").string(), "/nowhere"); }), HasSubstr(".jsonl"));
  EXPECT_THAT(message_of([&] { find_text((scratch.path() / "empty/readme.md").string(), "/nowhere"); }),
              HasSubstr(".md"));
  EXPECT_THAT(message_of([&] { corpus_of(scratch, "blank.jsonl", "{\"text\": \" \"}\n"); }), HasSubstr("empty"));
  EXPECT_TRUE(fs::is_empty(scratch.path() / "cache")) << "what failed leaves nothing behind";
}

}  // namespace
}  // namespace peftbench::corpus_test
