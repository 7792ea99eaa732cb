#pragma once

#include "backbone/backbone.h"
#include "backbone/layer.h"

#include <string>

namespace peftbench::backbone {

// Called before results are printed or stored: throws Error if a file in use was modified.
void require_unchanged_files();
// `checksum` is the backbone's as it was loaded: where it still is the same, files that were only touched do no harm.
void require_unchanged_files(const Backbone& backbone, const std::string& checksum);

}  // namespace peftbench::backbone
