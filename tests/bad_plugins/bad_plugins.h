#pragma once

#include "plugin/loader.h"
#include "support/layers.h"

#include <gmock/gmock.h>

#include <functional>
#include <string>
#include <vector>

namespace peftbench::support {

using namespace layers;

inline fs::path bad(const std::string& name) { return fs::path(BAD_PLUGINS) / (name + ".so"); }

// Checks that `load` is refused at `step`, as something that the user can fix, in a message with all of these parts.
inline std::string expect_refusal(PluginStep step, const std::vector<std::string>& parts,
                                  const std::function<void()>& load) {
  std::string text;
  try {
    load();
    ADD_FAILURE() << "a bad plugin was accepted";
    return text;
  } catch (const PluginError& error) {
    text = error.what();
    EXPECT_EQ(error.step(), step) << text;
    EXPECT_EQ(error.exit_code(), 2);
  }
  for (const std::string& part : parts) EXPECT_THAT(text, ::testing::HasSubstr(part));
  EXPECT_THAT(text, ::testing::HasSubstr("fix:")) << "a message without a remedy";
  return text;
}

inline std::string expect_refused(const std::string& name, PluginStep step, std::vector<std::string> parts) {
  parts.push_back(name + ".so");  // every message names the file
  return expect_refusal(step, parts, [&] { load_plugin(bad(name)); });
}

// An empty folder of the test's own, gone afterwards.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "peftbench-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  fs::path operator/(const std::string& name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace peftbench::support
