#pragma once

#include "core/files.h"
#include "core/layer.h"

#include <functional>
#include <string_view>

namespace peftbench::core {

// Output folders and files, in addition to write_atomically (core/files.h). Errors name the file and the system's
// reason: UserError if another path or other permissions are needed, otherwise Error.

void make_folder(const fs::path& folder);                     // with its parents
bool can_write_in(const fs::path& folder);                    // creates it if missing
void flush_folder(const fs::path& folder);                    // writes its entries to the disk
void replace_file(const fs::path& from, const fs::path& to);  // renames, and flushes the folder
void remove_file(const fs::path& path);                       // if it exists, and flushes the folder
void remove_folder(const fs::path& folder);                   // with its contents; of a link only the link
void refuse_link(const fs::path& folder);                     // Throws UserError for a symbolic link
void remove_unfinished(const fs::path& folder);               // incomplete files of dead processes
void remove_unfinished_of(const fs::path& file);              // of this file alone: FILE.tmp-PROCESS-NUMBER

// A folder that is written atomically: it is written as FOLDER.unfinished and renamed. The remains of a dead
// process are removed. `folder` may exist if it is empty.
void write_folder(const fs::path& folder, const std::function<void(const fs::path&)>& write);

// Called before new weights are written: removes a description that differs from theirs. If the process is killed in
// between, weights without a description remain, never with that of other weights.
void retract_other(const fs::path& description, std::string_view text);

}  // namespace peftbench::core
