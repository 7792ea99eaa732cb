#include "run/init_context.h"

#include "adapters/tensor_source.h"
#include "core/random.h"

#include <peftbench/error.h>
#include <peftbench/parameter.h>

#include <ATen/CPUGeneratorImpl.h>

namespace peftbench::run {
namespace {

class RunInitContext final : public InitContext {
 public:
  RunInitContext(const InitSources& sources, const std::string& parameter)
      : sources_(sources),
        generator_(at::make_generator<at::CPUGeneratorImpl>(stream_seed(sources.seed, "init/" + parameter))) {}

  at::Generator& generator() override { return generator_; }

  Tensor frozen(std::string_view tensor_name) override {
    const ParameterSite site = sources_.backbone.spec().parameter(tensor_name);
    return sources_.backbone.frozen(site.index).to(c10::kCPU, at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  }

  Tensor embedding_rows(const std::vector<int64_t>& ids) override {
    return sources_.backbone.embedding_rows(ids).cpu();
  }
  int64_t vocab_size() const override { return sources_.backbone.spec().vocab_size; }

  std::vector<int64_t> tokenize(std::string_view text) override {
    if (!sources_.tokenizer)
      throw ConfigError({"initialisation needs token ids, but this backbone has no vocabulary",
                         "no spiece.model in the folder of " + sources_.backbone.spec().name, "a spiece.model",
                         "put the vocabulary into the folder, or choose another initialisation"});
    return sources_.tokenizer->encode(text);
  }

  std::vector<std::string> labels() override { return sources_.labels; }

  Tensor read_tensor(std::string_view path, std::string_view parameter) override {
    return read_parameter(fs::path(path), std::string(parameter), {sources_.finder, sources_.backbone.spec()},
                          sources_.warn);
  }

  void warn(std::string message) override { sources_.warn(std::move(message)); }

 private:
  const InitSources& sources_;
  at::Generator generator_;
};

}  // namespace

CompiledPlan::ContextFactory init_contexts(InitSources sources) {
  auto shared = std::make_shared<const InitSources>(std::move(sources));
  return [shared](const std::string& parameter) { return std::make_unique<RunInitContext>(*shared, parameter); };
}

}  // namespace peftbench::run
