#pragma once

#include "core/descriptor.h"
#include "core/files.h"

#include <vector>

// The files that are mapped now. The system answers a read behind the end of one that became shorter with SIGBUS, and
// only this list can tell which it was.
namespace peftbench::mapped_files {

// `descriptor` stays open: it is this file's where another takes its name.
void add(const MappedFile& file, Descriptor descriptor);
void remove(const MappedFile& file);

// Those that somebody wrote into since they were opened: what is mapped is no longer what it was.
std::vector<fs::path> changed();

// The path of the file whose mapping holds the address; null where none does. For a handler of signals: nothing is
// allocated or locked.
const char* path_at(const void* address) noexcept;

}  // namespace peftbench::mapped_files
