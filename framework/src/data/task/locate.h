#pragma once

#include "data/layer.h"
#include "data/readers/source_spec.h"
#include "data/task/task.h"

#include <string>
#include <vector>

namespace peftbench::data {

// Where a task's data was found: one alternative of its source, completely in one folder.
struct FoundSource {
  SourceSpec source;                              // as the files are read
  fs::path folder;                                // the names of the files are relative to it
  std::vector<fs::path> train, validation, test;  // patterns resolved, in order of their names
};

// A place that was looked at.
struct LookedAt {
  fs::path folder;
  std::vector<std::string> found, missing;  // files or patterns
  bool broken_off = false;                  // a fetch into this folder did not end
  bool shards_missing = false;              // of x-00000-of-00003 and so on some are there
};

struct Search {
  std::vector<LookedAt> places;      // in their order, up to the one that has all
  std::vector<FoundSource> results;  // one, or none
};

// Looks beside the task's YAML, in the data folder (the task's own folder in it, the source's `folders`, the folder
// itself, and its parent where the file's folder is the data folder), and in the hub's caches. The first way of which a
// folder holds all files is taken; but where that folder holds all of a way that names more beside these, it is that's.
Search search_source(const TaskConfig& config, const fs::path& data_root);

// The same; throws a DataError that says where it looked and how to get the data.
FoundSource find_source(const TaskConfig& config, const fs::path& data_root);

// What it found, a line for each folder.
std::vector<std::string> lines_of(const Search& search);

// The files of each alternative, one line each.
std::vector<std::string> wanted_files(const SourceSpec& source);

// Instructions for getting the data of this task; after a search, the missing parts if most files exist.
std::string how_to_get(const TaskConfig& config);
std::string how_to_get(const TaskConfig& config, const Search& search);

}  // namespace peftbench::data
