#!/usr/bin/env python3
"""Time and memory of `peft-bench report` over a folder of many synthetic records.

    benchmarks/report_many.py RECORD FOLDER [--runs N] [--program PATH] [--format NAME…]

RECORD is the record.json of any finished run; its copies differ in method, task, a setting, seed, scores and times. One in
a hundred is not a finished run: failed, left by a killed process, cut off, of an unknown schema, JSON of another program,
or empty. The records stay in FOLDER, and are used again if it has as many.

Prints a line per format: seconds and peak memory without an index (runs/index.sqlite removed before), and with it. The
records are in the page cache in both cases, as they have just been written or read.
"""
import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

METHODS = 10
TASKS = 8
SETTINGS = 25  # configurations of a method on a task: METHODS * TASKS * SETTINGS rows
MARKS = {"id": "@ID@", "seed": "@SEED@", "score": "@SCORE@", "hash": "@HASH@", "seconds": "@SECONDS@"}


def row_template(record, method, task, setting):
    """The text of the records of one row, with marks for what differs between its runs."""
    record = json.loads(json.dumps(record))
    record["id"] = MARKS["id"]
    record["method"]["name"] = record["config"]["method"]["name"] = method
    record["task"]["name"] = record["config"]["task"]["name"] = task
    record["config"]["train"]["learning_rate"] = round(0.001 * (setting + 1), 4)
    record["seed"] = record["config"]["seed"] = MARKS["seed"]
    record["config_hash"] = record["predictions_hash"] = record["adapter_hash"] = MARKS["hash"]
    record["metrics"][0]["value"] = MARKS["score"]
    for phase in record["phases"]:
        if phase["name"] == "train":
            phase["wall_seconds"] = MARKS["seconds"]
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    for name in ("seed", "score", "seconds"):
        text = text.replace(f'"{MARKS[name]}"', MARKS[name])
    return text


def faulty(text, kind):
    return {
        0: text.replace('"status": "finished"', '"status": "failed"', 1),
        1: text.replace('"status": "finished"', '"status": "running"', 1),
        2: text[: len(text) // 2],
        3: text.replace('"schema_version": 1', '"schema_version": 0', 1),
        4: '{"name": "another program", "values": [1, 2, 3]}\n',
        5: "",
    }[kind]


def write_records(template, folder, runs):
    """`runs` records over rows and seeds; returns the number of rows."""
    draw = random.Random(1)
    rows = min(METHODS * TASKS * SETTINGS, max(1, runs // 5))
    texts = {}
    for number in range(runs):
        row, seed = number % rows, number // rows + 1
        method, task = f"method_{row % METHODS}", f"task_{row // METHODS % TASKS}"
        if row not in texts:
            texts[row] = row_template(template, method, task, row // (METHODS * TASKS))
        digest = hashlib.sha256(f"{row} {seed}".encode()).hexdigest()
        name = f"{method}-{task}-s{seed}-{digest[:10]}"
        text = texts[row].replace(MARKS["id"], name).replace(MARKS["seed"], str(seed)).replace(MARKS["hash"], digest)
        text = text.replace(MARKS["score"], str(draw.random())).replace(MARKS["seconds"], str(round(draw.uniform(1, 9), 4)))
        if number % 100 == 99:
            text = faulty(text, number // 100 % 6)
        os.makedirs(folder / name)
        with open(folder / name / "record.json", "w", encoding="utf-8") as file:
            file.write(text)
    return rows


def report(program, folder, form):
    """Seconds, peak memory in MB, bytes of output, and the output's hash."""
    start = time.monotonic()
    process = subprocess.Popen([program, "report", str(folder), "--format", form], stdout=subprocess.PIPE)
    digest, size = hashlib.sha256(), 0
    while block := process.stdout.read(1 << 20):
        digest.update(block)
        size += len(block)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"report --format {form} failed with status {status}")
    return time.monotonic() - start, usage.ru_maxrss / 1024, size, digest.hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--program", default="./peft-bench")
    parser.add_argument("--format", nargs="+", default=["text", "csv", "json", "html"])
    arguments = parser.parse_args()
    there = len(list(arguments.folder.iterdir())) if arguments.folder.is_dir() else 0
    if there < arguments.runs:
        if there:
            sys.exit(f"{arguments.folder} has {there} entries: remove it first")
        rows = write_records(json.loads(arguments.record.read_text()), arguments.folder, arguments.runs)
        print(f"{arguments.runs} records of {rows} rows are written", file=sys.stderr)
    print(f"{'format':8} {'no index':>9} {'MB':>6} {'index':>9} {'MB':>6} {'output':>10}")
    for form in arguments.format:
        (arguments.folder / "index.sqlite").unlink(missing_ok=True)
        cold, warm = report(arguments.program, arguments.folder, form), report(arguments.program, arguments.folder, form)
        if cold[3] != warm[3]:
            sys.exit(f"report --format {form} has other bytes with the index than without")
        print(f"{form:8} {cold[0]:7.2f} s {cold[1]:6.0f} {warm[0]:7.2f} s {warm[1]:6.0f} {warm[2]:10}", flush=True)


if __name__ == "__main__":
    main()
