#pragma once

#include "report/figures/svg.h"
#include "report/layer.h"

#include <string>
#include <string_view>

namespace peftbench::report {

// A length in pixels with at most one decimal: 12, 12.5.
std::string pixels(double value);

// A <text> with its attributes: anchor is start, middle or end. `more` are attributes.
std::string svg_text(double x, double y, std::string_view text, std::string_view anchor = "start",
                     std::string_view more = {});

// Pixels that a text takes, about.
double text_width(std::string_view text);

// The element with its title and description, and the style sheet of a file.
std::string svg_element(double width, double height, const std::string& title, const std::string& description,
                        SvgUse use, const std::string& inside);

// The class of a series: "c3", "c3 again".
std::string series_class(std::size_t color);

}  // namespace peftbench::report
