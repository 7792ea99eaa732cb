#include "core/write_files.h"
#include "support/layers.h"

#include "core/descriptor.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <vector>

namespace peftbench::write_files_test {

using namespace layers;

namespace {

using testing::HasSubstr;

std::string fault_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing";
}

class Writing : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "peftbench-write-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator(folder_)) all.push_back(entry.path().filename().string());
    std::sort(all.begin(), all.end());
    return all;
  }
  void put(const std::string& name) const { Descriptor(::open((folder_ / name).c_str(), O_CREAT | O_WRONLY, 0600)); }
  fs::path folder_;
};

// hostile 18: a writer that was killed in the middle.
TEST_F(Writing, WhatAKilledWriterLeftIsRemoved) {
  const pid_t child = ::fork();
  if (child == 0) {
    write_atomically(folder_ / "a", [](std::ostream& out) {
      out << std::string(1 << 17, 'x') << std::flush;
      ::raise(SIGKILL);
    });
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  ASSERT_EQ(names().size(), 1u);
  EXPECT_THAT(names().front(), HasSubstr("a.tmp-" + std::to_string(child)));
  put("b.tmp-" + std::to_string(::getpid()) + "-7");  // an earlier process may have had our number
  write_atomically(folder_ / "a", "whole");           // of its own name alone
  EXPECT_EQ(names(), (std::vector<std::string>{"a", "b.tmp-" + std::to_string(::getpid()) + "-7"}));
  remove_unfinished(folder_);
  EXPECT_EQ(names(), std::vector<std::string>{"a"});
}

TEST_F(Writing, WhatALivingWriterIsAtAndWhatIsNotOursIsLeftAlone) {
  for (const char* name : {"x.tmp-", "x.tmp-12", "x.tmp-a-1", "x.tmp-1-b", "tmp-1-2", "x.tmp-1-2.txt"}) put(name);
  fs::create_directory(folder_ / "folder.tmp-1-1");
  fs::create_symlink(folder_ / "x.tmp-12", folder_ / "link.tmp-1-1");
  const auto before = names();
  write_atomically(folder_ / "a", [&](std::ostream& out) {
    remove_unfinished(folder_);  // as another process would
    out << "whole";
  });
  EXPECT_EQ(read_text(folder_ / "a"), "whole");
  fs::remove(folder_ / "a");
  EXPECT_EQ(names(), before);
}

// hostile 22
TEST_F(Writing, NoLinkOfATemporaryNameIsFollowed) {
  put("target");
  // The next names that this process will take, for a while.
  for (int i = 0; i < 60; ++i)
    fs::create_symlink(folder_ / "target", folder_ / ("a.tmp-" + std::to_string(::getpid()) + "-" + std::to_string(i)));
  write_atomically(folder_ / "a", "text");
  EXPECT_EQ(read_text(folder_ / "a"), "text");
  EXPECT_FALSE(fs::is_symlink(folder_ / "a"));
  EXPECT_EQ(read_text(folder_ / "target"), "");
}

TEST_F(Writing, PipesDevicesAndFoldersAreNotReplaced) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(fault_of([&] { write_atomically(folder_ / "pipe", "x"); }), HasSubstr("a pipe or a device"));
  EXPECT_THAT(fault_of([&] { write_atomically("/dev/null", "x"); }), HasSubstr("a pipe or a device"));
  EXPECT_THAT(fault_of([&] { write_atomically(folder_, "x"); }), HasSubstr("a folder with this name"));
  EXPECT_THAT(fault_of([&] { open_own_file(folder_ / "pipe", O_WRONLY); }), HasSubstr("a pipe or a device"));
}

// hostile 15, 16
TEST_F(Writing, AFolderThatCannotBeMadeIsNamedWithTheReason) {
  make_folder(folder_ / "a" / "b" / "c");
  make_folder(folder_ / "a" / "b" / "c");
  EXPECT_TRUE(fs::is_directory(folder_ / "a/b/c"));
  put("file");
  EXPECT_THAT(fault_of([&] { make_folder(folder_ / "file"); }), HasSubstr("a file or a broken link"));
  EXPECT_THAT(fault_of([&] { make_folder(folder_ / "file" / "x"); }),
              HasSubstr("folder " + (folder_ / "file").string()));
  EXPECT_THAT(fault_of([&] { make_folder("/proc/nothing/x"); }), HasSubstr("cannot create the folder /proc/nothing"));
  EXPECT_THROW(make_folder(folder_ / std::string(300, 'x')), UserError);
  fs::create_symlink(folder_ / "a", folder_ / "link");
  EXPECT_THAT(fault_of([&] { refuse_link(folder_ / "link"); }), HasSubstr("symbolic link"));
  refuse_link(folder_ / "a");
  remove_folder(folder_ / "link");
  EXPECT_TRUE(fs::is_directory(folder_ / "a/b/c"));
}

// hostile 5, 18: of a folder all is there or nothing; what a killed process left of it goes.
TEST_F(Writing, AFolderIsThereWholeOrNotAtAll) {
  const fs::path folder = folder_ / "a" / "model";
  EXPECT_THROW(write_folder(folder,
                            [](const fs::path& place) {
                              write_atomically(place / "x", "half");
                              throw DataError("stop");
                            }),
               DataError);
  EXPECT_TRUE(fs::is_empty(folder_ / "a"));
  const pid_t child = ::fork();
  if (child == 0) {
    write_folder(folder, [](const fs::path& place) {
      write_atomically(place / "x", "half");
      ::raise(SIGKILL);
    });
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_FALSE(fs::exists(folder));
  fs::create_directory(folder);
  write_folder(folder / "", [](const fs::path& place) {
    EXPECT_FALSE(fs::exists(place / "x"));
    write_atomically(place / "y", "whole");
  });
  EXPECT_EQ(read_text(folder / "y"), "whole");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "a"), fs::directory_iterator()), 1);
}

// hostile 7: new weights never stand beside another description.
TEST_F(Writing, ADescriptionThatWillBeAnotherIsRemovedFirst) {
  write_atomically(folder_ / "config.json", "same");
  retract_other(folder_ / "config.json", "same");
  EXPECT_TRUE(fs::exists(folder_ / "config.json"));
  retract_other(folder_ / "config.json", "other");
  EXPECT_FALSE(fs::exists(folder_ / "config.json"));
  retract_other(folder_ / "config.json", "other");
}

// hostile 14, 16
TEST_F(Writing, TheReasonOfTheSystemIsTold) {
  EXPECT_THAT(fault_of([&] { write_atomically(folder_ / "no" / "file", "x"); }), HasSubstr("No such file"));
  struct rlimit limit {
  }, small{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  small = limit;
  small.rlim_cur = 100;
  ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string told = fault_of([&] { write_atomically(folder_ / "large", std::string(1000, 'x')); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  EXPECT_THAT(told, HasSubstr("File too large"));
  EXPECT_THAT(told, HasSubstr("ulimit"));
  EXPECT_TRUE(names().empty());
}

}  // namespace
}  // namespace peftbench::write_files_test
