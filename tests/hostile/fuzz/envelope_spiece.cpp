// A SentencePiece model as lines of text, so that mutations reach pieces, scores and types: ModelProto has the pieces
// in field 1 ({1: piece, 2: score, 3: type}), and what else it holds is kept as it is.
#include "fuzz/target.h"
#include "support/layers.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace peftbench::hostile {

using namespace layers;

namespace {

// One field of a message; nothing where the bytes end or are damaged.
struct Field {
  std::uint64_t number = 0, value = 0;  // value of a varint or of 4 or 8 bytes
  std::string_view text, whole;
};

bool take_varint(std::string_view& rest, std::uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && !rest.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool take_field(std::string_view& rest, Field& field) {
  const std::string_view before = rest;
  std::uint64_t tag = 0, size = 0;
  if (!take_varint(rest, tag)) return false;
  field = {tag >> 3, 0, {}, {}};
  switch (tag & 7) {
    case 0:
      if (!take_varint(rest, field.value)) return false;
      break;
    case 1:
    case 5:
      size = (tag & 7) == 1 ? 8 : 4;
      if (size > rest.size()) return false;
      std::memcpy(&field.value, rest.data(), size);
      rest.remove_prefix(size);
      break;
    case 2:
      if (!take_varint(rest, size) || size > rest.size()) return false;
      field.text = rest.substr(0, size);
      rest.remove_prefix(size);
      break;
    default:
      return false;
  }
  field.whole = before.substr(0, before.size() - rest.size());
  return true;
}

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

std::string open_model(std::string_view bytes) {
  std::string lines;
  for (Field field; !bytes.empty();) {
    if (!take_field(bytes, field)) return {};
    if (field.number != 1) continue;
    std::string piece;
    float score = 0;
    std::uint64_t type = 1;
    std::string_view message = field.text;
    for (Field part; !message.empty();) {
      if (!take_field(message, part)) return {};
      if (part.number == 1) piece = part.text;
      if (part.number == 2) std::memcpy(&score, &part.value, sizeof score);
      if (part.number == 3) type = part.value;
    }
    lines += "\"" + piece + "\" " + std::to_string(score) + " " + std::to_string(type) + "\n";
  }
  return lines;
}

std::string close_model(std::string_view bytes, std::string_view lines) {
  std::string out;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const std::string line(lines.substr(0, end));
    lines.remove_prefix(std::min(end + 1, lines.size()));
    const std::size_t first = line.find('"'), last = line.rfind('"');
    if (first == std::string::npos) continue;
    const std::string piece = last > first ? line.substr(first + 1, last - first - 1) : std::string();
    std::string message = "\x0a";
    put_varint(message, piece.size());
    message += piece + "\x15";
    char* rest = nullptr;
    const float score = std::strtof(line.c_str() + last + 1, &rest);
    message.append(reinterpret_cast<const char*>(&score), sizeof score);
    if (const std::uint64_t type = std::strtoull(rest, nullptr, 10); type != 1) {
      message += "\x18";
      put_varint(message, type);
    }
    out += "\x0a";
    put_varint(out, message.size());
    out += message;
  }
  for (Field field; !bytes.empty() && take_field(bytes, field);)
    if (field.number != 1) out += field.whole;
  return out;
}

}  // namespace

const Envelope spiece_lines{Syntax::json, open_model, close_model};

}  // namespace peftbench::hostile
