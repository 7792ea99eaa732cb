#include "devices/memory.h"

#include <c10/core/CachingDeviceAllocator.h>

namespace peftbench::devices {
namespace {

// Null where there is none that keeps statistics.
c10::DeviceAllocator* allocator_of(c10::Device device) {
  if (device.is_cpu()) return nullptr;
  auto* allocator = dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(device.type()));
  return allocator && allocator->initialized() ? allocator : nullptr;
}

c10::DeviceIndex number_of(c10::Device device) { return device.has_index() ? device.index() : c10::DeviceIndex{0}; }

}  // namespace

std::optional<std::int64_t> peak_memory_of(c10::Device device) {
  auto* allocator = allocator_of(device);
  if (!allocator) return std::nullopt;
  const auto all = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  return allocator->getDeviceStats(number_of(device)).allocated_bytes[all].peak;
}

void reset_peak_memory_of(c10::Device device) {
  if (auto* allocator = allocator_of(device)) allocator->resetPeakStats(number_of(device));
}

void release_memory_of(c10::Device device) {
  if (auto* allocator = allocator_of(device)) allocator->emptyCache();
}

}  // namespace peftbench::devices
