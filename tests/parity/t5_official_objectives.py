"""By hand: span corruption's examples are those of T5's own functions. Of the text and the mask of each example that
`peft-bench pretrain --show` prints, T5's code makes the same input and target; T5's masks hide as many tokens in as
many runs, and each place as often. The environment is that of t5_official.py:

    python t5_official_objectives.py --t5 t5 --program build/bin/peft-bench --source .
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
EOS, MASKS = 1, 3000


class Vocabulary:
    """What T5's functions ask of one."""

    vocab_size = 8100


def restored(example):
    """The segment of text and its mask, from an input and a target without EOS."""
    source, target = example["input"][:-1], example["target"][:-1]
    first = Vocabulary.vocab_size - 1
    hidden = {}
    for token in target:
        if token > first - 100:
            hidden[token] = run = []
        else:
            run.append(token)
    tokens, mask = [], []
    for token in source:
        part = hidden[token] if token in hidden else [token]
        tokens += part
        mask += [token in hidden] * len(part)
    return tokens, mask


def shown(options, folder, inputs, count):
    rand = random.Random(0)
    (folder / "text.jsonl").write_text("".join(
        json.dumps({"text": " ".join(rand.choice("the sea was calm and old ships came home with rain".split())
                                     for _ in range(rand.randint(1, 400)))}) + "\n" for _ in range(200)))
    config = folder / "config.yaml"
    config.write_text(
        f"model: {{vocab_size: {Vocabulary.vocab_size}, d_model: 4, d_kv: 2, num_heads: 2, d_ff: 4,\n"
        "  encoder_layers: 1, decoder_layers: 1, activation: relu, gated: false, tied: true, scale_logits: true}\n"
        f"vocabulary: {options.source.resolve() / 'assets/backbones/t5-nano-lm/spiece.model'}\n"
        f"held_out: {{documents: 0}}\ntrain: {{steps: 1}}\ntext: {{{folder / 'text.jsonl'}: 1}}\n"
        f"objectives: {{span_corruption: 1}}\nlengths: {{inputs: {inputs}}}\n")
    result = subprocess.run([options.program, "pretrain", config, "--show", str(count), "--json", "--data", folder],
                            capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(result.stdout + result.stderr)
    return [json.loads(line) for line in result.stdout.splitlines()]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--t5", required=True, type=Path, help="a checkout of T5's repository")
    parser.add_argument("--program", required=True, type=Path, help="the built peft-bench")
    parser.add_argument("--source", required=True, type=Path, help="root of the checkout")
    options = parser.parse_args()
    sys.path.insert(0, str(options.t5))
    import tensorflow as tf
    from t5.data import preprocessors as t5

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32), tf.TensorSpec([2, 2], tf.int32)])
    def t5_mask(length, seeds):
        return t5.random_spans_noise_mask(length, 0.15, seeds, 3.0)

    def spans(mask):
        return int(np.sum(np.diff(np.concatenate([[0], np.asarray(mask, int)])) == 1))

    seeds, failed = np.random.default_rng(0).integers(0, 2**31 - 1, (MASKS, 2, 2)).astype(np.int32), 0
    with tempfile.TemporaryDirectory() as folder:
        # With 8 and 9 T5 takes a token more, for which there is no room: it reckons without a least run of noise.
        for inputs in (10, 12, 16, 20, 33, 64, 128, 256, 512, 600):
            examples = shown(options, Path(folder), inputs, 300 if inputs != 64 else MASKS)
            raw, most = t5.random_spans_helper(inputs, 0.15, 3.0, 1, 1)
            longest = max(len(restored(example)[0]) for example in examples)
            problems = [] if longest == raw else [f"segments of {longest}, T5's of {raw}"]
            for number, example in enumerate(examples[:300]):
                tokens, mask = restored(example)
                made = [t5.noise_span_to_unique_sentinel(tf.constant(tokens), tf.constant(one), Vocabulary, None)
                        for one in (mask, [not hidden for hidden in mask])]
                theirs = t5_mask(len(tokens), seeds[number]).numpy()
                if [list(one.numpy()) + [EOS] for one in made] != [example["input"], example["target"]]:
                    problems.append(f"example {number}: input or target")
                if (sum(mask), spans(mask)) != (int(theirs.sum()), spans(theirs)):
                    problems.append(f"example {number}: {sum(mask)} hidden in {spans(mask)} runs, T5's {theirs.sum()} "
                                    f"in {spans(theirs)}")
            if len(examples[0]["target"]) > most and longest == raw:
                problems.append("targets are longer than T5's")
            failed += bool(problems)
            print(f"{'NOT EQUAL' if problems else 'equal'}: inputs of {inputs}: {len(examples)} examples "
                  f"{problems[:3] or ''}")
            if inputs == 64:
                ours = np.array([mask for mask in (restored(example)[1] for example in examples) if len(mask) == raw])
                theirs = np.array([t5_mask(raw, seed).numpy() for seed in seeds])
                apart = np.abs(ours.mean(0) - theirs.mean(0)).max()
                failed += apart > 0.05
                print(f"how often each place is hidden: at most {apart:.3f} apart (allowed 0.05, of {len(ours)} masks)")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
