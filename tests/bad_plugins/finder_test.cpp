#include "bad_plugins.h"
#include "support/layers.h"

#include "plugin/finder.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace peftbench::finder_test {

using namespace layers;

namespace {

using ::testing::HasSubstr;

const std::vector<PluginFolder> here = {{BAD_PLUGINS, "build tree"}};

TEST(Finder, FindsAMethodByName) {
  const PluginFinder finder({}, here);
  EXPECT_EQ(finder.load_method("good")->name, "good");
}

// hostile 1
TEST(Finder, APathIsNotAName) {
  const PluginFinder finder({}, here);
  for (const std::string& path :
       {bad("good").string(), std::string("./good"), std::string("good.so"), std::string("../plugins/good")}) {
    expect_refusal(PluginStep::find, {"adapter.json: this is a path", "'" + path + "'", "--plugin FILE"}, [&] {
      finder.load_method(path, {"adapter.json", {}});
    });
  }
  expect_refusal(PluginStep::find, {"there is no method 'other'", "if you trust the file, add --plugin /x/other.so"},
                 [&] {
                   finder.load_method("other", {"record.json", "/x/other.so"});
                 });
  expect_refusal(PluginStep::find, {"there is no method 'OtherLetters'"}, [&] { finder.load_method("OtherLetters"); });
}

TEST(Finder, AMisspeltNameIsToldTheNearest) {
  const PluginFinder finder({}, {{BAD_PLUGINS, "build tree"}, {"/nonexistent/plugins", "installed"}});
  expect_refusal(
      PluginStep::find,
      {"there is no method 'goood'", BAD_PLUGINS, "(build tree)", "/nonexistent/plugins (installed, does not exist)",
       "did you mean 'good'?", "throws_int", "PEFTBENCH_PLUGIN_PATH"},
      [&] { finder.load_method("goood"); });
  expect_refusal(PluginStep::find, {"no folders", "none are available"}, [] { PluginFinder({}, {}).load_method("x"); });
}

TEST(Finder, AFileOfTheUsersComesFirst) {
  const Folder folder;
  std::ofstream(folder / "good.so") << "broken";
  const PluginFinder finder({folder / "good.so"}, here);
  expect_refusal(PluginStep::note, {folder.path().string()}, [&] { finder.load_method("good"); });
  const PluginFinder absent({folder / "absent.so"}, here);
  expect_refusal(PluginStep::find, {"absent.so", "no such file"}, [&] { absent.load_method("good"); });
}

TEST(Finder, ABrokenPluginIsARow) {
  const Folder folder;
  fs::copy_file(bad("good"), folder / "good.so");
  std::ofstream(folder / "notes.txt") << "no library";
  fs::create_directory(folder / "folder.so");
  const auto rows = PluginFinder({}, {here[0], {folder.path(), "installed"}}).list();
  const auto row = [&](const std::string& name) {
    const auto found = std::find_if(rows.begin(), rows.end(), [&](const FoundPlugin& r) { return r.name == name; });
    return found == rows.end() ? FoundPlugin{} : *found;
  };
  ASSERT_NE(row("good").plugin, nullptr);
  EXPECT_EQ(row("good").origin, "build tree");
  EXPECT_THAT(row("throws_int").error, HasSubstr("an exception of type int"));
  EXPECT_THAT(row("other_torch").error, HasSubstr("torch: 2.4.1"));
  EXPECT_EQ(row("throws_int").plugin, nullptr);
  EXPECT_EQ(rows.back().hidden_by, bad("good"));
  EXPECT_EQ(rows.back().path, folder / "good.so");
  EXPECT_TRUE(row("notes").path.empty());
  EXPECT_TRUE(row("folder").path.empty());
}

TEST(Finder, FoldersComeInOrder) {
  const Folder one, two;
  ::setenv("PEFTBENCH_PLUGIN_PATH",
           (one.path().string() + "::" + two.path().string() + ":" + one.path().string() + "/").c_str(), 1);
  const auto folders = plugin_folders();
  ::unsetenv("PEFTBENCH_PLUGIN_PATH");
  ASSERT_GE(folders.size(), 3u);
  EXPECT_EQ(folders[0].path, one.path());
  EXPECT_EQ(folders[1].path, two.path());
  EXPECT_EQ(folders[0].origin, "PEFTBENCH_PLUGIN_PATH");
  for (std::size_t i = 2; i < folders.size(); ++i) {
    EXPECT_NE(folders[i].origin, "PEFTBENCH_PLUGIN_PATH") << folders[i].path;
    EXPECT_THAT(folders[i].path.string(), HasSubstr("peftbench/plugins"));
  }
}

}  // namespace
}  // namespace peftbench::finder_test
