#!/usr/bin/env python3
"""Seconds from the start of peft-bench until training begins: libraries, plugin, task, backbone, vocabulary, run folder.

    benchmarks/start_time.py [--rounds 11]

The default run with one step, each time in a new folder; data and checksums are prepared by a first run that is not
counted. Training has begun when the run has its log.
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

from speed_parts.programs import Programs, root

program = Programs.build() / "bin/peft-bench"
RUN = ["--method", "prompt_tuning", "--set", "train.steps=1", "--set", "train.evaluate_at_start=false", "--set",
       "eval.examples=1", "--set", "train.validation_limit=1"]


def seconds_to_log(folder):
    start = time.perf_counter()
    run = subprocess.Popen([program, *RUN, "--out", folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           env=dict(os.environ, PEFTBENCH_HOME=str(root)))
    while not list(pathlib.Path(folder).glob("*/log.jsonl")):
        if run.poll() is not None:
            raise SystemExit(f"start_time: peft-bench ended with status {run.returncode} before it trained")
        time.sleep(0.0005)
    seconds = time.perf_counter() - start
    if run.wait():
        raise SystemExit(f"start_time: peft-bench ended with status {run.returncode}")
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    times = []
    for number in range(rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            times.append(seconds_to_log(folder))
    times = times[1:]
    print(f"{statistics.median(times):.2f} s ({min(times):.2f}–{max(times):.2f}) until training begins, "
          f"median and range of {rounds}")


if __name__ == "__main__":
    main()
