#include "devices/out_of_memory.h"

#include "core/first_line.h"
#include "devices/choice.h"

#include <c10/util/Exception.h>

#include <new>
#include <string>

namespace peftbench::devices {

bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) || dynamic_cast<const c10::OutOfMemoryError*>(&error)) return true;
  const auto* torch = dynamic_cast<const c10::Error*>(&error);
  if (!torch) return false;
  // The CPU's allocator throws the general class.
  const std::string text = torch->what_without_backtrace();
  return text.find("allocate memory") != std::string::npos || text.find("not enough memory") != std::string::npos;
}

OutOfMemoryError out_of_memory(c10::Device device, const std::string& doing, const std::exception& error,
                               const std::string& expected, const std::string& remedy) {
  const auto* torch = dynamic_cast<const c10::Error*>(&error);
  return OutOfMemoryError(
      Problem{.what = "not enough memory on " + (device.is_cpu() ? "the machine" : name_of(device)) + " for " + doing,
              .found = first_line(torch ? torch->what_without_backtrace() : error.what()),
              .expected = expected,
              .remedy = remedy});
}

}  // namespace peftbench::devices
