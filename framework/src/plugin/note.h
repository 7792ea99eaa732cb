#pragma once

#include "core/files.h"
#include "plugin/layer.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace peftbench::plugin {

// `key=value` of an ABI note, in its order.
using NoteFields = std::vector<std::pair<std::string, std::string>>;

// What this host was built with.
std::string host_note_fields();

// The fields of "key=value;key=value;"; nothing if the text is not of that form.
std::optional<NoteFields> parse_note_fields(std::string_view fields);

// The first complete note in these bytes, without marks. A mark without a well-formed note is skipped.
std::optional<std::string> find_note(std::string_view bytes);

// For a plugin file before loading: checks that it is a complete shared library for this machine and returns the
// fields of its note. Throws PluginError(PluginStep::note).
std::string read_note(const fs::path& file);

// Throws PluginError(step) that names every field in which the two differ.
void check_note(const fs::path& file, std::string_view plugin_fields, std::string_view host_fields, bool in_file);

}  // namespace peftbench::plugin
