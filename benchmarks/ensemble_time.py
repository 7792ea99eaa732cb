#!/usr/bin/env python3
"""Times five prompts asked together (`peft-bench ensemble`) against one of them (`eval`) and against all five one after
another, on the same examples, at several sizes of a batch.

    benchmarks/ensemble_time.py [--examples 200] [--batches 1,8,64] [--length 20] [--steps 120] [--threads 1]

Trains the five prompts first (prompt tuning on movie_sentiment with t5-nano-lm). Prints the seconds of scoring, of the
whole commands with loading, and the commands' processor seconds, which other work on the machine disturbs least. Needs
nothing but Python.
"""
import argparse
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

root = pathlib.Path(__file__).resolve().parent.parent
MEMBERS = 5


def processor_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(program, *words):
    """The JSON that the program prints, and the command's seconds by the clock and of processors."""
    begin, spent = time.perf_counter(), processor_seconds()
    result = subprocess.run([str(program), *map(str, words), "--json"], capture_output=True, text=True)
    if result.returncode:
        sys.exit(result.stderr)
    return json.loads(result.stdout), time.perf_counter() - begin, processor_seconds() - spent


def train(options, folder):
    flags = ["train.evaluate_every=0", "train.evaluate_at_start=false", "train.validation_limit=20", "eval.examples=20",
             f"length={options.length}"]
    runs = []
    for seed in range(1, MEMBERS + 1):
        record, *_ = run(options.program, "--method", "prompt_tuning", "--task", "movie_sentiment", "--backbone",
                        "t5-nano-lm", "--seed", seed, "--steps", options.steps, "--threads", options.threads,
                        "--out", folder,
                        *(word for flag in flags for word in ("--set", flag)))
        runs.append(folder / record["id"])
    return runs


def measure(options, runs, batch):
    """Seconds of scoring, the whole command, processors: one prompt, the five together, the five apart."""
    def best(words):
        results = [run(options.program, *words, "--examples", options.examples, "--threads", options.threads,
                       "--batch-size", size)
                   for size in [batch if words[0] == "eval" else batch * MEMBERS] for _ in range(options.repeat)]
        return tuple(map(min, zip(*((record["seconds"], *seconds) for record, *seconds in results))))
    one = best(["eval", runs[0]])
    together = best(["ensemble", *runs])
    apart = [best(["eval", name]) for name in runs[1:]] + [one]
    return one, together, tuple(map(sum, zip(*apart)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--batches", default="1,8,64", help="examples in a batch")
    parser.add_argument("--length", type=int, default=20, help="rows of a prompt")
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=3, help="the least time of so many counts")
    parser.add_argument("--program", type=pathlib.Path, default=root / "peft-bench")
    parser.add_argument("--keep", type=pathlib.Path, help="where the runs are kept; those there are used again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        runs = train(options, options.keep or pathlib.Path(scratch))
        print(f"{options.examples} examples, prompts of {options.length} rows, {options.threads} threads")
        print("batch         |  one  five together  ratio  five apart  (seconds)")
        for batch in map(int, options.batches.split(",")):
            one, together, apart = measure(options, runs, batch)
            for name, k in (("scoring", 0), ("whole command", 1), ("processor", 2)):
                print(f"{batch:4} {name:13} {one[k]:6.2f} {together[k]:10.2f} {together[k] / one[k]:9.2f} "
                      f"{apart[k]:10.2f}",
                      flush=True)


if __name__ == "__main__":
    main()
