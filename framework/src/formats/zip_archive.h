#pragma once

#include "core/files.h"
#include "formats/layer.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace peftbench::formats {

// Entries of a zip file by name, as spans of the mapping: all must be stored, none compressed, as torch.save writes
// them. Understands Zip64. Throws CheckpointError; whatever the bytes, no span leaves the file.
std::map<std::string, std::string_view> read_stored_zip(const MappedFile& file);

}  // namespace peftbench::formats
