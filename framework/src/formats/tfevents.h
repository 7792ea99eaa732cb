#pragma once

#include "formats/layer.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Event files of TensorBoard: TFRecords (length, masked CRC-32C of it, bytes, masked CRC-32C of them), each a protobuf
// message `Event`.
namespace peftbench::formats {

struct TfScalar {
  std::string tag;
  float value = 0;
};

// The scalars of one step.
struct TfEvent {
  double wall_time = 0;  // seconds since 1970
  std::int64_t step = 0;
  std::vector<TfScalar> scalars;
};

// The record that every event file begins with.
std::string tf_file_version(double wall_time);
std::string tf_record(const TfEvent& event);

// How much of an event file is what these events give, in their order and whatever the wall times are.
struct TfBeginning {
  std::size_t bytes = 0;   // whole records, the version's included; 0: not even that one
  std::size_t events = 0;  // of `events` that they hold
};
TfBeginning tf_beginning(std::string_view file, const std::vector<TfEvent>& events);

}  // namespace peftbench::formats
