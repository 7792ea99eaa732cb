"""Runs the commands that stand in ```sh blocks of README.md and docs/ (writing-a-method.md has a test of its own,
tests/consumer). Training runs and suites are resolved, planned and counted with --dry-run; tests/integration trains.

    commands.py SOURCE PROGRAM
"""
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

source, program = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
pages = [source / "README.md"] + sorted(p for p in (source / "docs").glob("*.md") if p.name != "writing-a-method.md")
NOT_OURS = ("./run-tests", "hf ", "cmake ", "benchmarks/", "cd ", "git ")  # the tests themselves, and other programs


def commands(page):
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            line = re.sub(r"\s+#.*", "", line).strip()
            if line and not line.startswith(("#", *NOT_OURS)):
                yield line


def is_run(arguments):
    return not arguments or arguments[0].startswith("-") or arguments[0] == "run"


environment = dict(os.environ, PEFTBENCH_HOME=str(source))
tasks = ("movie_sentiment", "tweet_sentiment", "product_sentiment", "editorial_sentiment", "wordnet_hypernym",
         "wordnet_supersense", "spam")
for task in tasks:
    if subprocess.run([program, "tasks", "--fetch", task], capture_output=True, env=environment).returncode:
        print(f"skipped: the data of {task} is not here and could not be fetched")
        sys.exit(77)

faults, count = [], 0
with tempfile.TemporaryDirectory() as work:
    for page in pages:
        for line in commands(page):
            words = shlex.split(line)
            if words[0] == "printf" and "…" in line:  # a form to fill in, with its input
                continue
            if words[0] in ("./peft-bench", "peft-bench"):
                arguments = words[1:]
                if "DIR" in arguments or "…" in line:  # a form to fill in; tests/parity runs it filled
                    continue
                if is_run(arguments) or arguments[0] in ("suite", "search", "pretrain"):
                    arguments.append("--dry-run")
                words = [str(program), *arguments]
            elif words[0].startswith("tests/hostile/"):  # hours; the tests hostile.* run parts of it
                words = [str(source / words[0]), *words[1:], "--help"]
            elif words[0] == "build/bin/peftbench-hostile" and "FILE" in words:  # a form to fill in, likewise
                continue
            else:
                faults.append(f"{page.name}: no test knows how to run: {line}")
                continue
            count += 1
            result = subprocess.run(words, env=environment, cwd=work, capture_output=True, text=True)
            if result.returncode:
                faults.append(f"{page.name}: {line}\n  exit {result.returncode}: {result.stderr.strip()}")

if count < 4:
    faults.append(f"only {count} commands were found: has the form of the pages changed?")
print("\n".join(faults) or f"{count} commands of {len(pages)} pages work")
sys.exit(1 if faults else 0)
