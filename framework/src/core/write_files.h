#pragma once

#include "core/files.h"

#include <functional>
#include <string_view>

namespace peftbench {

// Folders and files that we write, beside write_atomically (core/files.h). What fails names the file and the system's
// reason: UserError where another path or other permissions are needed, else Error.

void make_folder(const fs::path& folder);                     // and those above it
bool can_write_in(const fs::path& folder);                    // which is made where it is absent
void flush_folder(const fs::path& folder);                    // its entries are on the disk when it returns
void replace_file(const fs::path& from, const fs::path& to);  // renames, and flushes the folder
void remove_file(const fs::path& path);                       // if it is there, and flushes the folder
void remove_folder(const fs::path& folder);                   // with all in it; a link alone where it is one
void refuse_link(const fs::path& folder);                     // Throws UserError: what we write stays where we said
void remove_unfinished(const fs::path& folder);               // files that processes which died had begun to write

// A folder of which either all or nothing is there: it is written under FOLDER.unfinished and renamed. What a process
// that died left there is removed. `folder` may be there and empty.
void write_folder(const fs::path& folder, const std::function<void(const fs::path&)>& write);

// Before new weights are written beside their description: removes a description that says something else. Killed in
// between, weights without a description are left, never with that of others.
void retract_other(const fs::path& description, std::string_view text);

}  // namespace peftbench
