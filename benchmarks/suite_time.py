#!/usr/bin/env python3
"""Wall time of a suite on each backend, beside the same grid as a loop over peft, in turn.

    benchmarks/suite_time.py [--steps 40] [--examples 100] [--seeds 3] [--jobs 2] [--rounds 1]

Seven methods × two tasks × seeds, on the included backbone: each run trains --steps steps of eight examples, then
decodes the answers to --examples test examples, greedily. `peft-bench suite` starts a process for each run, --jobs at
a time; the loop is one process on all threads, which loads the backbone for each run, and trains on the texts that the
suite was tested on. Prints seconds, and how many times as long the others take. Machines differ and drift, so only
ratios from one such run mean anything.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

from speed_parts.programs import Programs, root

program = Programs.build() / "bin/peft-bench"
METHODS = ["prompt_tuning", "p_tuning", "prefix_tuning", "lora", "ia3", "norm_tuning", "model_tuning"]
BACKBONE = "t5-nano-mix"
TASKS = ["movie_sentiment", "wordnet_supersense"]
SIZES = {"batch": 8, "evaluation_batch": 32, "tokens": 8}
SUITE = """
summary: a grid to time
tasks: [{tasks}]
backbones: [{backbone}]
seeds: [1-{seeds}]
defaults:
  train: {{steps: {steps}, batch_size: {batch}, warmup_steps: 0, dropout: 0, evaluate_every: 0, validation_limit: 8,
          checkpoint_every: 0}}
  eval: {{mode: greedy, max_tokens: {tokens}, batch_size: {evaluation_batch}, examples: {examples}}}
rows: [{rows}]
"""


def seconds_of(command):
    start = time.perf_counter()
    run = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, PEFTBENCH_HOME=str(root)))
    if run.returncode:
        raise SystemExit(f"suite_time: {command[0]} ended with status {run.returncode}\n{run.stderr[-2000:]}")
    return time.perf_counter() - start


def grid_of(runs, arguments):
    """What the loop does: with the texts that the suite's runs answered."""
    tasks = {}
    for folder in sorted(runs.glob("prompt_tuning-*")):
        record = json.loads((folder / "record.json").read_text())
        rows = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
        tasks[record["task"]["name"]] = {"inputs": [row["input"] for row in rows],
                                         "targets": [row["target"] for row in rows]}
    return {"model": str(root / "assets/backbones" / BACKBONE), "methods": METHODS, "tasks": tasks,
            "seeds": arguments.seeds, "steps": arguments.steps, **SIZES, "threads": len(os.sched_getaffinity(0))}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"steps": 40, "examples": 100, "seeds": 3, "jobs": 2, "rounds": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    arguments = parser.parse_args()
    times = {"fast": [], "reference": [], "loop over peft": []}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        suite, grid = folder / "timed.yaml", folder / "grid.json"
        suite.write_text(SUITE.format(tasks=", ".join(TASKS), rows=", ".join(f"{{method: {m}}}" for m in METHODS),
                                      backbone=BACKBONE, **SIZES, **vars(arguments)))
        for number in range(arguments.rounds):
            for backend in ("fast", "reference"):
                runs = folder / f"{backend}-{number}"
                times[backend].append(seconds_of([program, "suite", suite, "--jobs", str(arguments.jobs), "--out", runs,
                                                  "--set", f"backbone.backend={backend}"]))
            grid.write_text(json.dumps(grid_of(runs, arguments)))
            times["loop over peft"].append(seconds_of([Programs.peer_python(), root / "benchmarks/peer/suite_loop.py", grid]))
    ours = statistics.median(times["fast"])
    runs = len(METHODS) * len(TASKS) * arguments.seeds
    for name, of in times.items():
        median = statistics.median(of)
        print(f"{name:<16} {median:7.1f} s ({min(of):.1f}–{max(of):.1f}), {median / runs:5.2f} s a run, "
              f"{median / ours:.2f} of fast")


if __name__ == "__main__":
    main()
