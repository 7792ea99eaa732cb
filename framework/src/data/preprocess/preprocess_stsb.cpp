#include "core/utf8.h"
#include "data/preprocess/preprocessors.h"

#include <cmath>
#include <cstdio>

namespace peftbench::data {

bool preprocess_stsb(RowFields& fields, TextExample&, Preprocessor::Part part) {
  if (part == Preprocessor::Part::input) return false;  // it makes nothing but the answer
  const std::string asked = "the preprocessor 'stsb'";
  const std::optional<std::string> given = fields.find("score");
  if (!given || given->empty()) return false;
  const auto score = static_cast<float>(fields.number("score", asked));
  if (score == -1.0F) return false;
  if (score < 0 || score > 5)
    fields.row().fail("the score is out of range", printable(*given), "0 to 5, as " + asked + " requires");
  char text[16];
  std::snprintf(text, sizeof text, "%.1f", static_cast<double>(std::nearbyint(score * 5.0F) / 5.0F));  // half to even
  fields.set("score", text);
  return true;
}

}  // namespace peftbench::data
