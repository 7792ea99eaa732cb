#include "fuzz/outcome.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <array>
#include <exception>
#include <typeinfo>

namespace peftbench::hostile {

using namespace layers;

std::string message_fault(std::string_view message) {
  if (message.empty()) return "an empty message";
  if (message.size() > 65536) return "a message of more than 64 KB";
  // What libraries write for programmers.
  static constexpr std::array<std::string_view, 14> raw = {"[json.exception",
                                                           "yaml-cpp:",
                                                           "filesystem error",
                                                           "Exception raised from",
                                                           "terminate called",
                                                           "std::",
                                                           "basic_string",
                                                           "vector::_M",
                                                           "stoi",
                                                           "stol",
                                                           "bad_alloc",
                                                           "bad conversion",
                                                           "bad_variant",
                                                           "INTERNAL ASSERT"};
  for (const std::string_view text : raw)
    if (message.find(text) != std::string_view::npos) return "the bare text of a library: " + std::string(text);
  return {};
}

Ending run_input(const Target& target, std::string_view bytes, std::string& reason) {
  try {
    target.run(bytes);
    return Ending::accepted;
  } catch (const Error& error) {
    const std::string fault = message_fault(error.what());
    reason = fault + (fault.empty() ? "" : "\n") + error.what();
    if (fault.empty()) return Ending::refused;
  } catch (const std::exception& error) {
    reason = std::string("an exception of another type: ") + typeid(error).name() + "\n" + error.what();
  } catch (...) {
    reason = "an exception of an unknown type";
  }
  return Ending::untold;
}

}  // namespace peftbench::hostile
