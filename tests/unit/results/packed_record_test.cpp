#include "results/packed_record.h"
#include "support/layers.h"

#include "core/files.h"
#include "results/result_store.h"

#include <gtest/gtest.h>

#include <random>

namespace peftbench::packed_record_test {

using namespace layers;

namespace {

RunRecord corpus_record() {
  RunRecord record = read_record(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "tests/hostile/corpus/record/lora.json");
  record.tasks.push_back({.task = "films", .rate = 0.5, .metrics = record.metrics, .illegal_rate = 0.25});
  record.tasks.back().details.labels = Json::array({1});
  record.config["seed"] = 3;
  record.config["odd"] = {
      {"big", 18446744073709551615u}, {"low", -9007199254740993}, {"text", "ü\n"}, {"none", nullptr}};
  record.message = std::string("a\0b", 3);
  record.warnings = {"", "one"};
  return record;
}

RunRecord reduced(RunRecord record) {
  record.details = ScoreDetails();
  for (TaskScore& task : record.tasks) task.details = ScoreDetails();
  record.ledger.erase("rows");
  return record;
}

TEST(PackedRecord, HasAllButTheDetails) {
  const RunRecord record = corpus_record();
  SharedBytes shared;
  const PackedRecord packed = pack(record, shared);
  EXPECT_EQ(packed.id, record.id);
  EXPECT_EQ(packed.status, record.status);
  EXPECT_EQ(to_json(unpack(packed)).dump(), to_json(reduced(record)).dump());
  EXPECT_LT(packed.own.size(), 2000u);

  // As it is before anything is measured; and a configuration that is none.
  RunRecord empty;
  EXPECT_EQ(to_json(unpack(pack(empty, shared))).dump(), to_json(empty).dump());
  empty.config = Json::array({1, 2});
  empty.ledger = 5;
  EXPECT_EQ(to_json(unpack(pack(empty, shared))).dump(), to_json(empty).dump());
}

TEST(PackedRecord, SeedsOfARowShareWhatIsEqual) {
  RunRecord one = corpus_record(), two = corpus_record();
  two.seed = 4;
  two.config["seed"] = 4;
  two.id = "another";
  SharedBytes shared;
  const PackedRecord first = pack(one, shared), second = pack(two, shared);
  EXPECT_EQ(first.place, second.place);
  EXPECT_EQ(first.settings, second.settings);
  EXPECT_EQ(unpack(second).config["seed"], 4);
  two.config["odd"]["text"] = "u";
  EXPECT_NE(packed_configuration(pack(two, shared)), packed_configuration(first));
  two = one;
  two.method.values["more"] = 1;  // not of the configuration
  EXPECT_EQ(packed_configuration(pack(two, shared)), packed_configuration(first));
}

TEST(PackedRecord, OtherBytesAreRefusedOrRead) {
  SharedBytes shared;
  const PackedRecord packed = pack(corpus_record(), shared);
  const auto with_own = [&](std::string own) {
    PackedRecord changed = packed;
    changed.own = std::move(own);
    return changed;
  };
  for (std::size_t size = 0; size < packed.own.size(); ++size)
    EXPECT_THROW(unpack(with_own(packed.own.substr(0, size))), DamagedPack) << size;
  EXPECT_THROW(unpack(with_own(packed.own + '\0')), DamagedPack);
  EXPECT_THROW(unpack(with_own(std::string(2, '\0') + std::string(100'000, '\x07'))), DamagedPack);
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string own = packed.own, place = *packed.place;
    own[random() % own.size()] = static_cast<char>(random());
    place[random() % place.size()] = static_cast<char>(random());
    PackedRecord changed = with_own(std::move(own));
    if (i % 2) changed.place = shared.share(std::move(place));
    try {
      unpack(changed);
    } catch (const DamagedPack&) {
    }
  }
}

}  // namespace
}  // namespace peftbench::packed_record_test
