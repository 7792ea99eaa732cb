"""The work of preprocessing.cpp as a Python user writes it: json or csv, f-strings, sentencepiece, a map over rows.

    .deps/peer/bin/python benchmarks/peer/preprocessing.py ROWS spiece.model PROCESSES

Prints one line of JSON. Several processes share the rows as `datasets.map(num_proc=…)` does; ids come back as lists.
"""
import csv
import json
import multiprocessing
import sys
import time

import sentencepiece

MAX_INPUT, MAX_TARGET, EOS = 512, 62, 1
vocabulary = None


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        if path.endswith(".csv"):
            yield from csv.DictReader(file)
        else:
            for line in file:
                yield json.loads(line)


def start(model):
    global vocabulary
    vocabulary = sentencepiece.SentencePieceProcessor(model_file=model)


def encode(row):
    example = {"input": f"review: {row['text']} or not", "target": row["label"]}
    return {"input_ids": vocabulary.encode(example["input"])[: MAX_INPUT - 1] + [EOS],
            "labels": vocabulary.encode(example["target"])[: MAX_TARGET - 1] + [EOS]}


def main():
    path, model, processes = sys.argv[1], sys.argv[2], int(sys.argv[3])
    begin = time.perf_counter()
    if processes == 1:
        start(model)
        examples = [encode(row) for row in rows_of(path)]
    else:
        with multiprocessing.Pool(processes, start, (model,)) as pool:
            examples = list(pool.imap(encode, rows_of(path), chunksize=1000))
    ids = sum(len(example["input_ids"]) + len(example["labels"]) for example in examples)
    print(json.dumps({"examples": len(examples), "ids": ids, "seconds": time.perf_counter() - begin}))


if __name__ == "__main__":
    main()
