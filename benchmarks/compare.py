#!/usr/bin/env python3
"""Runs build/bin/training_step and its peer in turn and prints medians with their spread.

    ./run-tests    # once: installs what benchmarks need too, and the peers
    cmake -S . -B build -DPEFTBENCH_BUILD_BENCHMARKS=ON && cmake --build build --target training_step
    benchmarks/compare.py [--rounds 3] [--shape small] [--method lora] [--precision bfloat16] [--device cuda]
                          [--backend fast] [--text ragged]

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
        if run["run_type"] == "iteration" and not run.get("error_occurred"):
            yield run["run_name"].replace("/real_time", ""), run["real_time"], run.get("GFLOP/s")


def peer(environment):
    out = subprocess.run([python, root / "benchmarks/peer/training_step.py", "5"], env=environment, check=True,
                         capture_output=True, text=True).stdout
    for line in out.splitlines():
        run = json.loads(line)
        yield run["name"], run["ms"], None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shape", choices=["nano", "small", "base", "large"], default="small")
    parser.add_argument("--method", choices=["prompt_tuning", "lora", "model_tuning"], default="prompt_tuning")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--backend", choices=["reference", "fast"], default="reference")
    parser.add_argument("--text", choices=["even", "ragged"], default="even")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    arguments = parser.parse_args()
    for file, what in ((program, "this benchmark is not built"), (python, "the Python with the peers is not there")):
        if not file.exists():
            parser.exit(2, f"compare.py: {what}: {file}\n  fix:      the commands of compare.py --help, in {root}\n")
    environment = dict(os.environ, PEFTBENCH_SHAPE=arguments.shape, PEFTBENCH_METHOD=arguments.method,
                       PEFTBENCH_PRECISION=arguments.precision, PEFTBENCH_DEVICE=arguments.device,
                       PEFTBENCH_BACKEND=arguments.backend, PEFTBENCH_TEXT=arguments.text)
    times = {"peft-bench": collections.defaultdict(list), "peer": collections.defaultdict(list)}
    rates = collections.defaultdict(list)
    for _ in range(arguments.rounds):
        for who, run in (("peft-bench", ours), ("peer", peer)):
            for name, ms, rate in run(environment):
                times[who][name].append(ms)
                if rate:
                    rates[name].append(rate)
    print(f"{arguments.method}, {arguments.shape}, {arguments.precision}, {arguments.device}, {arguments.backend} backend, "
          f"{arguments.text} text")
    print(f"{'':34}{'peft-bench ms':>24}{'transformers + peft ms':>28}{'ratio':>8}{'GFLOP/s':>9}{'of products':>13}")
    best = max((statistics.median(rates[name]) for name in rates if name.startswith("products")), default=None)
    for name, mine in times["peft-bench"].items():
        theirs = times["peer"][name]
        show = [f"{statistics.median(t):.1f} ({min(t):.1f}–{max(t):.1f})" if t else "–" for t in (mine, theirs)]
        ratio = f"{statistics.median(theirs) / statistics.median(mine):.2f}" if theirs else "–"
        rate = statistics.median(rates[name]) if rates[name] else None
        share = f"{rate / best:.0%}" if rate and best else "–"
        print(f"{name:34}{show[0]:>24}{show[1]:>28}{ratio:>8}{f'{rate:.0f}' if rate else '–':>9}{share:>13}")


if __name__ == "__main__":
    main()
