#pragma once

#include "backbone/backbone.h"

#include <string>

namespace peftbench {

// Before anything that was computed is told or kept: throws Error where somebody wrote into a file that is in use.
void require_unchanged_files();
// `checksum` is the backbone's as it was loaded: where it still is the same, files that were only touched do no harm.
void require_unchanged_files(const Backbone& backbone, const std::string& checksum);

}  // namespace peftbench
