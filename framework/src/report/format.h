#pragma once

#include "report/layer.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace peftbench::report {

std::string format_bytes(std::int64_t bytes);                      // 312 MiB
std::string format_duration(double seconds);                       // 850 ms, 12.3 s, 4 min 05 s, 2 h 10 min
std::string format_percent(double share);                          // 0.0000368 → 0.00368 %
std::string format_quantity(double value, std::string_view unit);  // 1.85 GFLOP, 532 J: three digits
std::string format_score(double value);                            // 0.612; "undefined" for NaN

std::string with_capital(std::string text);  // its first ASCII letter

// Columns of a terminal that the text takes: code points, with those of double width counted twice.
std::size_t display_width(std::string_view utf8);
std::string cut_to_width(std::string_view utf8, std::size_t width);  // an ellipsis at the end if it was cut

// `text` in lines of at most `width` columns, each but the first after `indent` spaces.
std::string wrap(std::string_view text, std::size_t width, std::size_t indent);

}  // namespace peftbench::report
