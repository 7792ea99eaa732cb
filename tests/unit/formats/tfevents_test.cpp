#include "formats/tfevents.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace peftbench::tfevents_test {

using namespace layers;

namespace {

std::vector<TfEvent> three() {
  return {{10.5, 0, {{"validation/loss", 2.5F}}},
          {11.5, 10, {{"train/loss", 0.25F}, {"train/learning_rate", 1e-3F}}},
          {12.5, 300, {{"train/loss", 0.125F}}}};
}

std::string file_of(const std::vector<TfEvent>& events) {
  std::string bytes = tf_file_version(9.5);
  for (const TfEvent& event : events) bytes += tf_record(event);
  return bytes;
}

// As TensorBoard's own writer frames and encodes it: length, CRC of the length, message, CRC of the message.
TEST(TfEvents, TheFirstRecordIsTheFormatsVersion) {
  const std::string record = tf_file_version(0);
  ASSERT_EQ(record.size(), 8u + 4 + 24 + 4);
  EXPECT_EQ(record.substr(0, 8), std::string("\x18\0\0\0\0\0\0\0", 8));
  // The masked CRC-32C of that length, which every event file has at the same place.
  EXPECT_EQ(record.substr(8, 4), "\xa3\x7f\x4b\x22");
  EXPECT_EQ(record.substr(12, 9), std::string("\x09\0\0\0\0\0\0\0\0", 9));
  EXPECT_EQ(record.substr(21, 15),
            "\x1a\x0d"
            "brain.Event:2");
}

TEST(TfEvents, AStepHoldsItsScalars) {
  const std::string record = tf_record({1, 300, {{"a", 1.0F}}});
  // wall time; step 300 in two bytes; a summary of one value: its tag and four bytes of 1.0.
  const std::string message = std::string("\x09\0\0\0\0\0\0\xf0\x3f", 9) + "\x10\xac\x02" +
                              "\x2a\x0a\x0a\x08\x0a\x01"
                              "a" +
                              std::string("\x15\0\0\x80\x3f", 5);
  EXPECT_EQ(record.substr(12, record.size() - 16), message);
}

TEST(TfEvents, ABeginningIsFoundWhateverItsTimesAre) {
  const std::string file = file_of(three());
  std::vector<TfEvent> later = three();
  for (TfEvent& event : later) event.wall_time += 1000;
  const TfBeginning whole = tf_beginning(file, later);
  EXPECT_EQ(whole.bytes, file.size());
  EXPECT_EQ(whole.events, 3u);

  later[1].scalars[0].value = 0.5F;  // another run's
  EXPECT_EQ(tf_beginning(file, later).events, 1u);
  EXPECT_EQ(tf_beginning(file, {}).bytes, tf_file_version(0).size());
  const TfBeginning fewer = tf_beginning(file_of({three()[0]}), three());
  EXPECT_EQ(fewer.events, 1u);
}

TEST(TfEvents, ABeginningEndsWhereTheFileIsDamaged) {
  const std::string file = file_of(three());
  const std::size_t two = file_of({three()[0], three()[1]}).size();
  for (std::size_t cut = 0; cut < file.size(); ++cut) {
    const TfBeginning found = tf_beginning(std::string_view(file).substr(0, cut), three());
    EXPECT_LE(found.bytes, cut);
    EXPECT_EQ(found.events == 2, cut >= two) << cut;
    std::string changed = file;
    changed[cut] = static_cast<char>(changed[cut] ^ 1);
    EXPECT_LT(tf_beginning(changed, three()).bytes, file.size()) << cut;
  }
  EXPECT_EQ(tf_beginning("", three()).bytes, 0u);
  EXPECT_EQ(tf_beginning(std::string(64, '\xff'), three()).bytes, 0u);
}

}  // namespace
}  // namespace peftbench::tfevents_test
