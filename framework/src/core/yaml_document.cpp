#include "core/yaml_document.h"

#include "core/utf8.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>
#include <string_view>
#include <vector>

namespace peftbench::core {

namespace {

// The first line that a tab indents; 0 if there is none.
int tabbed_line(std::string_view text) {
  int line = 1;
  bool indentation = true;
  for (const char c : text) {
    if (indentation && c == '\t') return line;
    indentation = c == '\n' || (indentation && c == ' ');
    if (c == '\n') ++line;
  }
  return 0;
}

[[noreturn]] void refuse(const fs::path& file, int line, const std::string& what, const std::string& found,
                         const std::string& expected, const std::string& remedy) {
  throw ConfigError(Problem{file.string() + ":" + std::to_string(line) + ": " + what, found, expected, remedy});
}

// Walks the events of a document before any node is made, and measures what the nodes would be.
class Limits final : public YAML::EventHandler {
 public:
  explicit Limits(const fs::path& file) : file_(file) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { leaf(mark, anchor); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, const std::string&) override {
    leaf(mark, anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = measured_.find(anchor);
    if (found == measured_.end())
      refuse(file_, mark.line + 1, "recursive alias", "a value that contains itself", "values without cycles",
             "write the value out in full");
    add(mark, found->second);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    begin(mark, anchor);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    begin(mark, anchor);
  }
  void OnMapEnd() override { end(); }

 private:
  struct Size {
    std::size_t nodes = 1, depth = 0;  // aliases replaced by what they refer to; levels below the node
  };
  struct Open {
    YAML::anchor_t anchor;
    YAML::Mark mark;
    Size size;
  };

  void leaf(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) measured_[anchor] = {};
    add(mark, {});
  }
  void begin(const YAML::Mark& mark, YAML::anchor_t anchor) {
    check_depth(mark, open_.size() + 1);
    open_.push_back({anchor, mark, {}});
  }
  void end() {
    const Open closed = open_.back();
    open_.pop_back();
    if (closed.anchor != YAML::NullAnchor) measured_[closed.anchor] = closed.size;
    add(closed.mark, closed.size);
  }
  void add(const YAML::Mark& mark, const Size& size) {
    check_depth(mark, open_.size() + size.depth);
    std::size_t& nodes = open_.empty() ? root_.nodes : open_.back().size.nodes;
    nodes += size.nodes;
    if (!open_.empty()) open_.back().size.depth = std::max(open_.back().size.depth, size.depth + 1);
    if (nodes > max_yaml_nodes)
      refuse(file_, mark.line + 1, "too many values", "more than " + std::to_string(max_yaml_nodes),
             "a settings file; each alias counts as all values that it refers to", "remove values");
  }
  void check_depth(const YAML::Mark& mark, std::size_t depth) const {
    if (depth > max_yaml_depth)
      refuse(file_, mark.line + 1, "nested too deeply", "more than " + std::to_string(max_yaml_depth) + " levels",
             "at most " + std::to_string(max_yaml_depth), "nest the values less deeply");
  }

  const fs::path& file_;
  std::map<YAML::anchor_t, Size> measured_;
  std::vector<Open> open_;
  Size root_;
};

void check(const std::string& text, const fs::path& file) {
  if (text.size() > max_yaml_bytes)
    refuse(file, 1, "the file is too large", std::to_string(text.size()) + " bytes",
           "at most " + std::to_string(max_yaml_bytes) + " bytes of YAML", "give the YAML file, not the data");
  if (const std::size_t nul = text.find('\0'); nul != std::string::npos) {
    const auto line = static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(nul), '\n'));
    refuse(file, line + 1, "not YAML", "a NUL character", "a text file in UTF-8", "save the file as UTF-8 text");
  }
  if (const std::optional<std::size_t> at = invalid_utf8(text)) {
    const auto line = static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(*at), '\n'));
    refuse(file, line + 1, "not UTF-8", printable(std::string_view(text).substr(*at, 16)), "a text file in UTF-8",
           "save the file as UTF-8 text");
  }
  std::istringstream in(text);
  YAML::Parser parser(in);
  Limits limits(file);
  if (parser.HandleNextDocument(limits)) {
    Limits second(file);
    if (parser.HandleNextDocument(second))
      refuse(file, 1, "more than one YAML document", "a second document after '---'", "one document",
             "keep one document in the file");
  }
}

}  // namespace

YAML::Node parse_yaml(const std::string& text, const fs::path& file) {
  try {
    check(text, file);
    return YAML::Load(text);
  } catch (const YAML::Exception& error) {
    if (const int line = tabbed_line(text); line > 0)
      refuse(file, line, "not YAML", "a tab at the beginning of the line",
             "spaces: YAML does not allow tabs for indentation", "indent the line with two spaces");
    refuse(file, std::max(error.mark.line, 0) + 1, "not YAML", printable(error.msg, 300), {},
           "correct the line; a string that contains ': ', '{', '#' or a quote must be quoted");
  }
}

YAML::Node read_yaml(const fs::path& file) {
  std::string text;
  try {
    text = read_text(file);
  } catch (const DataError& error) {  // the same fault, but in the configuration
    throw ConfigError(error.what());
  }
  return parse_yaml(text, file);
}

}  // namespace peftbench::core
