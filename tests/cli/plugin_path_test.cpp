// hostile 1: a file names a method and never opens a library; what the command line names is opened.
#include "support/layers.h"
#include "support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace peftbench::plugin_path_test {

using namespace layers;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing_support::run;

// Its constructor writes the file that PEFTBENCH_TEST_MARK names.
const std::string library = PEFTBENCH_TEST_BUILD_DIR "/tests/bad_plugins/plugins/marks.so";

class PluginPath : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = new Scratch;
    task_ = write_task(*scratch_);
    ASSERT_EQ(run(short_run(task_, scratch_->path() / "runs", {"--set", "train.steps=0"})).status, 0);
    scratch_->write("ids.json", "[[5, 6, 1]]");
  }
  static void TearDownTestSuite() { delete scratch_; }

  static std::string path(const std::string& name) { return (scratch_->path() / name).string(); }

  // A copy of the run; null leaves a field of its files as it is.
  static fs::path copy(const std::string& name, const json& adapter_method, const json& method, const json& plugin) {
    const fs::path folder = scratch_->path() / name;
    fs::copy(only_run(scratch_->path() / "runs"), folder, fs::copy_options::recursive);
    const auto edit = [&](const fs::path& file, auto change) {
      json text = json::parse(file_text(file));
      change(text);
      std::ofstream(file) << text.dump();
    };
    edit(folder / "adapter/adapter.json", [&](json& text) {
      text.erase("description_hash");  // whoever forges a file leaves it out
      if (!adapter_method.is_null()) text["method"] = adapter_method;
    });
    edit(folder / "record.json", [&](json& text) {
      if (!method.is_null()) text["method"]["name"] = method;
      if (!plugin.is_null()) text["method"]["plugin"] = plugin;
    });
    return folder;
  }

  static std::vector<std::vector<std::string>> readers_of_adapters(const std::string& adapter) {
    std::vector<std::string> begun = short_run(task_, path("begun"), {"--init-from", adapter});
    return {begun,
            {"forward", "--backbone", "t5-nano-lm", "--input-ids", path("ids.json"), "--adapter", adapter, "--output",
             path("out.safetensors")},
            {"export", adapter, path("exported"), "--format", "huggingface"},
            {"neighbors", adapter}};
  }
  static std::vector<std::vector<std::string>> readers_of_records(const std::string& folder) {
    return {{"eval", folder}, {"forgetting", folder}, {"ensemble", folder}};
  }

  struct Outcome {
    Printed printed;
    bool opened;
  };
  static Outcome opened_by(const std::vector<std::string>& words) {
    const fs::path mark = path("mark");
    Program program(words, {{"PEFTBENCH_TEST_MARK", mark.string()}});
    const int status = program.wait();
    return {{status, program.out(), program.err()}, fs::remove(mark)};
  }
  static void expect_unopened(const std::vector<std::string>& words, const std::string& what,
                              const std::string& remedy) {
    const Outcome outcome = opened_by(words);
    EXPECT_FALSE(outcome.opened) << "the library's code has run: " << words.front();
    EXPECT_EQ(outcome.printed.status, 2) << words.front() << outcome.printed.err;
    EXPECT_THAT(outcome.printed.err, AllOf(HasSubstr(what), HasSubstr(remedy))) << words.front();
  }
  static Scratch* scratch_;
  static fs::path task_;
};
Scratch* PluginPath::scratch_ = nullptr;
fs::path PluginPath::task_;

TEST_F(PluginPath, TheCommandLineOpensALibrary) {
  const std::vector<std::string> sizes = {"params", "--backbone", "t5-v1_1-small"};
  const std::vector<std::vector<std::string>> ways = {{"--method", library},
                                                      {"--method", "marks", "--plugin", library},
                                                      {"--config", path("plain.yaml"), "--plugin", library}};
  for (const std::vector<std::string>& by : ways) {
    scratch_->write("plain.yaml", "method: marks\n");
    std::vector<std::string> words = sizes;
    words.insert(words.end(), by.begin(), by.end());
    const Outcome outcome = opened_by(words);
    EXPECT_EQ(outcome.printed.status, 0) << outcome.printed.err;
    EXPECT_TRUE(outcome.opened);
  }
  EXPECT_TRUE(opened_by({"methods", library}).opened);
  EXPECT_EQ(opened_by({"params", "--backbone", "t5-v1_1-small", "--method", "/nonexistent/x.so"}).printed.status, 2);
}

TEST_F(PluginPath, AConfigurationAndASuiteDoNot) {
  for (const std::string& name : {library, "./" + fs::path(library).filename().string(), std::string("marks.so")}) {
    scratch_->write("path.yaml", "method: " + name + "\nbackbone: t5-nano-lm\n");
    expect_unopened({"run", "--config", path("path.yaml"), "--task", task_.string(), "--out", path("refused")},
                    "path.yaml:1: this is a path, not a method name", "--plugin FILE");
    expect_unopened({"params", "--config", path("path.yaml")}, "this is a path", "--plugin FILE");
    scratch_->write("suite.yaml", "tasks: [" + task_.string() +
                                      "]\nbackbones: [t5-nano-lm]\nrows:\n  - {method: " + name + ", name: row}\n");
    expect_unopened({"suite", path("suite.yaml"), "--out", path("refused")}, "this is a path", "--plugin FILE");
  }
}

TEST_F(PluginPath, AnAdapterDoesNot) {
  const fs::path folder = copy("adapter-path", library, nullptr, nullptr);
  for (const auto& words : readers_of_adapters((folder / "adapter").string()))
    expect_unopened(words, "adapter.json: this is a path", "--plugin FILE");
  for (const auto& words : readers_of_records(folder.string()))
    expect_unopened(words, "adapter.json: this is a path", "--plugin FILE");
}

TEST_F(PluginPath, ARecordDoesNot) {
  const fs::path folder = copy("record-path", nullptr, library, library);
  for (const auto& words : readers_of_records(folder.string()))
    expect_unopened(words, "record.json: this is a path", "--plugin FILE");
  // A name that no folder has: the recorded library is told, and is for the user to trust.
  const fs::path named = copy("record-name", "marks", "marks", library);
  for (const auto& words : readers_of_records(named.string()))
    expect_unopened(words, "there is no method 'marks'", "if you trust the file, add --plugin " + library);
  EXPECT_TRUE(opened_by({"eval", named.string(), "--plugin", library}).opened);
  // A library that is called like an installed method does not come before it.
  const fs::path hiding = fs::path(path("prompt_tuning.so"));
  fs::copy(library, hiding);
  const Outcome outcome = opened_by({"eval", copy("hiding", nullptr, nullptr, hiding.string()).string()});
  EXPECT_EQ(outcome.printed.status, 0) << outcome.printed.err;
  EXPECT_FALSE(outcome.opened);
}

}  // namespace
}  // namespace peftbench::plugin_path_test
