#!/usr/bin/env python3
"""Runs build/bin/training_step and its peer in turn and prints medians with their spread.

    ./run-tests    # once: installs what benchmarks need too, and the peers
    cmake -S . -B build -DPEFTBENCH_BUILD_BENCHMARKS=ON && cmake --build build --target training_step
    benchmarks/compare.py [--rounds 3] [--shape small] [--method lora] [--precision bfloat16] [--device cuda]

Machines differ and drift, so only ratios from one such run mean anything.
"""
import argparse
import collections
import json
import os
import pathlib
import statistics
import subprocess

root = pathlib.Path(__file__).resolve().parent.parent
program = pathlib.Path(os.environ.get("PEFTBENCH_TRAINING_STEP", root / "build/bin/training_step"))
python = pathlib.Path(os.environ.get("PEFTBENCH_PEER_PYTHON", root / ".deps/peer/bin/python"))


def ours(environment):
    out = subprocess.run([program, "--benchmark_format=json", "--benchmark_repetitions=5",
                          "--benchmark_min_time=0.01"], env=environment, check=True, capture_output=True, text=True).stdout
    for run in json.loads(out)["benchmarks"]:
        if run["run_type"] == "iteration":
            yield run["run_name"].replace("/real_time", ""), run["real_time"]


def peer(environment):
    out = subprocess.run([python, root / "benchmarks/peer/training_step.py", "5"], env=environment, check=True,
                         capture_output=True, text=True).stdout
    for line in out.splitlines():
        run = json.loads(line)
        yield run["name"], run["ms"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shape", choices=["nano", "small", "base", "large"], default="small")
    parser.add_argument("--method", choices=["prompt_tuning", "lora", "model_tuning"], default="prompt_tuning")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    arguments = parser.parse_args()
    for file, what in ((program, "this benchmark is not built"), (python, "the Python with the peers is not there")):
        if not file.exists():
            parser.exit(2, f"compare.py: {what}: {file}\n  fix:      the commands of compare.py --help, in {root}\n")
    environment = dict(os.environ, PEFTBENCH_SHAPE=arguments.shape, PEFTBENCH_METHOD=arguments.method,
                       PEFTBENCH_PRECISION=arguments.precision, PEFTBENCH_DEVICE=arguments.device)
    times = {"peft-bench": collections.defaultdict(list), "peer": collections.defaultdict(list)}
    for _ in range(arguments.rounds):
        for who, run in (("peft-bench", ours), ("peer", peer)):
            for name, ms in run(environment):
                times[who][name].append(ms)
    print(f"{arguments.method}, {arguments.shape}, {arguments.precision}, {arguments.device}")
    print(f"{'':34}{'peft-bench ms':>24}{'transformers + peft ms':>28}{'ratio':>8}")
    for name, mine in times["peft-bench"].items():
        theirs = times["peer"][name]
        show = [f"{statistics.median(t):.1f} ({min(t):.1f}–{max(t):.1f})" for t in (mine, theirs)]
        print(f"{name:34}{show[0]:>24}{show[1]:>28}{statistics.median(theirs) / statistics.median(mine):8.2f}")


if __name__ == "__main__":
    main()
