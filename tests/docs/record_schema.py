"""Records that the program writes agree with docs/record.schema.json, and have no field that it does not list.

    record_schema.py SOURCE PROGRAM PYTHON    PYTHON: one that has jsonschema, where this one does not
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

try:
    import jsonschema
except ImportError:
    if os.environ.get("RECORD_SCHEMA_RETRIED") or not os.access(sys.argv[3], os.X_OK):
        print("skipped: no Python with jsonschema (./run-tests makes one)")
        sys.exit(77)
    os.execve(sys.argv[3], [sys.argv[3], *sys.argv], dict(os.environ, RECORD_SCHEMA_RETRIED="1"))

source, program = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
schema = json.loads((source / "docs" / "record.schema.json").read_text(encoding="utf-8"))
jsonschema.Draft202012Validator.check_schema(schema)


def closed(part):
    """The schema without room for fields that it does not list."""
    if isinstance(part, dict):
        part = {key: closed(value) for key, value in part.items()}
        if part.get("type") in ("object", ["object", "null"]) and isinstance(part.get("properties"), dict):
            part["additionalProperties"] = False
    elif isinstance(part, list):
        part = [closed(item) for item in part]
    return part


faults, seen = [], []


def refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


def check(file, expected=None):
    record = json.loads(file.read_text(encoding="utf-8"), parse_constant=refuse_constant)
    seen.append(record["status"])
    for error in jsonschema.Draft202012Validator(closed(schema)).iter_errors(record):
        faults.append(f"{file.parent.name}: {error.json_path}: {error.message}")
    if expected and record["status"] != expected:
        faults.append(f"{file.parent.name}: {record['status']}, expected {expected}")
    return record


def command(work, out, method, task, *more, steps="8"):
    return [str(program), "--method", method, "--task", str(work / task), "--backbone", "t5-nano-lm", "--out", str(work / out),
            "--seed", "3", "--threads", "1", "--steps", steps, "--set", "train.batch_size=4", "--set",
            "train.evaluate_every=4", "--set", "train.checkpoint_every=1", *more]


def run(work, out, *words):
    result = subprocess.run(command(work, out, *words), env=environment, capture_output=True, text=True)
    if result.returncode:
        faults.append(f"{out}: exit {result.returncode}: {result.stderr.strip()}")
        return None
    return check(next((work / out).glob("*/record.json")), "finished")


def write_tasks(work):
    digits = "zero one two three four five six seven eight nine".split()
    rows = []
    for i in range(120):
        number = (i * 37 + 100) % 1000
        text = " ".join(digits[d] for d in (number // 100, number // 10 % 10, number % 10))
        rows.append(json.dumps({"text": f"{text} number {i}", "parity": "odd" if number % 2 else "even"}))
    (work / "rows.jsonl").write_text("\n".join(rows) + "\n")
    form = 'source: rows.jsonl\ninput: "number: {text}"\ntarget: "{%s}"\nsplit: {seed: 0, validation: 16, test: 24}\n'
    (work / "parity.yaml").write_text(form % "parity" + "labels: [even, odd]\nlimits: {input: 32, target: 6}\n")
    (work / "repeat.yaml").write_text(form % "text" + "limits: {input: 32, target: 12}\nmetrics: [exact_match]\n")
    (work / "other.yaml").write_text(form % "parity" + "labels: [odd, even]\nlimits: {input: 32, target: 6}\n")
    (work / "both.yaml").write_text("mixture: {tasks: [parity.yaml, other.yaml], rate: proportional, cap: 60}\n")


environment = dict(os.environ, PEFTBENCH_HOME=str(source), OMP_NUM_THREADS="1")
with tempfile.TemporaryDirectory() as folder:
    work = pathlib.Path(folder)
    write_tasks(work)
    one = run(work, "one", "prompt_tuning", "parity.yaml", "--set", "length=4", "--eval-task", str(work / "other.yaml"))
    run(work, "mixed", "prompt_tuning", "both.yaml", "--set", "length=4")
    run(work, "free_text", "lora", "repeat.yaml")
    run(work, "untrained", "prompt_design", "parity.yaml", "--set", "shots=2", "--set", "eval.mode=rank", "--set",
        "task.max_input_tokens=64")

    # As it is while the run goes on, and once it was stopped.
    words = command(work, "stopped", "prompt_tuning", "parity.yaml", "--set", "length=4", steps="100000")
    with subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        begun = time.monotonic()
        while process.poll() is None and not list((work / "stopped").glob("*/checkpoint/train.safetensors")):
            if time.monotonic() - begun > 120:
                process.kill()
            time.sleep(0.02)
        stopped = list((work / "stopped").glob("*/record.json"))
        if stopped:
            check(stopped[0], "running")
        process.send_signal(signal.SIGTERM)
    if stopped:
        check(stopped[0], "interrupted")
    else:
        faults.append("the run that was to be stopped has no record")

    # The check itself: what is not listed, missing or of another type is found.
    if one:
        validator = jsonschema.Draft202012Validator(closed(schema))
        for place, change in (("seed", {**one, "seed": "3"}), ("id", {k: v for k, v in one.items() if k != "id"}),
                              ("invented", {**one, "invented": 1}),
                              ("machine.cores", {**one, "machine": {**one["machine"], "cores": "two"}}),
                              ("metrics", {**one, "metrics": [{**one["metrics"][0], "n": None}]})):
            if validator.is_valid(change):
                faults.append(f"the schema accepts a record with another {place}")
        if not all(one["machine"][key] for key in ("cores", "usable_cores", "memory_bytes", "kernel", "compiler")):
            faults.append(f"machine is not told in full: {one['machine']}")

print("\n".join(faults) or f"{len(seen)} records ({', '.join(sorted(set(seen)))}) are as the schema says")
sys.exit(1 if faults else 0)
