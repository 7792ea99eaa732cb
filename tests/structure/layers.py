"""Includes point one way, the host knows no method, and plugins see public headers alone (docs/architecture.md).

What a layer may include is said once, in DEPENDS of its CMakeLists.txt. `layers.py ROOT --write` makes from that the table
and the picture of docs/architecture.md, and layer.h of each layer, with the namespaces that it sees; without --write it
fails where they are not so.
"""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
source = root / "framework" / "src"
page = root / "docs" / "architecture.md"
BEGIN, END = "<!-- layers: made by tests/structure/layers.py --write -->\n", "<!-- end of layers -->\n"
faults = []


def layer_of(text):
    """(summary, layers that it includes from) of a CMakeLists.txt."""
    summary = re.search(r'SUMMARY "([^"]*)"', text)
    depends = re.search(r"DEPENDS ([\w ]+)", text)
    return (summary.group(1) if summary else ""), (depends.group(1).split() if depends else [])


ORDER = re.search(r"foreach\(layer IN ITEMS ([\w ]+)\)", (root / "framework" / "CMakeLists.txt").read_text()).group(1).split()
LAYERS = {layer: layer_of((source / layer / "CMakeLists.txt").read_text(encoding="utf-8")) for layer in ORDER}
ALLOWED = {layer: {layer, *depends} for layer, (summary, depends) in LAYERS.items()}


def below(layer, seen=()):
    """All layers that this one stands on."""
    result = set()
    for other in LAYERS[layer][1]:
        if other in seen:
            faults.append(f"framework/src/{layer}: DEPENDS goes round in a circle: {' -> '.join([*seen, layer, other])}")
            continue
        result |= {other} | below(other, (*seen, layer))
    return result


def documented():
    lines = ["| folder | holds | includes |", "|---|---|---|"]
    for layer, (summary, depends) in LAYERS.items():
        lines.append(f"| `{layer}` | {summary} | {', '.join(depends) or '–'} |")
    lines += ["", "```mermaid", "flowchart BT"]
    for layer, (_, depends) in LAYERS.items():
        for other in depends:  # an arrow that follows from two others says nothing new
            if not any(other in below(third) for third in depends if third != other):
                lines.append(f"  {layer} --> {other}")
    return "\n".join([*lines, "```", ""])


WITHOUT_TORCH = {"core", "results", "report"}
# The backbone runs plans and never sees who made them; results know nothing of the run that wrote them.
FORBIDDEN_HEADERS = {"backbone": {"peftbench/method.h", "peftbench/plugin.h"}, "plan": {"peftbench/method.h", "peftbench/plugin.h"}}
TORCH = re.compile(r"^(ATen|c10|torch)/|^peftbench/(tensor|spec|layout|hooks|parameter|plan|method|plugin|abi)\.h$")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)


def visible(layer, depends):
    """layer.h of a layer: the names that it sees."""
    own = [f"namespace {layer} {{", *(f"using namespace {other};" for other in depends), f"}}  // namespace {layer}"]
    lines = ["#pragma once", "",
             "// Made by tests/structure/layers.py --write from DEPENDS: the layers whose names this one sees.",
             "namespace peftbench {", *(f"namespace {other} {{}}" for other in depends),
             *(own if depends else [f"namespace {layer} {{}}  // namespace {layer}"]), "}  // namespace peftbench", ""]
    return "\n".join(lines)


def for_tests():
    lines = ["#pragma once", "", "// All layers, for tests: made by tests/structure/layers.py --write.", "namespace peftbench {",
             *(f"namespace {layer} {{}}" for layer in [*ORDER, "support"]), "namespace layers {",
             *(f"using namespace {layer};" for layer in [*ORDER, "support"]), "}  // namespace layers",
             "}  // namespace peftbench", ""]
    return "\n".join(lines)


def made_headers():
    headers = {root / "tests" / "support" / "layers.h": for_tests()}
    for layer, (_, depends) in LAYERS.items():
        headers[source / layer / "layer.h"] = visible(layer, [other for other in ORDER if other in depends])
    return headers


def includes(path):
    return INCLUDE.findall(path.read_text(encoding="utf-8"))


text = page.read_text(encoding="utf-8")
before, rest = text.split(BEGIN)
made, after = rest.split(END)
if "--write" in sys.argv:
    page.write_text(before + BEGIN + documented() + END + after, encoding="utf-8")
elif made != documented():
    faults.append("docs/architecture.md: its table and picture of the layers are not those of DEPENDS: "
                  "run tests/structure/layers.py . --write")

for header, text in made_headers().items():
    if "--write" in sys.argv:
        header.write_text(text, encoding="utf-8")
    elif not header.exists() or header.read_text(encoding="utf-8") != text:
        faults.append(f"{header.relative_to(root)}: not what DEPENDS says: run tests/structure/layers.py . --write")

for layer in sorted(p.name for p in source.iterdir() if p.is_dir()):
    if layer not in ALLOWED:
        faults.append(f"framework/src/{layer}: a layer that framework/CMakeLists.txt does not name")
        continue
    for path in sorted((source / layer).rglob("*.[ch]*")):
        if path.suffix not in {".h", ".cpp"}:
            continue
        where = path.relative_to(root)
        for header in includes(path):
            head = header.split("/")[0]
            if "/" in header and head in ALLOWED and head not in ALLOWED[layer]:
                faults.append(f"{where} includes {header}: {layer} may not use {head}")
            if header in FORBIDDEN_HEADERS.get(layer, ()):
                faults.append(f"{where} includes {header}: {layer} may not know methods")
            if layer in WITHOUT_TORCH and TORCH.match(header):
                faults.append(f"{where} includes {header}: {layer} is built without LibTorch")

# Headers that pages and comments name are where they are said to be.
NAMED = re.compile(r"(?<![\w/.])((?:" + "|".join(ORDER) + r")(?:/[a-z_0-9]+)+\.(?:h|cpp))\b")
pages = [*sorted((root / "docs").glob("*.md")), root / "README.md"]
code = [path for folder in ("framework", "plugins", "tests") for path in (root / folder).rglob("*.[ch]*")]
for path in [*pages, *code]:
    if path.suffix not in {".h", ".cpp", ".md"}:
        continue
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for named in [] if "#include" in line else NAMED.findall(line):
            if not (source / named).exists():
                faults.append(f"{path.relative_to(root)}:{number} names {named}, which is not there")

plugins = sorted(p.name for p in (root / "plugins").iterdir() if p.is_dir())
for plugin in plugins:
    for path in sorted((root / "plugins" / plugin).glob("*.cpp")):
        if path.name.endswith("_test.cpp"):
            continue
        for header in includes(path):
            own = (path.parent / header).exists()
            if "/" in header and not own and not re.match(r"^(peftbench|ATen|c10|torch)/", header):
                faults.append(f"{path.relative_to(root)} includes {header}: a plugin sees peftbench/* and torch alone")

names = [p for p in plugins if p != "template"]
if names:
    literal = re.compile(r'(?<!path / )"(' + "|".join(map(re.escape, names)) + ')"')  # runs have a folder adapter/
    for path in sorted((root / "framework").rglob("*.[ch]*")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if literal.search(line.split("//")[0]):
                faults.append(f"{path.relative_to(root)}:{number} names a method: {line.strip()}")

print("\n".join(faults) or f"{len(ALLOWED)} layers and {len(plugins)} plugins: includes point one way")
sys.exit(1 if faults else 0)
