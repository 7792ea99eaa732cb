#include "adapters/adapter.h"
#include "support/layers.h"

#include "support/tiny_backbone.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>

namespace peftbench::adapter_test {

using namespace layers;

namespace {

using ::testing::HasSubstr;

// shared.weight beside a LoRA: the backbone's own is no matter, another one would be lost without a word.
TEST(FrozenBesideAnAdapter, IsComparedWithTheBackbones) {
  const auto backbone = support::tiny_backbone();
  const Tensor table = backbone->frozen(backbone->spec().parameter("shared.weight").index);
  Adapter adapter;
  adapter.frozen["shared.weight"] = table.to(at::kBFloat16).to(at::kFloat);  // as it may have been stored
  EXPECT_NO_THROW(check_frozen(adapter, *backbone));
  Tensor other = table.clone();
  other[3] += 0.5;
  for (const Tensor& theirs : {other, table.narrow(0, 0, 8)}) {
    adapter.frozen["shared.weight"] = theirs;
    try {
      check_frozen(adapter, *backbone);
      ADD_FAILURE() << "another table was taken";
    } catch (const CheckpointError& error) {
      EXPECT_THAT(error.what(), HasSubstr("different shared.weight"));
    }
  }
}

}  // namespace
}  // namespace peftbench::adapter_test
