#pragma once

#include "core/files.h"
#include "core/layer.h"

#include <peftbench/error.h>

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// All JSON input is parsed here. No level deeper than `max_json_depth`, no duplicate keys, no number that a double
// cannot hold, UTF-8 throughout, and no text after the value; linear time.
namespace peftbench::core {

constexpr std::size_t max_json_depth = 64;

struct JsonFault {
  std::string what;          // "unexpected end of input", fit for a message
  std::size_t line = 0;      // of the fault, from 1
  std::size_t column = 0;    // bytes, from 1
  std::string text() const;  // "line 3, column 5: …"
};

enum class Numbers {
  rounded,     // to 64-bit integers and doubles
  as_written,  // numbers that this would change (integers beyond 64 bits, 1.10, 1e3) become strings
};

// `Json` is nlohmann::json or nlohmann::ordered_json. Nothing if the text is not JSON; `fault` then has the reason.
template <class Json>
std::optional<Json> parse_json(std::string_view text, JsonFault& fault, Numbers numbers = Numbers::rounded);

// The same for a file, or for a part of it, described by `where`. Throws `Failure` (DataError, CheckpointError,
// ConfigError) if it is not JSON, with `remedy`. read_json also throws DataError if the file cannot be read.
template <class Json, class Failure = DataError>
Json parse_json(std::string_view text, const std::string& where, const std::string& remedy = {}) {
  JsonFault fault;
  std::optional<Json> json = parse_json<Json>(text, fault);
  if (!json) throw Failure(Problem{where + " is not JSON", fault.text(), "JSON", remedy});
  return std::move(*json);
}
template <class Json, class Failure = DataError>
Json read_json(const fs::path& file, const std::string& remedy = {}) {
  return parse_json<Json, Failure>(read_text(file), file.string(), remedy);
}

// The value of a whole number between −2^63 and 2^63 − 1; nothing for any other JSON. Json::get would wrap.
template <class Json>
std::optional<std::int64_t> json_integer(const Json& value);

// A string unchanged, any other value as JSON.
template <class Json>
std::string json_text(const Json& value);

}  // namespace peftbench::core
