#pragma once

// An InitContext without a vocabulary or a task, for plans made in tests.
#include "core/random.h"
#include "plan/compiled_plan.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <ATen/CPUGeneratorImpl.h>

namespace peftbench::support {

using namespace layers;

class FakeInitContext final : public InitContext {
 public:
  explicit FakeInitContext(const std::string& parameter, std::function<Tensor(std::string_view)> frozen = {})
      : frozen_(std::move(frozen)), generator_(at::make_generator<at::CPUGeneratorImpl>(stream_seed(0, parameter))) {}
  at::Generator& generator() override { return generator_; }
  Tensor frozen(std::string_view name) override {
    return frozen_ ? frozen_(name) : throw Error("no frozen tensors here");
  }
  Tensor embedding_rows(const std::vector<int64_t>&) override { throw Error("no embeddings here"); }
  int64_t vocab_size() const override { return 0; }
  std::vector<int64_t> tokenize(std::string_view) override { throw ConfigError("no vocabulary here"); }
  std::vector<std::string> labels() override { return {}; }
  Tensor read_tensor(std::string_view, std::string_view) override { throw Error("no files here"); }
  void warn(std::string) override {}

 private:
  std::function<Tensor(std::string_view)> frozen_;
  at::Generator generator_;
};

inline void initialise(CompiledPlan& plan, std::function<Tensor(std::string_view)> frozen = {}) {
  plan.initialise([&](const std::string& parameter) { return std::make_unique<FakeInitContext>(parameter, frozen); });
}

}  // namespace peftbench::support
