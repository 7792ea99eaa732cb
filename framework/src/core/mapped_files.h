#pragma once

#include "core/descriptor.h"
#include "core/files.h"
#include "core/layer.h"

#include <vector>

// The currently mapped files. Reading beyond the end of a truncated file causes SIGBUS, and
// this list is needed to identify the file.
namespace peftbench::core::mapped_files {

// `descriptor` stays open: it refers to this file even if another one gets its name.
void add(const MappedFile& file, Descriptor descriptor);
void remove(const MappedFile& file);

// Files that were modified since they were opened, so that their mapped contents have changed.
std::vector<fs::path> changed();

// The path of the file whose mapping contains the address, or null. For signal handlers: nothing is
// allocated or locked.
const char* path_at(const void* address) noexcept;

}  // namespace peftbench::core::mapped_files
