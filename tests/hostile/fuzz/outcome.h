#pragma once

#include "fuzz/target.h"
#include "support/layers.h"

#include <string>
#include <string_view>

namespace peftbench::hostile {

using namespace layers;

enum class Ending { accepted, refused, untold, crash, hang, memory };

constexpr double longest_seconds = 5;           // of the processor, for one input
constexpr std::int64_t most_bytes = 1ll << 30;  // resident, above what the process had before

// What came of an input that ended by itself: accepted, refused, or untold, where what was thrown is no
// peftbench::Error or its message is not fit for a reader. `reason` gets the message of what was thrown.
Ending run_input(const Target& target, std::string_view bytes, std::string& reason);

// Why a message is not fit for a reader; empty where it is. Control characters and bytes that are not UTF-8 are escaped
// where messages are printed, so command_line.py looks for them there.
std::string message_fault(std::string_view message);

}  // namespace peftbench::hostile
