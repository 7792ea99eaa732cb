"""What comes from outside passes one door of framework/src/core (docs/architecture.md): no reader stands beside them."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])

# What would go round a door, and the door. `system` files are read from the kernel, not from a user.
RULES = [
    (r"\b(json|Json|ordered_json)::(parse|accept|sax_parse)\b", "core/json.h: parse_json, read_json"),
    (r"\bYAML::(Load|LoadFile|LoadAll|LoadAllFromFile)\b", "core/yaml.h: Yaml::load"),
    (r"\bstd::(basic_)?(ifstream|fstream|wifstream)\b", "core/files.h: read_text, InputFile, LineReader"),
    (r"(?<![\w:])f(re)?open\s*\(|\bstd::fopen\b", "core/files.h: read_text, InputFile"),
    (r"(?<!\w)::open(at)?\s*\(", "core/files.h: open_regular_file; core/descriptor.h: open_own_file"),
    (r"(?<!\w)::mmap\s*\(", "core/files.h: MappedFile"),
    (r"\bgzopen\b", "core/files.h: open_regular_file, then gzdopen"),
    (r"\bstd::(basic_)?regex\b|<regex>", "peftbench/pattern.h: Pattern"),
    (r"\bstd::sto(i|l|ll|ul|ull|f|d|ld)\b|(?<!\w)(::|std::)?(ato(i|l|ll|f)|strto(l|ll|ul|ull|d|f|ld))\s*\(|\bsscanf\s*\(",
     "core/numbers.h: parse_number"),
    (r"\bstd::from_chars\b", "core/numbers.h: parse_number"),
]

# FILE: what it may use, and why. A line here is a decision; it goes when the use goes.
ALLOWED = {
    "framework/src/core/clock.cpp": ("ifstream stoll", "/proc/self/status"),
    "framework/src/core/energy.cpp": ("ifstream", "/sys/class/powercap"),
    "framework/src/core/processors.cpp": ("stoi strtod", "/proc and /sys"),
    "framework/src/core/numbers.h": ("from_chars", "the door"),
    "framework/src/formats/npy.cpp": ("from_chars", "one number at the front of a longer header"),
    "framework/src/data/readers/parquet_reader.cpp": ("from_chars", "a number that Arrow printed"),
    "framework/src/plugin/foreign_targets.cpp": ("from_chars", "a number in the middle of a name"),
    "framework/src/pretrain/corpus.cpp": ("stoull", "digits of a SHA-256 of our own"),
    "framework/src/pretrain/vocabulary.cpp": ("strtoll", "a number in a message of SentencePiece"),
    "framework/src/results/run_lock.cpp": ("::open", "folders and locks: nothing is read from them"),
    "framework/src/results/suite_manifest.cpp": ("::open", "a folder's lock: nothing is read from it"),
    "framework/src/config/machine.cpp": ("ifstream", "/proc/cpuinfo"),
    "framework/src/devices/driver.cpp": ("ifstream", "/sys/module/nvidia/version"),
    "plugins/lora/targets.cpp": ("from_chars", "a plugin sees public headers alone"),
    "plugins/soft_words/soft_words.cpp": ("stoll", "at most five digits"),
}
DOORS = {"framework/src/core/" + name for name in ("json.cpp", "yaml_document.cpp", "files.cpp", "write_files.cpp", "pattern.cpp",
                                                    "child_process.cpp")}

faults = []
unused = {path: set(uses.split()) for path, (uses, _) in ALLOWED.items()}
files = [path for folder in ("framework", "plugins") for path in sorted((root / folder).rglob("*.[ch]*"))
         if path.suffix in {".h", ".cpp"} and not path.name.endswith("_test.cpp")]
for path in files:
    where = path.relative_to(root).as_posix()
    if where in DOORS:
        continue
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        code = line.split("//")[0]
        for pattern, door in RULES:
            for match in re.finditer(pattern, code):
                allowed = [use for use in unused.get(where, ()) if use in match.group(0)] or [
                    use for use in ALLOWED.get(where, ("",))[0].split() if use in match.group(0)]
                if allowed:
                    unused[where] -= set(allowed)
                    continue
                faults.append(f"{where}:{number}: {match.group(0).strip()} goes round a door: use {door}")
for where, uses in unused.items():
    if uses:
        faults.append(f"tests/structure/readers.py allows {', '.join(sorted(uses))} in {where}, where it is not used")

print("\n".join(faults) or f"{len(files)} files: every reader goes through a door")
sys.exit(1 if faults else 0)
