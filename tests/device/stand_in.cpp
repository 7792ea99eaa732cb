#include "device/stand_in.h"

#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/_local_scalar_dense_native.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/view_native.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/util/Exception.h>
#include <torch/library.h>

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

namespace peftbench::support {
namespace {

constexpr c10::DeviceType type = c10::kPrivateUse1;
const c10::Device device(type, 0);

std::atomic<std::int64_t> to_device_count, to_cpu_count;
thread_local bool inside_fallback = false;  // what it copies is not a transfer of the program

std::atomic<std::int64_t> memory_taken, memory_peak, memory_limit;

void give_back(void* block) {
  memory_taken -= static_cast<std::int64_t>(::malloc_usable_size(block));
  std::free(block);
}

class Memory final : public c10::DeviceAllocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    if (bytes == 0) return {nullptr, nullptr, &give_back, device};
    const std::int64_t limit = memory_limit;
    TORCH_CHECK_WITH(OutOfMemoryError, limit == 0 || memory_taken + static_cast<std::int64_t>(bytes) <= limit,
                     "stand_in out of memory. Tried to allocate ", bytes, " bytes.");
    void* block = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
    const std::int64_t taken = memory_taken += static_cast<std::int64_t>(::malloc_usable_size(block));
    for (std::int64_t peak = memory_peak; taken > peak && !memory_peak.compare_exchange_weak(peak, taken);) {
    }
    return {block, block, &give_back, device};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { default_copy_data(to, from, bytes); }

  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override {}
  void recordStream(const c10::DataPtr&, c10::Stream) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex) override {
    c10::CachingDeviceAllocator::DeviceStats stats;
    auto& bytes = stats.allocated_bytes[static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE)];
    bytes.current = memory_taken;
    bytes.peak = memory_peak;
    return stats;
  }
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex) override { memory_peak = memory_taken.load(); }
};
Memory memory;

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return support::type; }
  c10::Device exchangeDevice(c10::Device) const override { return device; }
  c10::Device getDevice() const override { return device; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device) const override { return c10::Stream(c10::Stream::DEFAULT, device); }
  c10::Stream getDefaultStream(c10::Device) const override { return getStream(device); }
  c10::Stream exchangeStream(c10::Stream) const override { return getStream(device); }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void**, const c10::Stream&, const c10::DeviceIndex, const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void*, const c10::DeviceIndex) const noexcept override {}
  bool queryStream(const c10::Stream&) const override { return true; }
  void synchronizeStream(const c10::Stream&) const override {}
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex) const override { return 0; }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex) const override { return 0; }
};

// The same memory as a tensor of the CPU.
at::Tensor on_cpu(const at::Tensor& tensor) {
  if (tensor.is_cpu()) return tensor;
  return at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(), tensor.options().device(c10::kCPU));
}

c10::DispatchKeySet keys() { return c10::DispatchKeySet(c10::DispatchKey::PrivateUse1); }

at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
                 std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::Tensor(at::detail::empty_generic(size, &memory, keys(), dtype.value_or(at::kFloat), format));
}

at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride, std::optional<at::ScalarType> dtype,
                         std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
  return at::Tensor(at::detail::empty_strided_generic(size, stride, &memory, keys(), dtype.value_or(at::kFloat)));
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool) {
  if (!inside_fallback && from.is_cpu() != to.is_cpu()) ++(from.is_cpu() ? to_device_count : to_cpu_count);
  on_cpu(to).copy_(on_cpu(from));
  return to;
}

at::Tensor copy_from_and_resize(const at::Tensor& from, const at::Tensor& to) {
  to.resize_(from.sizes());
  return copy_from(from, to, false);
}

at::Scalar local_scalar_dense(const at::Tensor& number) {
  if (!inside_fallback) ++to_cpu_count;
  return at::native::_local_scalar_dense_cpu(on_cpu(number));
}

// What accelerators have in one kernel, and the CPU has not: one step of an LSTM. `workspace` [B, 4·H] is what the
// backward pass needs, the gates after their functions.
std::tuple<at::Tensor, at::Tensor, at::Tensor> lstm_cell(const at::Tensor& input_gates, const at::Tensor& hidden_gates,
                                                         const at::Tensor& cell,
                                                         const std::optional<at::Tensor>& input_bias,
                                                         const std::optional<at::Tensor>& hidden_bias) {
  at::Tensor gates = input_gates + hidden_gates;
  if (input_bias && input_bias->defined()) gates = gates + *input_bias + *hidden_bias;
  const std::vector<at::Tensor> parts = gates.chunk(4, 1);  // input, forget, cell, output
  const at::Tensor in = parts[0].sigmoid(), forget = parts[1].sigmoid(), next = parts[2].tanh(),
                   out = parts[3].sigmoid();
  const at::Tensor state = forget * cell + in * next;
  return {out * state.tanh(), state, at::cat({in, forget, next, out}, 1)};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> lstm_cell_backward(const std::optional<at::Tensor>& of_output,
                                                                  const std::optional<at::Tensor>& of_state,
                                                                  const at::Tensor& cell, const at::Tensor& state,
                                                                  const at::Tensor& workspace, bool has_bias) {
  const std::vector<at::Tensor> parts = workspace.chunk(4, 1);
  const at::Tensor &in = parts[0], &forget = parts[1], &next = parts[2], &out = parts[3];
  const at::Tensor squashed = state.tanh();
  const at::Tensor output = of_output && of_output->defined() ? *of_output : at::zeros_like(state);
  at::Tensor through = output * out * (1 - squashed.square());
  if (of_state && of_state->defined()) through = through + *of_state;
  const at::Tensor gates = at::cat({through * next * in * (1 - in), through * cell * forget * (1 - forget),
                                    through * in * (1 - next.square()), output * squashed * out * (1 - out)},
                                   1);
  return {gates, through * forget, has_bias ? gates.sum(0) : at::Tensor()};
}

void require_one_device(const at::Tensor& tensor, const c10::OperatorHandle& op) {
  TORCH_CHECK(!tensor.defined() || tensor.device().type() == type || tensor.dim() == 0, op.schema().name(),
              ": a tensor ", tensor.sizes(), " of the CPU among tensors of the device");
}

void fallback(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  for (const c10::IValue& argument : torch::jit::last(*stack, op.schema().arguments().size())) {
    if (argument.isTensor()) require_one_device(argument.toTensor(), op);
    if (argument.isTensorList())
      for (const at::Tensor& tensor : argument.toTensorVector()) require_one_device(tensor, op);
  }
  struct Inside {
    bool before = std::exchange(inside_fallback, true);
    ~Inside() { inside_fallback = before; }
  } inside;
  at::native::cpu_fallback(op, stack);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", empty);
  library.impl("empty_strided", empty_strided);
  library.impl("as_strided", at::native::as_strided_tensorimpl);
  library.impl("view", at::native::view);
  library.impl("_reshape_alias", at::native::_reshape_alias);
  library.impl("resize_", at::native::resize_);
  library.impl("set_.source_Tensor", at::native::set_tensor_);
  library.impl("set_.source_Storage_storage_offset", at::native::set_storage_cpu_);
  library.impl("_copy_from", copy_from);
  library.impl("_copy_from_and_resize", copy_from_and_resize);
  library.impl("_local_scalar_dense", local_scalar_dense);
  library.impl("_thnn_fused_lstm_cell", lstm_cell);
  library.impl("_thnn_fused_lstm_cell_backward_impl", lstm_cell_backward);
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&fallback>());
}

}  // namespace

c10::Device stand_in_device() {
  static Hooks hooks;
  static const bool once = [] {
    c10::register_privateuse1_backend("stand_in");
    at::RegisterPrivateUse1HooksInterface(&hooks);
    c10::SetAllocator(type, &memory);
    return true;
  }();
  (void)once;
  return device;
}

Transfers transfers() { return {to_device_count, to_cpu_count}; }

void limit_memory(std::int64_t bytes) { memory_limit = bytes; }

}  // namespace peftbench::support
