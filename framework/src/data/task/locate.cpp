#include "data/task/locate.h"

#include "core/hub_cache.h"
#include "core/names.h"
#include "core/numbers.h"
#include "data/task/task_spec.h"

#include <peftbench/error.h>
#include <peftbench/pattern.h>

#include <fnmatch.h>
#include <glob.h>

#include <algorithm>
#include <map>
#include <set>

namespace peftbench::data {

namespace {

bool is_folder(const fs::path& path) {
  std::error_code unreadable;
  return fs::is_directory(path, unreadable);
}

bool is_there(const fs::path& path) {
  std::error_code unreadable;
  return fs::exists(path, unreadable);
}

bool is_pattern(const std::string& file) { return file.find_first_of("*?") != std::string::npos; }

// What precedes the pattern is taken as it stands.
std::string escaped(const fs::path& folder, const std::string& file) {
  const std::string all = (folder / file).string();
  std::string pattern;
  const std::size_t plain = all.size() - file.size();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const char c = all[i];
    const bool special = c == '\\' || c == '[' || ((c == '*' || c == '?') && i < plain);
    if (special) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

// The files that `file` stands for in this folder, sorted; none where it is not there.
std::vector<fs::path> resolve(const fs::path& folder, const std::string& file) {
  if (!is_pattern(file)) return is_there(folder / file) ? std::vector{folder / file} : std::vector<fs::path>{};
  glob_t found{};
  std::vector<fs::path> result;
  if (::glob(escaped(folder, file).c_str(), GLOB_NOSORT, nullptr, &found) == 0)
    result.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  std::erase_if(result, is_folder);
  std::sort(result.begin(), result.end());  // by bytes: glob's own order follows the locale
  return result;
}

// Where a name says which part of how many the file is, as in train-00003-of-00016.parquet, the parts of its set that
// are not there though the pattern fits them. Parts are counted from 0, or from 1.
std::vector<fs::path> missing_shards(const fs::path& folder, const std::string& file,
                                     const std::vector<fs::path>& there) {
  static const Pattern shard("(?s)(.*[^0-9])([0-9]{5})(-of-[0-9]{5}([^0-9].*)?)");
  std::map<std::pair<std::string, std::string>, std::set<int>> sets;  // what stands around a part's number
  for (const fs::path& path : there) {
    const std::vector<std::string> parts = shard.groups(path.string());
    if (!parts.empty()) sets[{parts[0], parts[2]}].insert(parse_number<int>(parts[1]).value());
  }
  const std::string pattern = escaped(folder, file);
  std::vector<fs::path> result;
  for (const auto& [around, numbers] : sets) {
    const int count = parse_number<int>(around.second.substr(std::string("-of-").size(), 5)).value();
    const int first = numbers.count(0) == 0 && numbers.count(count) != 0 ? 1 : 0;
    for (int number = first; number < first + count; ++number) {
      if (numbers.count(number) != 0) continue;
      const std::string digits = std::to_string(number);
      const std::string name = around.first + std::string(5 - digits.size(), '0') + digits + around.second;
      if (::fnmatch(pattern.c_str(), name.c_str(), FNM_PATHNAME) == 0) result.emplace_back(name);
    }
  }
  return result;
}

// Snapshots of a data set in a hub's cache: of main, of the parquet that the hub made, then whatever else is there.
std::vector<fs::path> snapshots(const fs::path& cache, const std::string& name) {
  const fs::path set = hub_folder(cache, HubKind::dataset, name);
  std::vector<fs::path> result;
  for (const char* reference : {"main", "refs/convert/parquet", "convert/parquet"})
    if (const auto folder = referred_snapshot(set, reference)) result.push_back(*folder);
  for (const fs::path& folder : snapshots_in(set)) result.push_back(folder);
  if (result.empty()) result.push_back(set);  // so that the message says where
  return result;
}

// Each folder in which a way's files may lie.
std::vector<fs::path> folders_for(const TaskConfig& config, const SourceSpec& way, const fs::path& root) {
  const TaskSpec& spec = *config.spec;
  std::vector<fs::path> result;
  const auto add = [&](const fs::path& folder) {
    const fs::path normal = folder.lexically_normal();
    if (std::find(result.begin(), result.end(), normal) == result.end()) result.push_back(normal);
  };
  add(config.file.parent_path());
  const fs::path file = (way.train.empty() ? way.test : way.train).front();
  if (file.is_absolute()) return result;
  add(root / (spec.fetch.empty() ? config.name : spec.fetch));
  for (const std::string& folder : way.folders) add(root / folder);
  // All of a folder of the user's with other tasks' files in it is looked through only where a name says whose
  // they are: in BoolQ/train.jsonl it is BoolQ.
  const fs::path first = *file.begin();
  const bool own_folder = file.has_parent_path();
  const fs::path named = (root / "").lexically_normal().parent_path();  // without a slash at its end
  if (own_folder && !is_pattern(first.string())) {
    add(root);
    if (named.filename() == first) add(named.parent_path());
  } else if (spec.fetch.empty()) {
    add(root);
  }
  if (way.hub.empty()) return result;
  std::vector<fs::path> caches = hub_caches();
  caches.insert(caches.begin(), {root, root / "hub"});
  for (const fs::path& cache : caches) {
    const bool users = cache == caches[0] || cache == caches[1];  // --data may name a cache, or HF_HOME
    for (const std::string& name : way.hub) {
      for (const fs::path& folder : snapshots(cache, name)) {
        if (!users || is_folder(folder)) add(folder);
      }
    }
  }
  return result;
}

// What of a way is in one folder.
LookedAt look(const SourceSpec& way, const fs::path& folder, FoundSource& found) {
  LookedAt result{folder, {}, {}};
  found = {way, folder, {}, {}, {}};
  for (const auto& [names, files] : {std::pair{&way.train, &found.train}, std::pair{&way.validation, &found.validation},
                                     std::pair{&way.test, &found.test}}) {
    for (const std::string& name : *names) {
      const std::vector<fs::path> there = resolve(folder, name);
      (there.empty() ? result.missing : result.found).push_back(name);
      if (is_pattern(name)) {
        for (const fs::path& shard : missing_shards(folder, name, there)) {
          result.missing.push_back((folder.empty() ? shard : shard.lexically_relative(folder)).string());
          result.shards_missing = true;
        }
      }
      for (const fs::path& file : there) {
        if (std::find(files->begin(), files->end(), file) == files->end()) files->push_back(file);
      }
    }
  }
  return result;
}

std::set<std::string> names_of(const SourceSpec& way) {
  std::set<std::string> result;
  for (const auto* names : {&way.train, &way.validation, &way.test}) result.insert(names->begin(), names->end());
  return result;
}

// Whether `way` names all that `other` does, and more.
bool has_more(const SourceSpec& way, const SourceSpec& other) {
  const std::set<std::string> ours = names_of(way), theirs = names_of(other);
  return ours.size() > theirs.size() && std::includes(ours.begin(), ours.end(), theirs.begin(), theirs.end());
}

// Of many names the first.
std::string some(std::vector<std::string> names) {
  constexpr std::size_t most = 4;
  if (names.size() <= most) return join(names);
  const std::string rest = with_thousands(static_cast<long long>(names.size() - most + 1));
  names.resize(most - 1);
  return join(names) + " and " + rest + " more";
}

std::string said(const LookedAt& place) {
  const std::string folder = place.folder.empty() ? "." : place.folder.string();
  if (place.broken_off) return folder + ": an incomplete download";
  if (place.missing.empty()) return folder + ": found " + join(place.found);
  if (!place.found.empty()) return folder + ": " + join(place.found) + ", but no " + some(place.missing);
  if (place.missing.size() == 1) return "no " + (place.folder / place.missing.front()).string();
  return folder + (place.folder.empty() || is_folder(place.folder) ? ": none of the files" : ": no such folder");
}

}  // namespace

Search search_source(const TaskConfig& config, const fs::path& data_root) {
  const TaskSpec& spec = *config.spec;
  const fs::path fetched = spec.fetch.empty() ? fs::path() : (data_root / spec.fetch).lexically_normal();
  const std::vector<SourceSpec> ways = ways_of(spec.source);
  std::vector<std::vector<fs::path>> folders;
  for (const SourceSpec& way : ways) folders.push_back(folders_for(config, way, data_root));
  // A part of what another way finds whole in the same folder is not the data: FewGLUE's folder has the full set's
  // names, and dev32.jsonl beside them.
  const auto is_part = [&](const SourceSpec& way, const fs::path& folder) {
    for (std::size_t other = 0; other < ways.size(); ++other) {
      FoundSource found;
      const bool looked_at = std::find(folders[other].begin(), folders[other].end(), folder) != folders[other].end();
      if (looked_at && has_more(ways[other], way) && look(ways[other], folder, found).missing.empty()) return true;
    }
    return false;
  };
  Search search;
  for (std::size_t i = 0; i < ways.size(); ++i) {
    for (const fs::path& folder : folders[i]) {
      FoundSource found;
      LookedAt place = look(ways[i], folder, found);
      place.broken_off = folder == fetched && is_folder(folder) && !is_there(folder / ".ready");
      const bool all = place.missing.empty() && !place.broken_off;
      if (all && is_part(ways[i], folder)) continue;
      search.places.push_back(std::move(place));
      if (!all) continue;
      search.results.push_back(std::move(found));
      return search;
    }
  }
  return search;
}

std::string how_to_get(const TaskConfig& config) {
  const TaskSpec& spec = *config.spec;
  if (!spec.fetch.empty()) return "run peft-bench tasks --fetch " + spec.fetch;
  if (!spec.source.advice.empty()) return spec.source.advice;
  return "put the files there, change the path in 'source', or give their folder with --data";
}

std::string how_to_get(const TaskConfig& config, const Search& search) {
  const bool parts = std::any_of(search.places.begin(), search.places.end(),
                                 [](const LookedAt& place) { return place.shards_missing; });
  if (!parts) return how_to_get(config);
  return "download the missing parts; to use only the existing ones, list them in "
         "'source'\nor " +
         how_to_get(config);
}

std::vector<std::string> lines_of(const Search& search) {
  std::vector<const LookedAt*> best;  // of each folder the way of which most is there
  for (const LookedAt& place : search.places) {
    const auto same = [&](const LookedAt* other) { return other->folder == place.folder; };
    const auto known = std::find_if(best.begin(), best.end(), same);
    if (known == best.end())
      best.push_back(&place);
    else if (place.missing.empty() || place.found.size() > (*known)->found.size())
      *known = &place;
  }
  std::vector<std::string> lines;
  for (const LookedAt* place : best) lines.push_back(said(*place));
  return lines;
}

std::vector<std::string> wanted_files(const SourceSpec& source) {
  std::vector<std::string> lines;
  for (const SourceSpec& way : ways_of(source)) {
    std::vector<std::string> files;
    for (const auto* names : {&way.train, &way.validation, &way.test})
      files.insert(files.end(), names->begin(), names->end());
    const std::string line = join(files);
    if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(line);
  }
  return lines;
}

FoundSource find_source(const TaskConfig& config, const fs::path& data_root) {
  Search search = search_source(config, data_root);
  if (!search.results.empty()) return std::move(search.results.front());
  throw DataError(Problem{
      config.spec->source.place + ": the data of task '" + config.name + "' is missing", join(lines_of(search), "\n"),
      "the files listed in 'source', in one folder:\n" + join(wanted_files(config.spec->source), "\nor "),
      how_to_get(config, search)});
}

}  // namespace peftbench::data
