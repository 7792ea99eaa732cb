#!/usr/bin/env python3
"""Tokens a second of pre-training by span corruption, beside a training loop of transformers, in turn.

    benchmarks/pretraining.py [--rounds 5] [--steps 8] [--threads 2]

Both train the sizes of assets/backbones/t5-nano-lm from random weights with AdamW: 64 segments of 128 input tokens a
step, in fp32 and bf16. Prints medians with their spread. The text is words of the vocabulary, drawn by a seed. Machines
differ and drift, so only ratios from one such run mean anything.
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

from preprocessing import words_of
from speed_parts.programs import Programs, root

model = root / "assets/backbones/t5-nano-lm"
INPUTS, TARGETS, BATCH = 128, 29, 64  # span_lengths(128, 0.15, 3)
CONFIG = """
model: {sizes}
vocabulary: {model}/spiece.model
text: {{{text}: 1}}
objectives: {{span_corruption: 1}}
lengths: {{inputs: 128}}
tokens: 8192
held_out: {{documents: 0, examples: 1}}
precision: {{compute: {precision}}}
train: {{steps: {steps}, optimizer: adamw, learning_rate: 1e-3, clip_norm: 1, evaluate_every: 0, checkpoint_every: 0}}
"""
SIZES = {"vocab_size": 8192, "d_model": 256, "d_kv": 64, "num_heads": 4, "d_ff": 640, "encoder_layers": 4,
         "decoder_layers": 4, "activation": "gelu_tanh", "gated": True, "tied": True, "scale_logits": True}


def rate_of(command, environment=None):
    result = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(result.stdout)["tokens_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    threads = str(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        draw = random.Random(1)
        words = words_of(model / "spiece.model")
        text = pathlib.Path(folder) / "documents.jsonl"
        with open(text, "w", encoding="utf-8") as out:
            for _ in range(2000):
                out.write(json.dumps({"text": " ".join(draw.choices(words, k=600))}) + "\n")
        environment = dict(os.environ, PEFTBENCH_HOME=str(root), PEFTBENCH_DATA=folder)
        rates = {}

        def measure(program, precision, command, environment=None):
            rate = rate_of(command, environment)
            rates.setdefault((program, precision), []).append(rate)
            print(f"{program}, {precision}: {rate:.0f} tokens a second", file=sys.stderr, flush=True)

        for _ in range(arguments.rounds):
            for precision in ("float32", "bfloat16"):
                config = pathlib.Path(folder) / f"{precision}.yaml"
                config.write_text(CONFIG.format(sizes=json.dumps(SIZES), model=model, text=text, precision=precision,
                                                steps=arguments.steps))
                measure("peft-bench", precision,
                        [Programs.build() / "bin/peft-bench", "pretrain", config, "--out", f"{folder}/{precision}", "--again",
                         "--threads", threads, "--json"], environment)
                measure("transformers", precision,
                        [Programs.peer_python(), root / "benchmarks/peer/pretraining.py", model, str(INPUTS), str(TARGETS), str(BATCH),
                         str(arguments.steps), precision, threads])
    print(f"{'tokens a second':16}{'peft-bench':>24}{'transformers':>24}{'ratio':>8}")
    for precision in ("float32", "bfloat16"):
        mine, theirs = rates[("peft-bench", precision)], rates[("transformers", precision)]
        show = [f"{statistics.median(r):.0f} ({min(r):.0f}–{max(r):.0f})" for r in (mine, theirs)]
        print(f"{precision:16}{show[0]:>24}{show[1]:>24}{statistics.median(mine) / statistics.median(theirs):8.2f}")


if __name__ == "__main__":
    main()
