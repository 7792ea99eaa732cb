// Lists of ids in memory and in files, made by any number of threads.
#include "data/prepared/encode_list.h"
#include "support/layers.h"

#include "core/random.h"
#include "data_fixture.h"

#include <nlohmann/json.hpp>

#include <functional>
#include <vector>

namespace peftbench::encode_list_test {

using namespace layers;

namespace {

class EncodeListTest : public DataTest {
 protected:
  static void SetUpTestSuite() {
    tokenizer_ = Tokenizer::load(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "assets/backbones/t5-nano-lm/spiece.model");
  }
  static void TearDownTestSuite() { tokenizer_.reset(); }

  static TextList texts(std::size_t count, std::uint64_t seed = 1) {
    const std::vector<std::string> words = {"the", "sea", "season", "of", "Ünd", "a", "…", "99", "\t", "<extra_id_3>"};
    Random random(seed);
    std::vector<StoredText> all(count);
    for (std::size_t i = 0; i < count; ++i) {
      std::string text;
      for (std::uint64_t w = random.below(30); w > 0; --w) text += words[random.below(words.size())] + " ";
      all[i].example.input = {Piece::of_text("say: "), Piece::of_text(text, "text"), Piece::of_text(" or not")};
      all[i].example.target = random.below(2) == 0 ? "yes" : "a longer answer";
      all[i].example.label = static_cast<int>(random.below(4)) - 1;
      all[i].origin = "r.csv:" + std::to_string(i);
    }
    return TextList(std::make_shared<const TextsInMemory>(std::move(all)));
  }
  DataStorage files(int threads = 1) const {
    DataStorage storage;
    storage.folder = folder_ / "cache";
    storage.memory_bytes = 1000;
    storage.threads = threads;
    return storage;
  }
  static std::shared_ptr<const ExampleList> encode(const TextList& list, const DataStorage& storage,
                                                   const Arrangement& arrangement = {}, const std::string& layout = {},
                                                   const EncodeLimits& limits = {14, 4}) {
    return encode_list(list, {*tokenizer_, limits}, arrangement, storage, "a/task", layout);
  }
  static void expect_same(const ExampleList& a, const ExampleList& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      const EncodedExample one = a[i], other = b[i];
      ASSERT_EQ(one.input, other.input) << i;
      ASSERT_EQ(one.slots, other.slots);
      ASSERT_EQ(one.target, other.target);
      ASSERT_EQ(one.label, other.label);
      ASSERT_EQ(one.replicas.size(), other.replicas.size());
      for (std::size_t r = 0; r < one.replicas.size(); ++r) {
        ASSERT_EQ(one.replicas[r].ids, other.replicas[r].ids);
        ASSERT_EQ(one.replicas[r].slots, other.replicas[r].slots);
      }
    }
  }
  std::size_t kept() const {
    std::size_t count = 0;
    if (!fs::exists(folder_ / "cache")) return 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder_ / "cache")) ++count;
    return count;
  }

  static std::shared_ptr<const Tokenizer> tokenizer_;
};
std::shared_ptr<const Tokenizer> EncodeListTest::tokenizer_;

// Slots, ids of its own and copies that differ; counts its calls.
struct Around final : LayoutHook {
  std::vector<Piece> arrange(const LayoutCall& call) const override {
    ++calls;
    std::vector<Piece> pieces = {Piece::of_slots(2 + call.replica), Piece::of_tokens({7, 8})};
    pieces.insert(pieces.end(), call.example.input.begin(), call.example.input.end());
    return pieces;
  }
  mutable std::size_t calls = 0;
};

// S15: the counts lie beside the ids, for the run that finds the file.
TEST_F(EncodeListTest, CountsAreKeptWithTheFile) {
  const TextList list = texts(300);
  const auto counts_of = [&](const DataStorage& storage) {
    TextCounts counts;
    encode_list(list, {*tokenizer_, {14, 3}}, {}, storage, "a/task", {}, &counts);
    return to_json(counts);
  };
  const auto in_memory = counts_of({{}, true, 1 << 30, 1, nullptr});
  EXPECT_EQ(in_memory.at("examples"), 300);
  EXPECT_GT(in_memory.at("inputs_cut"), 0);
  EXPECT_GT(in_memory.at("targets_cut"), 0);
  EXPECT_EQ(counts_of(files()), in_memory);
  EXPECT_EQ(kept(), 1u);
  EXPECT_EQ(counts_of(files()), in_memory);  // from the file
}

TEST_F(EncodeListTest, ThreadsAndFilesChangeNothing) {
  const TextList list = texts(4500);  // more than one chunk
  const auto plain =
      std::make_shared<const ExamplesInMemory>(encode_all(list.first(list.size()), *tokenizer_, {14, 4}, {}, 0, 1));
  EXPECT_EQ(plain->at(5).input.back(), 1);
  for (const int threads : {1, 3}) {
    expect_same(*encode(list, {{}, true, 1 << 30, threads, nullptr}), *plain);
    expect_same(*encode(list, files(threads)), *plain);
    fs::remove_all(folder_ / "cache");
  }
}

TEST_F(EncodeListTest, FilesAreOpenedAgainUnlessSomethingIsDifferent) {
  const TextList list = texts(100);
  encode(list, files());
  EXPECT_EQ(kept(), 1u);
  const auto written = fs::last_write_time(fs::directory_iterator(folder_ / "cache")->path());
  encode(list, files(3));
  encode(texts(100), files());
  EXPECT_EQ(kept(), 1u);
  EXPECT_EQ(fs::last_write_time(fs::directory_iterator(folder_ / "cache")->path()), written);
  encode(texts(100, 2), files());
  encode(list.select({3, 1, 2, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63}), files());
  encode(list, files(), {}, {}, {15, 4});
  encode(list, files(), {}, {}, {14, 4, {99}});
  EXPECT_EQ(kept(), 5u);
}

// Another order of the label words changes nothing else.
TEST_F(EncodeListTest, TheLabelIsAmongWhatFilesAreFoundBy) {
  const auto list_of = [](int label) {
    std::vector<StoredText> all(300);
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i].example.input = {Piece::of_text("text " + std::to_string(i), "text")};
      all[i].example.target = "good";
      all[i].example.label = label;
    }
    return TextList(std::make_shared<const TextsInMemory>(std::move(all)));
  };
  EXPECT_EQ((*encode(list_of(0), files()))[7].label, 0);
  EXPECT_EQ((*encode(list_of(1), files()))[7].label, 1);
  EXPECT_EQ(kept(), 2u);
}

TEST_F(EncodeListTest, ListsAreTheSameOnlyIfAllOfTheirExamplesIs) {
  TextExample plain;
  plain.input = {Piece::of_text("a", "x"), Piece::of_slots(2), Piece::of_tokens({3, 4})};
  plain.target = "b";
  plain.references = {"b", "c"};
  plain.group = "g";
  const auto identity = [&](const std::function<void(TextExample&)>& change) {
    TextExample example = plain;
    change(example);
    return TextList(std::make_shared<const TextsInMemory>(std::vector<StoredText>{{example, "r.csv:2"}})).identity();
  };
  const std::string same = identity([](TextExample&) {});
  EXPECT_EQ(identity([](TextExample& e) { e.label = -1; }), same);
  for (const auto& change : std::vector<std::function<void(TextExample&)>>{
           [](TextExample& e) { e.label = 0; }, [](TextExample& e) { e.group = ""; },
           [](TextExample& e) { e.references.pop_back(); }, [](TextExample& e) { e.target = "bb"; },
           [](TextExample& e) { e.input[0].name = ""; }, [](TextExample& e) { e.input[0].text = "b"; },
           [](TextExample& e) { e.input[1].slots = 3; },
           [](TextExample& e) {
             e.input[2].tokens = {3, 5};
           },
           [](TextExample& e) { e.input[2].kind = Piece::Kind::slots; }})
    EXPECT_NE(identity(change), same);
}

TEST_F(EncodeListTest, LayoutsAreAskedInOrderAndKeptUnderTheirKey) {
  const TextList list = texts(300);
  const Around hook;
  const Arrangement arrangement{&hook, nullptr, 3, 5};
  const ExamplesInMemory plain(encode_all(list.first(300), *tokenizer_, {14, 4}, arrangement, 0, 1));
  EXPECT_EQ(plain[0].slots[1], 1);
  EXPECT_EQ(plain[0].replicas[1].slots[3], 3);
  hook.calls = 0;
  expect_same(*encode(list, files(2), arrangement, "hook 1"), plain);
  EXPECT_EQ(hook.calls, 900u);
  expect_same(*encode(list, files(2), arrangement, "hook 1"), plain);
  EXPECT_EQ(hook.calls, 900u);
  expect_same(*encode(list, files(2), arrangement, "hook 2"), plain);
  EXPECT_EQ(hook.calls, 1800u);
  expect_same(*encode(list, files(2), {&hook, nullptr, 1, 5}, "hook 2"),
              ExamplesInMemory(encode_all(list.first(300), *tokenizer_, {14, 4}, {&hook, nullptr, 1, 5}, 0, 1)));
  EXPECT_EQ(kept(), 3u);
  expect_same(*encode(list, files(2), arrangement), plain);  // nobody says what the hook follows from
  EXPECT_EQ(kept(), 3u);
}

TEST_F(EncodeListTest, TheFirstFailureComesOut) {
  struct Wrong final : LayoutHook {
    std::vector<Piece> arrange(const LayoutCall& call) const override {
      if (call.example.label == -1) return {Piece::of_tokens({-1})};
      return call.example.input;
    }
  };
  const Wrong hook;
  EXPECT_THROW(encode(texts(200), files(3), {&hook}, "wrong"), ConfigError);
  EXPECT_EQ(kept(), 0u);
}

TEST_F(EncodeListTest, DamagedFilesAreMadeAnew) {
  const TextList list = texts(200);
  const ExamplesInMemory plain(encode_all(list.first(200), *tokenizer_, {14, 4}, {}, 0, 1));
  encode(list, files());
  const fs::path file = fs::directory_iterator(folder_ / "cache")->path();
  const std::string whole = read_text(file);
  Random random(8);
  for (int round = 0; round < 40; ++round) {
    std::string bytes = whole;
    if (round % 2 == 0) bytes.resize(random.below(bytes.size()));
    if (round % 2 == 1) bytes[random.below(bytes.size())] ^= static_cast<char>(1 + random.below(255));
    std::ofstream(file, std::ios::binary) << bytes;
    expect_same(*encode(list, files()), plain);
    EXPECT_EQ(read_text(file), whole);
  }
}

TEST_F(EncodeListTest, ALayoutsPoolIsAllOfASmallTaskAndSomeOfALargeOne) {
  const auto list_of = [](std::size_t count, std::size_t bytes) {
    std::vector<StoredText> all(count);
    for (std::size_t i = 0; i < count; ++i) {
      all[i].example.input = {Piece::of_text(std::to_string(i))};
      all[i].example.target.resize(bytes);
    }
    return TextList(std::make_shared<const TextsInMemory>(std::move(all)));
  };
  const std::vector<TextExample> small = layout_pool(list_of(5000, 1));
  ASSERT_EQ(small.size(), 5000u);
  EXPECT_EQ(small[4711].input[0].text, "4711");
  const std::vector<TextExample> many = layout_pool(list_of(most_pool_examples + 10, 1));
  EXPECT_EQ(many.size(), most_pool_examples);
  const std::vector<TextExample> long_ones = layout_pool(list_of(100, most_pool_bytes / 40));
  EXPECT_EQ(long_ones.size(), 39u);
  EXPECT_NE(long_ones[0].input[0].text + long_ones[1].input[0].text, "01") << "not the first ones, which may be alike";
  EXPECT_EQ(layout_pool(list_of(3, most_pool_bytes)).size(), 1u);
  EXPECT_TRUE(layout_pool({}).empty());
}

}  // namespace
}  // namespace peftbench::encode_list_test
