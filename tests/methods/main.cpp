#include "methods/workshop.h"

#include <gmock/gmock.h>

// GoogleTest's own, but for the process that a test starts to load what it stored.
int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (!words.empty() && words.front() == "--reload")
    return peftbench::support::reload({words.begin() + 1, words.end()});
  ::testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
