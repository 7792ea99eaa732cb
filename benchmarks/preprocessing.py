#!/usr/bin/env python3
"""Examples per second from a task's file to ids, beside a Python loop with json or csv and sentencepiece, in turn.

    cmake -S . -B build -DPEFTBENCH_BUILD_BENCHMARKS=ON && cmake --build build --target preprocessing
    benchmarks/preprocessing.py [--rounds 5] [--rows 50000] [--words 40] [--format jsonl|csv]

Prints medians with their spread, and the ratio to Python in as many processes as there are threads. The rows are words
of the vocabulary, drawn by a seed. Machines differ and drift, so only ratios from one such run mean anything.
"""
import argparse
import csv
import json
import os
import pathlib
import random
import statistics
import subprocess
import tempfile

root = pathlib.Path(__file__).resolve().parent.parent
python = os.environ.get("PEFTBENCH_PEER_PYTHON", root / ".deps/peer/bin/python")
TASK = """source: rows.{form}
input: "review: {{text}} or not"
target: "{{label}}"
labels: [bad, good]
limits: {{input: 512, target: 62}}
"""


def words_of(vocabulary):
    script = ("import sentencepiece, sys, json; p = sentencepiece.SentencePieceProcessor(model_file=sys.argv[1]); "
              "print(json.dumps([p.id_to_piece(i) for i in range(p.get_piece_size())]))")
    pieces = json.loads(subprocess.run([python, "-c", script, vocabulary], check=True, capture_output=True).stdout)
    return [piece[1:] for piece in pieces if piece.startswith("\u2581") and len(piece) > 1]


def write_rows(path, vocabulary, rows, length):
    draw = random.Random(1)
    words = words_of(vocabulary)
    with open(path, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        if path.suffix == ".csv":
            table.writerow(["text", "label"])
        for number in range(rows):
            text = " ".join(draw.choices(words, k=draw.randint(length // 2, length * 3 // 2))) + f" {number}."
            row = {"text": text, "label": draw.choice(["bad", "good"])}
            if path.suffix == ".csv":
                table.writerow(row.values())
            else:
                file.write(json.dumps(row) + "\n")


def measured(command):
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=50000)
    parser.add_argument("--words", type=int, default=40, help="of a row, in the mean")
    parser.add_argument("--format", choices=["jsonl", "csv"], default="jsonl")
    arguments = parser.parse_args()
    vocabulary = root / "assets/backbones/t5-nano-lm/spiece.model"
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        rows = folder / f"rows.{arguments.format}"
        write_rows(rows, vocabulary, arguments.rows, arguments.words)
        (folder / "task.yaml").write_text(TASK.format(form=arguments.format))

        def ours(threads, form):
            return measured([root / "build/bin/preprocessing", folder / "task.yaml", vocabulary, folder / "cache",
                             str(threads), form])

        def theirs(processes):
            return measured([python, root / "benchmarks/peer/preprocessing.py", rows, vocabulary, str(processes)])

        runs = {}
        for _ in range(arguments.rounds):
            for threads in (1, 2):
                for name, run in ((f"Python, {threads} process{'es' * (threads > 1)}", lambda: theirs(threads)),
                                  *((f"peft-bench, {threads} thread{'s' * (threads > 1)}, {form}",
                                     lambda form=form: ours(threads, form)) for form in ("memory", "cold", "warm"))):
                    result = run()
                    runs.setdefault((threads, name), []).append(result["examples"] / result["seconds"])
                    ids = runs.setdefault("ids", result["ids"])
                    if result["ids"] != ids:
                        raise SystemExit(f"{name} gave {result['ids']:,} ids, and another {ids:,}")
        ids = runs.pop("ids")
    size = arguments.rows
    print(f"{size:,} rows of {arguments.format}, {ids / size:.0f} ids each; the same ids from both\n")
    print(f"{'':36}{'examples/s':>30}{'ratio to Python':>18}")
    for (threads, name), speeds in runs.items():
        peer = statistics.median(runs[threads, f"Python, {threads} process{'es' * (threads > 1)}"])
        middle = statistics.median(speeds)
        shown = f"{middle:,.0f} ({min(speeds):,.0f}–{max(speeds):,.0f})"
        print(f"{name:36}{shown:>30}{middle / peer:>18.2f}")


if __name__ == "__main__":
    main()
