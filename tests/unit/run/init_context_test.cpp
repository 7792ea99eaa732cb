#include "run/init_context.h"
#include "support/layers.h"

#include "support/tiny_backbone.h"

#include <peftbench/error.h>
#include <peftbench/parameter.h>

#include <gtest/gtest.h>

namespace peftbench::init_context_test {

using namespace layers;

namespace {

const PluginFinder finder;

TEST(InitContexts, AreStreamsOfTheSeedAndTheName) {
  const auto backbone = support::tiny_backbone();
  const auto draw = [&](std::uint64_t seed, const std::string& name) {
    const auto contexts = init_contexts({*backbone, finder, nullptr, {"yes", "no"}, seed, [](std::string) {}});
    return init::uniform(0, 1)(*contexts(name), {4});
  };
  EXPECT_TRUE(draw(1, "a").equal(draw(1, "a")));
  EXPECT_FALSE(draw(1, "a").equal(draw(1, "b")));
  EXPECT_FALSE(draw(1, "a").equal(draw(2, "a")));

  const auto contexts = init_contexts({*backbone, finder, nullptr, {"yes", "no"}, 1, [](std::string) {}});
  const auto context = contexts("a");
  EXPECT_EQ(context->vocab_size(), 40);
  EXPECT_EQ(context->labels(), (std::vector<std::string>{"yes", "no"}));
  EXPECT_TRUE(context->frozen("shared.weight").equal(context->embedding_rows([] {
    std::vector<int64_t> all(40);
    for (int64_t i = 0; i < 40; ++i) all[i] = i;
    return all;
  }())));
  EXPECT_THROW(context->tokenize("no vocabulary here"), ConfigError);
}

TEST(InitContexts, FrozenTensorsAreCopies) {
  const auto backbone = support::tiny_backbone();
  const std::string before = backbone->checksum();
  const auto contexts = init_contexts({*backbone, finder, nullptr, {}, 1, [](std::string) {}});
  contexts("a")->frozen("shared.weight").fill_(3);
  contexts("a")->embedding_rows({1, 2}).fill_(3);
  EXPECT_EQ(backbone->checksum(), before);
}

}  // namespace
}  // namespace peftbench::init_context_test
