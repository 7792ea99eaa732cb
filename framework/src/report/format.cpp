#include "report/format.h"

#include "core/utf8.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <cmath>

namespace peftbench::report {
namespace {

// Columns of a terminal; a byte that is not UTF-8 is shown as one sign.
std::size_t columns(std::int32_t code) { return code < 0 ? 1 : static_cast<std::size_t>(utf8proc_charwidth(code)); }

}  // namespace

std::string format_bytes(std::int64_t bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (std::abs(value) >= 1024 && unit < 4) value /= 1024, ++unit;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.{}f} {}", value, value < 10 ? 1 : 0, units[unit]);
}

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "unknown";
  if (seconds < 0.9995) return fmt::format("{:.0f} ms", seconds * 1000);
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<long long>(std::llround(seconds));
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

std::string format_percent(double share) {
  const double percent = share * 100;
  if (!std::isfinite(percent)) return "undefined";
  if (percent == 0) return "0 %";
  // Three digits that count, never as a power of ten.
  const int decimals = std::max(0, 2 - static_cast<int>(std::floor(std::log10(std::abs(percent)))));
  return fmt::format("{:.{}f} %", percent, std::min(decimals, 12));
}

std::string format_quantity(double value, std::string_view unit) {
  if (!std::isfinite(value)) return "undefined";
  const char* prefixes[] = {"", "k", "M", "G", "T", "P", "E"};
  int prefix = 0;
  while (std::abs(value) >= 999.5 && prefix < 6) value /= 1000, ++prefix;
  const int decimals = value == 0 || std::abs(value) >= 99.95 ? 0 : std::abs(value) >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f} {}{}", value, decimals, prefixes[prefix], unit);
}

std::string format_score(double value) { return std::isfinite(value) ? fmt::format("{:.3f}", value) : "undefined"; }

std::string with_capital(std::string text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto first = std::find_if(text.begin(), text.end(), is_letter);
  if (first != text.end() && *first >= 'a') *first = static_cast<char>(*first - 'a' + 'A');
  return text;
}

std::size_t display_width(std::string_view utf8) {
  std::size_t width = 0;
  for (std::size_t i = 0; i < utf8.size();) {
    const Utf8Character c = character_at(utf8, i);
    width += columns(c.code);
    i += c.size;
  }
  return width;
}

std::string cut_to_width(std::string_view utf8, std::size_t width) {
  if (display_width(utf8) <= width) return std::string(utf8);
  if (width == 0) return {};
  std::string cut;
  std::size_t used = 0;
  for (std::size_t i = 0; i < utf8.size();) {
    const Utf8Character c = character_at(utf8, i);
    if (used + columns(c.code) > width - 1) break;
    cut.append(utf8.substr(i, c.size));
    used += columns(c.code);
    i += c.size;
  }
  return cut + "…";
}

std::string wrap(std::string_view text, std::size_t width, std::size_t indent) {
  std::string result;
  std::size_t column = indent;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = text.find_first_not_of(' ', at);
    if (start == std::string_view::npos) break;
    const std::size_t end = std::min(text.find(' ', start), text.size());
    const std::string_view word = text.substr(start, end - start);
    const std::size_t length = display_width(word);
    const bool first = result.empty();
    if (!first && column + 1 + length > width) {
      result += '\n' + std::string(indent, ' ');
      column = indent;
    } else if (!first) {
      result += ' ';
      ++column;
    }
    result += word;
    column += length;
    at = end;
  }
  return result;
}

}  // namespace peftbench::report
