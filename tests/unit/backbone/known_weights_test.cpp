#include "backbone/known_weights.h"
#include "support/layers.h"

#include "backbone/load.h"

#include "support/weights_fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <thread>

namespace peftbench::known_weights_test {

using namespace layers;

namespace {

using namespace testing_files;
using Json = nlohmann::json;

const fs::path assets = fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "assets/backbones";
const fs::path nano = assets / "t5-nano-lm";

std::vector<LoadOptions> all_options() {
  std::vector<LoadOptions> all;
  for (const Precision precision : {Precision::float32, Precision::bfloat16})
    for (const Quantization quantization : {Quantization::none, Quantization::nf4, Quantization::int8})
      all.push_back({precision, quantization});
  return all;
}

void copy_weights(const fs::path& to) {
  for (const char* file : {"config.json", "model.safetensors"}) fs::copy_file(nano / file, to / file);
}

// The weights that are there, with another number in them.
void change_weights(const fs::path& folder) {
  std::fstream file(folder / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-4, std::ios::end);
  file.write("\0\0\x80\x3f", 4);
}

// What a new or changed shipped backbone needs is in this test's message.
TEST(KnownWeights, EveryShippedBackboneHasItsChecksums) {
  for (const fs::directory_entry& asset : fs::directory_iterator(assets)) {
    Json right = {{"tied", read_spec(asset.path()).tied}};
    for (const char* file : {"config.json", "model.safetensors"})
      right["bytes"][file] = fs::file_size(asset.path() / file);
    for (const LoadOptions& options : all_options())
      right["checksums"][name_of(options)] = Backbone::load(asset.path(), options)->checksum();
    const fs::path file = asset.path() / "checksums.json";
    const Json shipped = fs::exists(file) ? Json::parse(read_text(file)) : Json();
    EXPECT_EQ(shipped, right) << file << " is to be:\n" << right.dump(1);
  }
}

TEST(KnownWeights, OfAShippedBackboneAreNotOpened) {
  const TempFolder folder;
  copy_weights(folder);
  fs::copy_file(nano / "checksums.json", folder / "checksums.json");
  const KnownWeights known({});
  const std::string checksum = Backbone::load(nano)->checksum();
  change_weights(folder);  // so that it shows whether they are read
  EXPECT_TRUE(known.has_checksum(folder, {}));
  EXPECT_EQ(known.checksum(folder, {}), checksum);
  EXPECT_EQ(known.sizes(folder).parameter_count(), read_spec(nano).parameter_count());
  // Other sizes, or one more file of weights, are other weights.
  write_bytes(folder / "pytorch_model.bin", "x");
  EXPECT_NE(known.checksum(folder, {}), checksum);
  fs::remove(folder / "pytorch_model.bin");
  EXPECT_EQ(known.checksum(folder, {}), checksum);
  for (const char* damage : {"", "[]", "{\"bytes\": 3}", "{\"bytes\": {}}"}) {
    write_bytes(folder / "checksums.json", damage);
    EXPECT_FALSE(known.has_checksum(folder, {})) << damage;
  }
}

TEST(KnownWeights, AreRememberedUntilAFileChanges) {
  const TempFolder folder, cache;
  copy_weights(folder);
  const KnownWeights known{cache};
  const LoadOptions narrow{Precision::bfloat16, Quantization::none};
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));  // the clock's grain
  EXPECT_FALSE(known.has_checksum(folder, {}));
  const std::string checksum = known.checksum(folder, {});
  EXPECT_EQ(checksum, Backbone::load(nano)->checksum());
  EXPECT_TRUE(known.has_checksum(folder, {}));
  EXPECT_FALSE(known.has_checksum(folder, narrow));
  EXPECT_NE(known.checksum(folder, narrow), checksum);
  EXPECT_TRUE(known.has_checksum(folder, {}) && known.has_checksum(folder, narrow));
  change_weights(folder);
  EXPECT_FALSE(known.has_checksum(folder, {}) || known.has_checksum(folder, narrow));
  EXPECT_NE(known.checksum(folder, {}), checksum);
}

// A checksums.json that is wrong is overruled by what was loaded.
TEST(KnownWeights, WhatWasLoadedCounts) {
  const TempFolder folder, cache;
  copy_weights(folder);
  fs::copy_file(nano / "checksums.json", folder / "checksums.json");
  change_weights(folder);
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  const KnownWeights known{cache};
  const auto loaded = Backbone::load(folder);
  const std::string checksum = loaded->checksum();
  EXPECT_NE(known.checksum(folder, {}), checksum);
  known.keep(folder, {}, *loaded, checksum);
  EXPECT_EQ(known.checksum(folder, {}), checksum);
  EXPECT_FALSE(known.has_checksum(folder, {Precision::bfloat16, Quantization::none})) << "of other weights";
}

}  // namespace
}  // namespace peftbench::known_weights_test
