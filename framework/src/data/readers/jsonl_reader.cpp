#include "data/readers/jsonl_reader.h"

namespace peftbench::data {

JsonlReader::JsonlReader(fs::path file, std::vector<std::string> records, RowLimits limits, int stream)
    : NestedReader(std::move(file), std::move(records), limits), in_(file_, stream) {}

bool JsonlReader::next_document(Json& document) {
  for (std::string line; in_.line(line, limits_.bytes);) {
    ++line_;
    if (line.size() > limits_.bytes) too_long("the line", "check that the file has lines");
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    document =
        parse(line, R"(one JSON object per line: {"text": "…", "label": "…"})",
              line.front() == '[' ? "write each list item on its own line, or set 'format: json'" : "fix this line");
    if (!document.is_object()) {
      fail("the line is not a JSON object", std::string("a JSON ") + document.type_name(),
           R"({"text": "…", "label": "…"})",
           document.is_array() ? "use an object with named fields, or set 'format: json' if the file is one list" : "");
    }
    if (line_ == 1 && document.size() == 1 && document.contains("header")) continue;
    return true;
  }
  return false;
}

}  // namespace peftbench::data
