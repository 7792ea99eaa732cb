#include "plugin/note.h"
#include "support/layers.h"

#include "core/random.h"

#include <peftbench/abi.h>
#include <peftbench/error.h>

#include <gmock/gmock.h>

#include <fstream>

namespace peftbench::note_test {

using namespace layers;

namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Apart, so that this program, like the host, holds no whole note.
std::string note_of(const std::string& fields) {
  return std::string(PEFTBENCH_ABI_NOTE_BEGIN) + fields + PEFTBENCH_ABI_NOTE_END;
}

TEST(Note, TheHostTellsEveryField) {
  const auto fields = parse_note_fields(host_note_fields());
  ASSERT_TRUE(fields.has_value());
  std::vector<std::string> keys;
  for (const auto& [key, value] : *fields) {
    keys.push_back(key);
    EXPECT_FALSE(value.empty()) << key;
    EXPECT_NE(value, "unknown") << key;
  }
  EXPECT_THAT(keys, ::testing::ElementsAre("api", "headers", "torch", "stdlib", "compiler", "sanitizers", "rtti"));
}

TEST(Note, FieldsAreParsedStrictly) {
  EXPECT_EQ(parse_note_fields("a=1;b=x y;"), (NoteFields{{"a", "1"}, {"b", "x y"}}));
  EXPECT_EQ(parse_note_fields("a=;"), (NoteFields{{"a", ""}}));
  for (const char* text : {"", ";", "a=1", "a;", "=1;", "a=1;b;", "a=\x01;", "a={;"})
    EXPECT_FALSE(parse_note_fields(text)) << text;
}

TEST(Note, IsFoundAnywhereInAFile) {
  const std::string noise(
      "\0\x7f"
      "ELF",
      5);
  EXPECT_EQ(find_note(noise + note_of("a=1;") + noise), "a=1;");
  EXPECT_EQ(find_note(note_of("a=1;")), "a=1;");
  EXPECT_EQ(find_note(note_of("a=1;") + note_of("a=2;")), "a=1;");
}

// The host's own literal of the mark, a string table's, or a damaged note: what counts is a whole note.
TEST(Note, AMarkWithoutANoteIsPassedOver) {
  const std::string mark = PEFTBENCH_ABI_NOTE_BEGIN;
  EXPECT_FALSE(find_note(""));
  EXPECT_FALSE(find_note(mark));
  EXPECT_FALSE(find_note(mark + "}"));
  EXPECT_FALSE(find_note(mark + std::string("a=1;\0}", 6)));
  EXPECT_FALSE(find_note(mark + "a=1;" + std::string(10000, 'x') + "}"));
  EXPECT_EQ(find_note(mark + '\0' + mark + mark + note_of("a=3;")), "a=3;");
}

TEST(Note, TheProgramItselfIsNoPlugin) {
  std::ifstream program("/proc/self/exe", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(program)), {});
  ASSERT_THAT(bytes, HasSubstr("peftbench-abi-note"));
  EXPECT_FALSE(find_note(bytes).has_value());
}

TEST(Note, RandomBytesNeverBreakTheScan) {
  Random random(7);
  const std::string whole = note_of("api=1;torch=2;");
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = whole;
    bytes.resize(random.below(bytes.size() + 1));
    for (int i = 0; i < 3 && !bytes.empty(); ++i)
      bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    const auto fields = find_note(bytes);
    EXPECT_TRUE(!fields || parse_note_fields(*fields));
  }
}

TEST(Note, EqualNotesPass) { EXPECT_NO_THROW(check_note("x.so", "a=1;b=2;", "a=1;b=2;", true)); }

TEST(Note, AllDifferencesAreToldTogether) {
  try {
    check_note("folder/x.so", "api=1;torch=2.12.0;compiler=clang 17;extra=1;",
               "api=1;torch=2.13.0;compiler=gcc 12;rtti=on;", true);
    FAIL() << "differences went unnoticed";
  } catch (const PluginError& error) {
    EXPECT_EQ(error.step(), PluginStep::note);
    EXPECT_EQ(error.exit_code(), 2);
    const std::string text = error.what();
    for (const char* part : {"folder/x.so", "torch: 2.12.0", "torch: 2.13.0", "compiler: clang 17", "compiler: gcc 12",
                             "extra: 1", "extra: nothing", "rtti: nothing", "rtti: on", "CMAKE_PREFIX_PATH"}) {
      EXPECT_THAT(text, HasSubstr(part));
    }
    EXPECT_THAT(text, Not(HasSubstr("api")));  // what agrees is not told
  }
}

}  // namespace
}  // namespace peftbench::note_test
