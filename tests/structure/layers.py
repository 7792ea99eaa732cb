"""Includes point one way, the host knows no method, and plugins see public headers alone (docs/architecture.md)."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
source = root / "framework" / "src"

plan = {"plan", "core"}
backbone = {"backbone"} | plan
data = {"data", "text"} | plan
ledger = {"ledger"} | backbone
evaluate = {"eval"} | backbone | data | ledger
train = {"train"} | evaluate
everything = train | {"plugin", "results", "report", "run"}
pretrain = {"pretrain"} | everything - {"plugin"}
ALLOWED = {
    "core": {"core"},
    "text": {"text", "core"},
    "plan": plan,
    "backbone": backbone,
    "plugin": {"plugin"} | plan,
    "data": data,
    "ledger": ledger,
    "eval": evaluate,
    "train": train,
    "pretrain": pretrain,
    "results": {"results", "core"},
    "report": {"report", "results", "core"},
    "run": everything,
    "cli": pretrain | {"plugin", "cli"},
}
WITHOUT_TORCH = {"core", "results", "report"}
# The backbone runs plans and never sees who made them; results know nothing of the run that wrote them.
FORBIDDEN_HEADERS = {"backbone": {"peftbench/method.h", "peftbench/plugin.h"}, "plan": {"peftbench/method.h", "peftbench/plugin.h"}}
TORCH = re.compile(r"^(ATen|c10|torch)/|^peftbench/(tensor|spec|layout|hooks|parameter|plan|method|plugin|abi)\.h$")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)

faults = []


def includes(path):
    return INCLUDE.findall(path.read_text(encoding="utf-8"))


for layer in sorted(p.name for p in source.iterdir() if p.is_dir()):
    if layer not in ALLOWED:
        faults.append(f"framework/src/{layer}: a layer that docs/architecture.md and this test do not know")
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
