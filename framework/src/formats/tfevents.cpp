#include "formats/tfevents.h"

#include <boost/crc.hpp>

#include <bit>
#include <optional>

namespace peftbench::formats {
namespace {

// Fields of Event, Summary and Summary.Value (tensorboard/compat/proto/{event,summary}.proto).
enum Field : std::uint32_t {
  event_wall_time = 1,
  event_step = 2,
  event_file_version = 3,
  event_summary = 5,
  summary_value = 1,
  value_tag = 1,
  value_simple = 2,
};
enum WireType : std::uint32_t { wire_varint = 0, wire_fixed64 = 1, wire_bytes = 2, wire_fixed32 = 5 };

constexpr std::size_t length_bytes = 8, crc_bytes = 4, time_bytes = 8;

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

template <class Whole>
void put_fixed(std::string& out, Whole value) {
  for (std::size_t byte = 0; byte < sizeof value; ++byte) out += static_cast<char>(value >> (8 * byte) & 0xff);
}

void put_key(std::string& out, Field field, WireType type) { put_varint(out, field << 3 | type); }

void put_bytes(std::string& out, Field field, std::string_view bytes) {
  put_key(out, field, wire_bytes);
  put_varint(out, bytes.size());
  out += bytes;
}

template <class Whole>
Whole fixed_at(std::string_view bytes) {
  Whole value = 0;
  for (std::size_t byte = 0; byte < sizeof value; ++byte)
    value |= static_cast<Whole>(static_cast<unsigned char>(bytes[byte])) << (8 * byte);
  return value;
}

// As TFRecords store it: rotated and shifted, so that a CRC of bytes that hold CRCs stays a good one.
std::uint32_t masked_crc(std::string_view bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> castagnoli;
  castagnoli.process_bytes(bytes.data(), bytes.size());
  return std::rotr(static_cast<std::uint32_t>(castagnoli.checksum()), 15) + 0xa282ead8U;
}

std::string framed(std::string_view message) {
  std::string record;
  put_fixed(record, static_cast<std::uint64_t>(message.size()));
  put_fixed(record, masked_crc(record));
  record += message;
  put_fixed(record, masked_crc(message));
  return record;
}

// The message of the record at the beginning; nothing if it is not whole.
std::optional<std::string_view> message_at(std::string_view file) {
  if (file.size() < length_bytes + crc_bytes) return std::nullopt;
  const std::string_view length = file.substr(0, length_bytes);
  if (fixed_at<std::uint32_t>(file.substr(length_bytes)) != masked_crc(length)) return std::nullopt;
  const auto size = fixed_at<std::uint64_t>(length);
  file.remove_prefix(length_bytes + crc_bytes);
  if (file.size() < crc_bytes || size > file.size() - crc_bytes) return std::nullopt;
  const std::string_view message = file.substr(0, size);
  if (fixed_at<std::uint32_t>(file.substr(size)) != masked_crc(message)) return std::nullopt;
  return message;
}

std::string message_begun(double wall_time) {
  std::string message;
  put_key(message, event_wall_time, wire_fixed64);
  put_fixed(message, std::bit_cast<std::uint64_t>(wall_time));
  return message;
}

// The wall time that message_begun wrote; nothing in another program's message.
std::optional<double> wall_time_of(std::string_view message) {
  if (message.size() < 1 + time_bytes || message.front() != static_cast<char>(event_wall_time << 3 | wire_fixed64))
    return std::nullopt;
  return std::bit_cast<double>(fixed_at<std::uint64_t>(message.substr(1)));
}

}  // namespace

std::string tf_file_version(double wall_time) {
  std::string message = message_begun(wall_time);
  put_bytes(message, event_file_version, "brain.Event:2");
  return framed(message);
}

std::string tf_record(const TfEvent& event) {
  std::string summary;
  for (const TfScalar& scalar : event.scalars) {
    std::string value;
    put_bytes(value, value_tag, scalar.tag);
    put_key(value, value_simple, wire_fixed32);
    put_fixed(value, std::bit_cast<std::uint32_t>(scalar.value));
    put_bytes(summary, summary_value, value);
  }
  std::string message = message_begun(event.wall_time);
  put_key(message, event_step, wire_varint);
  put_varint(message, static_cast<std::uint64_t>(event.step));
  put_bytes(message, event_summary, summary);
  return framed(message);
}

TfBeginning tf_beginning(std::string_view file, const std::vector<TfEvent>& events) {
  TfBeginning found;
  // Of what is at found.bytes, the record that `write` gives with its wall time.
  const auto continues = [&](const auto& write) {
    const std::string_view rest = file.substr(found.bytes);
    const auto message = message_at(rest);
    const auto wall_time = message ? wall_time_of(*message) : std::nullopt;
    if (!wall_time) return false;
    const std::string record = write(*wall_time);
    if (!rest.starts_with(record)) return false;
    found.bytes += record.size();
    return true;
  };
  if (!continues(tf_file_version)) return found;
  for (TfEvent event : events) {
    const auto write = [&](double wall_time) {
      event.wall_time = wall_time;
      return tf_record(event);
    };
    if (!continues(write)) break;
    ++found.events;
  }
  return found;
}

}  // namespace peftbench::formats
