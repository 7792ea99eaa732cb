#include "formats/pickle.h"
#include "formats/torch_pickle.h"
#include "support/layers.h"

#include "support/weights_fixture.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::pickle_test {

using namespace layers;

namespace {

using namespace testing_files;
using testing::HasSubstr;
using Entries = std::vector<std::pair<std::string, std::string>>;

TensorMap read(const std::string& bytes) {
  const TempFolder folder;
  write_bytes(folder / "pytorch_model.bin", bytes);
  return read_torch_pickle(folder / "pytorch_model.bin");
}
std::string refusal_of(const std::string& bytes) {
  return refusal([&] { read(bytes); });
}
// An archive whose one storage, "0", holds the floats 0…11.
std::string archive(const std::string& pickle, const Entries& more = {}, bool wide = false) {
  Entries entries = {{"m/data.pkl", pickle}, {"m/data/0", bytes_of(at::arange(12, at::kFloat))}};
  entries.insert(entries.end(), more.begin(), more.end());
  return zip(entries, wide);
}
std::string one(const std::string& value) { return pickled::dict({{"w", value}}); }

TEST(TorchPickle, TensorsOfEveryKind) {
  const Tensor longs = at::arange(3), halves = at::arange(5).to(at::kBFloat16);
  const std::string wrapped = pickled::global("torch._utils", "_rebuild_parameter") + "(" +
                              pickled::tensor("FloatStorage", "0", 12, 0, {12}, {1}) + "\x88" +
                              pickled::global("collections", "OrderedDict") + ")RtR";
  const std::string pickle = pickled::dict({{"whole", pickled::tensor("FloatStorage", "0", 12, 0, {3, 4}, {4, 1})},
                                            {"turned", pickled::tensor("FloatStorage", "0", 12, 0, {4, 3}, {1, 4})},
                                            {"part", pickled::tensor("FloatStorage", "0", 12, 5, {2}, {3})},
                                            {"scalar", pickled::tensor("FloatStorage", "0", 12, 11, {}, {})},
                                            {"empty", pickled::tensor("FloatStorage", "0", 12, 0, {0, 3}, {3, 1})},
                                            {"parameter", wrapped},
                                            {"long", pickled::tensor("LongStorage", "1", 3, 0, {3}, {1})},
                                            {"bf16", pickled::tensor("BFloat16Storage", "2", 5, 0, {5}, {1})}});
  for (const bool wide : {false, true}) {
    const TensorMap tensors = read(archive(
        pickle, {{"m/data/1", bytes_of(longs)}, {"m/data/2", bytes_of(halves)}, {"m/byteorder", "little"}}, wide));
    ASSERT_EQ(tensors.size(), 8u);
    const Tensor whole = at::arange(12, at::kFloat).reshape({3, 4});
    EXPECT_TRUE(at::equal(tensors.at("whole"), whole));
    EXPECT_TRUE(at::equal(tensors.at("turned"), whole.t()));
    EXPECT_TRUE(at::equal(tensors.at("part"), at::tensor({5.0f, 8.0f})));
    EXPECT_EQ(tensors.at("scalar").item<float>(), 11);
    EXPECT_EQ(tensors.at("empty").sizes(), (Shape{0, 3}));
    EXPECT_TRUE(at::equal(tensors.at("parameter"), whole.flatten()));
    EXPECT_FALSE(tensors.at("parameter").requires_grad());
    EXPECT_TRUE(at::equal(tensors.at("long"), longs));
    EXPECT_TRUE(at::equal(tensors.at("bf16"), halves));
  }
}

TEST(TorchPickle, MemoAndVersionTableAsAModuleSavesThem) {
  // OrderedDict(w=tensor) with _metadata = OrderedDict({'': {'version': 1}}), names recalled from the memo.
  const std::string pickle = "\x80\x02" + pickled::global("collections", "OrderedDict") + "q" + '\0' + ")Rq\x01(" +
                             pickled::text("w") + "q\x02" + pickled::tensor("FloatStorage", "0", 12, 0, {12}, {1}) +
                             "u}q\x03" + pickled::text("_metadata") + "h" + '\0' + ")R" + pickled::text("") + "}" +
                             pickled::text("version") + "K\x01sssb.";
  EXPECT_EQ(read(archive(pickle)).at("w").numel(), 12);
}

TEST(TorchPickle, NothingIsExecuted) {
  const std::string attack = "\x80\x02" + pickled::global("os", "system") + pickled::text("true") + "\x85R.";
  EXPECT_THAT(refusal_of(archive(attack)), HasSubstr("imports the Python object 'os.system'"));
  EXPECT_THAT(refusal_of(archive("\x80\x02" + pickled::global("torch", "load") + ".")), HasSubstr("torch.load"));
  EXPECT_THAT(refusal_of(archive(one(pickled::global("builtins", "eval") + ")R"))), HasSubstr("builtins.eval"));
}

TEST(TorchPickle, WrongFilesAreRefusedWithTheirFault) {
  EXPECT_THAT(refusal_of(""), HasSubstr("not a torch.save file"));
  EXPECT_THAT(refusal_of("\x80\x02\x8a\x0al\xfc\x9c"
                         "F\xf9 j\xa8P\x19.rest"),
              HasSubstr("before PyTorch 1.6"));
  EXPECT_THAT(refusal_of("version https://git-lfs.github.com/spec/v1\n"), HasSubstr("git lfs pull"));
  EXPECT_THAT(refusal_of(zip({{"m/other", ""}})), HasSubstr("not a torch.save file"));
  EXPECT_THAT(refusal_of(zip({{"m/data.pkl", "x"}}, false, 8)), HasSubstr("compressed"));
  EXPECT_THAT(refusal_of(zip({{"m/data.pkl", "x"}, {"m/data.pkl", "x"}})), HasSubstr("duplicated"));
  EXPECT_THAT(refusal_of(archive("\x80\x04.")), HasSubstr("protocol 4"));
  EXPECT_THAT(refusal_of(archive("\x80\x02K\x01.")), HasSubstr("does not contain a state dict"));
  EXPECT_THAT(refusal_of(archive("\x80\x02")), HasSubstr("truncated"));
  EXPECT_THAT(refusal_of(archive("\x80\x02t.")), HasSubstr("a missing mark"));
  EXPECT_THAT(refusal_of(archive("\x80\x02.")), HasSubstr("stack underflow"));
  EXPECT_THAT(refusal_of(archive("\x80\x02h\x05.")), HasSubstr("missing memo entry"));
  EXPECT_THAT(refusal_of(archive("\x80\x02i")), HasSubstr("operation 0x69"));
  EXPECT_THAT(refusal_of(archive(one("K\x01"))), HasSubstr("'w' cannot be read"));
  EXPECT_THAT(refusal_of(archive("\x80\x02}K\x01"
                                 "K\x01s.")),
              HasSubstr("a key that is not a string"));
  const auto tensor = [](int64_t elements, int64_t offset, const Shape& shape, const Shape& strides) {
    return archive(one(pickled::tensor("FloatStorage", "0", elements, offset, shape, strides)));
  };
  EXPECT_THAT(refusal_of(tensor(13, 0, {12}, {1})), HasSubstr("48 bytes"));
  EXPECT_THAT(refusal_of(tensor(12, 1, {12}, {1})), HasSubstr("beyond its storage"));
  EXPECT_THAT(refusal_of(tensor(12, 0, {4}, {4})), HasSubstr("beyond its storage"));
  EXPECT_THAT(refusal_of(tensor(12, 0, {1000, 1000}, {0, 0})), HasSubstr("beyond its storage"));
  EXPECT_THAT(refusal_of(tensor(12, -1, {4}, {1})), HasSubstr("not a whole number"));
  EXPECT_THAT(refusal_of(tensor(12, 0, {4}, {1, 1})), HasSubstr("do not match"));
  EXPECT_THAT(refusal_of(archive(one(pickled::tensor("FloatStorage", "9", 12, 0, {12}, {1})))),
              HasSubstr("not in the archive"));
  EXPECT_THAT(
      refusal_of(archive(one(pickled::tensor("FloatStorage", "0", 12, 0, {12}, {1})), {{"m/byteorder", "big"}})),
      HasSubstr("byte order"));
}

TEST(TorchPickle, DepthCostsNoStack) {
  std::string deep = "\x80\x02)";
  deep.append(2'000'000, '\x85');
  EXPECT_EQ(parse_pickle(
                deep + ".", [](const std::string&) { return true; }, "deep")
                .nodes.size(),
            2'000'001u);
}

TEST(TorchPickle, NumbersOfEveryLength) {
  const auto integer = [](const std::string& bytes) {
    return parse_pickle(
               "\x80\x02" + bytes + ".", [](const std::string&) { return true; }, "numbers")
        .root->integer;
  };
  EXPECT_EQ(integer("K\xff"), 255);
  EXPECT_EQ(integer("M\xff\xff"), 65535);
  EXPECT_EQ(integer("J\xff\xff\xff\xff"), -1);
  EXPECT_EQ(integer(std::string("\x8a\0", 2)), 0);
  EXPECT_EQ(integer("\x8a\x02\xff\x7f"), 32767);
  EXPECT_EQ(integer("\x8a\x02\xff\xff"), -1);
  EXPECT_EQ(integer(std::string("\x8a\x05\0\0\0\0\x01", 7)), int64_t{1} << 32);
  EXPECT_THAT(refusal([&] {
                integer(
                    "\x8a\x09"
                    "123456789");
              }),
              HasSubstr("9 bytes"));
}

TEST(TorchPickle, DamageNeverCrashes) {
  const TempFolder folder;
  const std::string good = torch_file({{"first", random_tensor({2, 2}, 1)}, {"second", random_tensor({3}, 2)}});
  ASSERT_EQ(read(good).size(), 2u);
  const int refused = count_refused_mutants(folder / "bad", good, 6000, read_torch_pickle);
  EXPECT_GT(refused, 2000);
  EXPECT_LT(refused, 6000);
}

}  // namespace
}  // namespace peftbench::pickle_test
