#include "bad_plugins.h"
#include "support/layers.h"

#include "plugin/note.h"

#include <peftbench/abi.h>

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <fstream>

namespace peftbench::loader_test {

using namespace layers;

namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Loader, AGoodPluginPassesEveryStep) {
  const PluginHandle plugin = load_plugin(bad("good"));
  EXPECT_EQ(plugin->name, "good");
  EXPECT_EQ(plugin->version, "1.2.3");
  EXPECT_EQ(plugin->summary, "Does nothing, well");
  EXPECT_EQ(plugin->note, host_note_fields());
  EXPECT_TRUE(plugin->factory(Values()) != nullptr);
  EXPECT_EQ(load_plugin(bad("good")), plugin) << "the same file was loaded twice";
  EXPECT_EQ(load_plugin(fs::path(BAD_PLUGINS) / ".." / "plugins" / "good.so"), plugin)
      << "another way to the same file";
}

TEST(Find, MissingFile) {
  expect_refused("absent_file", PluginStep::find, {"no such file", "peft-bench methods"});
  expect_refusal(PluginStep::find, {"it is a folder"}, [] { load_plugin(BAD_PLUGINS); });
}

TEST(ReadNote, NotAnElfFile) {
  const Folder folder;
  const auto refused = [&](const std::string& name, const std::string& bytes, const std::string& part) {
    std::ofstream(folder / name) << bytes;
    expect_refusal(PluginStep::note, {name, "not a shared library", part}, [&] { load_plugin(folder / name); });
  };
  refused("text.so", "a text, however long it may be, that calls itself a shared library", "is not ELF");
  refused("empty.so", "", "an empty file");
  const std::string note = PEFTBENCH_ABI_NOTE_BEGIN + host_note_fields() + PEFTBENCH_ABI_NOTE_END;
  refused("note.so", "a text with a note: " + note, "is not ELF");
  std::string foreign = read_text(bad("good"));
  foreign[offsetof(Elf64_Ehdr, e_machine)] = EM_S390;
  refused("foreign.so", foreign, "another machine");
  expect_refusal(PluginStep::note, {"not a shared library"}, [&] {
    std::string object = read_text(bad("good"));
    object[offsetof(Elf64_Ehdr, e_type)] = ET_REL;
    std::ofstream(folder / "object.so") << object;
    load_plugin(folder / "object.so");
  });
}

// Wherever a copy broke off, the answer is a message and no signal.
TEST(ReadNote, CutShort) {
  const Folder folder;
  const std::string whole = read_text(bad("good"));
  // What a linker puts behind the last segment is not needed to load the file.
  Elf64_Ehdr header;
  std::memcpy(&header, whole.data(), sizeof header);
  std::size_t needed = 0;
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr loaded;
    std::memcpy(&loaded, whole.data() + header.e_phoff + i * sizeof loaded, sizeof loaded);
    if (loaded.p_type == PT_LOAD) needed = std::max<std::size_t>(needed, loaded.p_offset + loaded.p_filesz);
  }
  for (const std::size_t part : {2, 3, 5, 10, 40}) {
    std::ofstream(folder / "good.so", std::ios::trunc) << whole.substr(0, needed / part);
    expect_refusal(PluginStep::note, {"good.so", "truncated"}, [&] { load_plugin(folder / "good.so"); });
  }
  std::string huge = whole;  // segments that end beyond 2^63
  Elf64_Phdr segment;
  const std::size_t at = sizeof(Elf64_Ehdr);
  std::memcpy(&segment, huge.data() + at, sizeof segment);
  segment.p_offset = segment.p_filesz = ~std::uint64_t{0} - 1;
  std::memcpy(huge.data() + at, &segment, sizeof segment);
  std::ofstream(folder / "good.so", std::ios::trunc) << huge;
  expect_refusal(PluginStep::note, {"truncated"}, [&] { load_plugin(folder / "good.so"); });
}

TEST(ReadNote, NoNote) { expect_refused("no_note", PluginStep::note, {"not a peft-bench plugin", "PEFTBENCH_PLUGIN"}); }

TEST(ReadNote, OtherNotes) {
  expect_refused("api_too_old", PluginStep::note, {"another peft-bench", "api: 0", "api: 1", "CMAKE_PREFIX_PATH"});
  expect_refused("api_too_new", PluginStep::note, {"api: 2", "api: 1"});
  expect_refused("other_headers", PluginStep::note, {"headers: 0123456789ab…", "hash of the public headers"});
  expect_refused("other_torch", PluginStep::note, {"torch: 2.4.1", "torch: 2."});
  const std::string text = expect_refused("other_compiler", PluginStep::note, {"compiler: clang 17", "compiler: gcc"});
  EXPECT_THAT(text, Not(HasSubstr("api:")));
  expect_refused("other_everything", PluginStep::note,
                 {"api: 7", "headers: fedcba987654…", "torch: 3.0.0", "compiler: gcc 99"});
}

TEST(Open, UndefinedSymbol) {
  expect_refused("undefined_symbol", PluginStep::open, {"elsewhere::defined_nowhere(int)", "CMakeLists.txt"});
}

TEST(Open, AbsentLibrary) {
  expect_refused("needs_library", PluginStep::open,
                 {"a library that it needs is missing", "libbad_absent.so", "RPATH"});
}

TEST(Header, NoSymbol) {
  expect_refused("no_symbol", PluginStep::header, {"no symbol peftbench_plugin", "outside any namespace"});
}

TEST(Header, WrongFields) {
  expect_refused("wrong_size", PluginStep::header, {"16 bytes", std::to_string(sizeof(PluginHeader)) + " bytes"});
  expect_refused("wrong_api", PluginStep::header, {"another plugin interface version", "9"});
  expect_refused("null_field", PluginStep::header, {"summary, register_method"});
  expect_refused("two_notes", PluginStep::header, {"reports another ABI than its file", "api: nothing"});
}

TEST(TorchIdentity, ASecondLibTorch) {
  expect_refused("foreign_torch", PluginStep::torch_identity, {"second LibTorch", "link PeftBench::peftbench alone"});
}

TEST(Name, NotItsFiles) {
  expect_refused("wrong_name", PluginStep::name, {"'right_name'", "'wrong_name'", "right_name.so"});
}

// hostile 1: a name that may be read from a file has no characters of a path.
TEST(Name, OtherCharacters) {
  expect_refused("OtherLetters", PluginStep::name, {"'OtherLetters'", "a-z, digits and '_'"});
}

TEST(Name, TwoFilesOfOneName) {
  const Folder folder;
  load_plugin(bad("good"));
  fs::copy_file(bad("good"), folder / "good.so");
  expect_refusal(PluginStep::name, {"'good' is already loaded", bad("good").string(), folder.path().string()},
                 [&] { load_plugin(folder / "good.so"); });
  fs::create_symlink(bad("good"), folder / "better.so");
  expect_refusal(PluginStep::name, {"'good'", "'better'"}, [&] { load_plugin(folder / "better.so"); });
}

TEST(Registration, Throws) {
  expect_refused("throws_std", PluginStep::registration, {"std::out_of_range: no such thing", "bug in the plugin"});
  expect_refused("throws_int", PluginStep::registration, {"an exception of type int"});
  const std::string text =
      expect_refused("throws_torch", PluginStep::registration, {"c10::Error", "sizes do not match"});
  EXPECT_THAT(text, Not(HasSubstr("frame #")));
}

TEST(Registration, NothingOrTwice) {
  expect_refused("registers_nothing", PluginStep::registration, {"registers no method", "registrar.method<"});
  expect_refusal(PluginStep::registration, {"'registers_twice'", "a second method", "its own library"},
                 [] { load_plugin(bad("registers_twice")); });
}

TEST(Registration, BadSchema) {
  const std::vector<std::string> parts = {"'rank' has an invalid default: it is 0", "'rank' is declared twice",
                                          "it is 'nowhere'"};
  expect_refused("bad_schema", PluginStep::registration, parts);
  expect_refused("bad_schema", PluginStep::registration, parts);  // no half-loaded state from the first time
}

}  // namespace
}  // namespace peftbench::loader_test
