#include "plugin/note.h"

#include "core/names.h"

#include <peftbench/abi.h>
#include <peftbench/error.h>

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace peftbench::plugin {

namespace {

constexpr std::size_t longest_note = 4096;

#if defined(__x86_64__)
constexpr Elf64_Half machine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half machine = EM_AARCH64;
#else
#error "peft-bench loads plugins on 64-bit x86 and ARM"
#endif

PluginError refusal(const fs::path& file, std::string what, std::string found, std::string expected,
                    std::string remedy) {
  return PluginError(PluginStep::note, Problem{"plugin " + file.string() + ": " + std::move(what), std::move(found),
                                               std::move(expected), std::move(remedy)});
}

constexpr const char* rebuild =
    "build it against this peft-bench (cmake -S . -B build -DCMAKE_PREFIX_PATH=<prefix of the installed peft-bench>), "
    "or "
    "use the peft-bench that it was built for";

template <class T>
T at(std::string_view bytes, std::size_t offset) {
  T item;
  std::memcpy(&item, bytes.data() + offset, sizeof(T));
  return item;
}

// The loader maps what the headers announce: a file that was cut short would be killed by SIGBUS, not refused.
void check_library(const fs::path& file, std::string_view bytes) {
  const auto refuse = [&](const std::string& found) {
    return refusal(file, "it is not a shared library for this machine", found,
                   "a 64-bit ELF library for this processor", rebuild);
  };
  if (bytes.size() < sizeof(Elf64_Ehdr) || std::memcmp(bytes.data(), ELFMAG, SELFMAG) != 0) {
    throw refuse(bytes.empty() ? "an empty file" : fmt::format("a file of {} bytes that is not ELF", bytes.size()));
  }
  const auto header = at<Elf64_Ehdr>(bytes, 0);
  const int data = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != data || header.e_machine != machine) {
    throw refuse(fmt::format("ELF for another machine (number {})", header.e_machine));
  }
  if (header.e_type != ET_DYN) throw refuse(fmt::format("ELF, but not a shared library (type {})", header.e_type));
  std::size_t needed = sizeof(Elf64_Ehdr);
  const auto reach = [&](std::uint64_t offset, std::uint64_t size) {  // sums that would overflow reach beyond any file
    needed = std::max<std::size_t>(needed, size > SIZE_MAX - offset ? SIZE_MAX : offset + size);
  };
  reach(header.e_phoff, std::uint64_t{header.e_phnum} * header.e_phentsize);
  if (header.e_phentsize == sizeof(Elf64_Phdr) && needed <= bytes.size()) {
    for (int i = 0; i < header.e_phnum; ++i) {
      const auto segment = at<Elf64_Phdr>(bytes, header.e_phoff + i * sizeof(Elf64_Phdr));
      reach(segment.p_offset, segment.p_filesz);
    }
  }
  if (needed > bytes.size()) {
    throw refusal(file, "it is truncated", fmt::format("{} bytes", bytes.size()),
                  fmt::format("at least {} bytes, as its header says", needed), "build or copy it again");
  }
}

bool is_field_character(char c) { return c >= ' ' && c <= '~' && c != '{' && c != '}'; }

// A hash of 64 digits says no more to a reader than its beginning.
std::string shown(const std::string& value) { return value.size() > 20 ? value.substr(0, 12) + "…" : value; }

const std::string* value_of(const NoteFields& fields, const std::string& key) {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return field.first == key; });
  return found == fields.end() ? nullptr : &found->second;
}

const char* meaning(const std::string& key) {
  if (key == "api") return "version of the plugin interface";
  if (key == "headers") return "hash of the public headers";
  if (key == "torch") return "LibTorch";
  if (key == "stdlib") return "C++ standard library";
  if (key == "compiler") return "compiler";
  if (key == "sanitizers") return "sanitizers";
  if (key == "rtti") return "run-time type information";
  return "a field unknown to the other side";
}

}  // namespace

std::string host_note_fields() { return PEFTBENCH_ABI_FIELDS; }

std::optional<NoteFields> parse_note_fields(std::string_view text) {
  NoteFields fields;
  while (!text.empty()) {
    const std::size_t end = text.find(';');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view field = text.substr(0, end);
    const std::size_t equals = field.find('=');
    if (equals == std::string_view::npos || equals == 0) return std::nullopt;
    if (!std::all_of(field.begin(), field.end(), is_field_character)) return std::nullopt;
    fields.emplace_back(field.substr(0, equals), field.substr(equals + 1));
    text.remove_prefix(end + 1);
  }
  if (fields.empty()) return std::nullopt;
  return fields;
}

std::optional<std::string> find_note(std::string_view bytes) {
  constexpr std::string_view begin = PEFTBENCH_ABI_NOTE_BEGIN, end = PEFTBENCH_ABI_NOTE_END;
  for (std::size_t mark = bytes.find(begin); mark != std::string_view::npos; mark = bytes.find(begin, mark + 1)) {
    const std::string_view rest = bytes.substr(mark + begin.size(), longest_note);
    const std::string_view fields = rest.substr(0, rest.find(end));
    if (fields.size() < rest.size() && parse_note_fields(fields)) return std::string(fields);
  }
  return std::nullopt;
}

std::string read_note(const fs::path& file) {
  std::shared_ptr<const MappedFile> mapped;
  try {
    mapped = MappedFile::open(file);
  } catch (const Error& error) {
    throw refusal(file, "it cannot be read", error.what(), {}, "check the path and its permissions");
  }
  check_library(file, mapped->text());
  const std::optional<std::string> note = find_note(mapped->text());
  if (!note) {
    throw refusal(file, "it is a shared library, but not a peft-bench plugin", "no ABI note in it",
                  "the note that PEFTBENCH_PLUGIN(…) writes",
                  "write PEFTBENCH_PLUGIN(…) once in its source, outside any namespace (docs/writing-a-method.md)");
  }
  return *note;
}

void check_note(const fs::path& file, std::string_view plugin_fields, std::string_view host_fields, bool in_file) {
  if (plugin_fields == host_fields) return;
  const NoteFields plugin = parse_note_fields(plugin_fields).value_or(NoteFields{});
  const NoteFields host = parse_note_fields(host_fields).value_or(NoteFields{});
  std::vector<std::string> keys, found, expected;
  for (const NoteFields& fields : {host, plugin}) {
    for (const auto& [key, value] : fields) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
  }
  for (const std::string& key : keys) {
    const std::string* theirs = value_of(plugin, key);
    const std::string* ours = value_of(host, key);
    if (theirs != nullptr && ours != nullptr && *theirs == *ours) continue;
    found.push_back(fmt::format("{}: {}", key, theirs ? shown(*theirs) : "nothing"));
    expected.push_back(fmt::format("{}: {} ({})", key, ours ? shown(*ours) : "nothing", meaning(key)));
  }
  const std::string what = fmt::format(
      "plugin {}: {}", file.string(),
      in_file ? "it was built for another peft-bench" : "once loaded, it reports another ABI than its file");
  throw PluginError(in_file ? PluginStep::note : PluginStep::header,
                    Problem{what, join(found, "\n"), join(expected, "\n"), rebuild});
}

}  // namespace peftbench::plugin
