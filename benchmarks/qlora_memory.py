#!/usr/bin/env python3
"""Trains LoRA on a T5 of T5-base's shape with random weights, in fp32 and on quantised backbones, and prints the peaks.

    benchmarks/qlora_memory.py [--method lora] [--steps 2] [--batch 4] [--length 64]

The weights (220M, 0.9 GB) are made in a temporary folder and thrown away. Needs nothing but Python. Ends with 1 if
QLoRA does not need less memory.
"""
import argparse
import array
import json
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile

root = pathlib.Path(__file__).resolve().parent.parent

SHAPE = {"vocab_size": 32128, "d_model": 768, "d_kv": 64, "num_heads": 12, "d_ff": 3072, "num_layers": 12,
         "num_decoder_layers": 12, "feed_forward_proj": "relu", "tie_word_embeddings": True, "model_type": "t5",
         "architectures": ["T5ForConditionalGeneration"], "relative_attention_num_buckets": 32,
         "relative_attention_max_distance": 128, "layer_norm_epsilon": 1e-6, "dropout_rate": 0.1, "pad_token_id": 0,
         "eos_token_id": 1, "decoder_start_token_id": 0}


def tensors():
    """Name, shape and standard deviation (T5's initialisation) of every tensor; 0 stands for ones."""
    d, inner, ff = SHAPE["d_model"], SHAPE["d_kv"] * SHAPE["num_heads"], SHAPE["d_ff"]
    yield "shared.weight", (SHAPE["vocab_size"], d), 1.0
    for stack, layers in (("encoder", SHAPE["num_layers"]), ("decoder", SHAPE["num_decoder_layers"])):
        for layer in range(layers):
            block = f"{stack}.block.{layer}.layer"
            attentions = ["SelfAttention"] + ["EncDecAttention"] * (stack == "decoder")
            for number, attention in enumerate(attentions):
                for name, shape, deviation in (("q", (inner, d), (d * SHAPE["d_kv"]) ** -0.5),
                                               ("k", (inner, d), d**-0.5), ("v", (inner, d), d**-0.5),
                                               ("o", (d, inner), inner**-0.5)):
                    yield f"{block}.{number}.{attention}.{name}.weight", shape, deviation
                yield f"{block}.{number}.layer_norm.weight", (d,), 0
            if layer == 0:
                yield f"{block}.0.SelfAttention.relative_attention_bias.weight", (32, SHAPE["num_heads"]), 0.1
            last = len(attentions)
            yield f"{block}.{last}.DenseReluDense.wi.weight", (ff, d), d**-0.5
            yield f"{block}.{last}.DenseReluDense.wo.weight", (d, ff), ff**-0.5
            yield f"{block}.{last}.layer_norm.weight", (d,), 0
        yield f"{stack}.final_layer_norm.weight", (d,), 0


def count(shape):
    return shape[0] * (shape[1] if len(shape) > 1 else 1)


def write_model(folder):
    """Normal numbers from one supply of a million, begun at another place for every tensor."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(SHAPE))
    shutil.copy(root / "assets/backbones/t5-nano-lm/spiece.model", folder)
    header, end = {}, 0
    for name, shape, _ in tensors():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + 4 * count(shape)]}
        end += 4 * count(shape)
    chance = random.Random(0)
    supply = [chance.gauss(0, 1) for _ in range(1_000_003)]
    scaled = {}
    with open(folder / "model.safetensors", "wb") as file:
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape, deviation in tensors():
            if deviation == 0:
                file.write(array.array("f", [1.0]) * count(shape))
                continue
            if deviation not in scaled:
                scaled[deviation] = array.array("f", (x * deviation for x in supply))
            numbers, left, at = scaled[deviation], count(shape), chance.randrange(len(supply))
            while left:
                piece = numbers[at : at + left]
                file.write(piece)
                left, at = left - len(piece), 0
    return end // 4


def write_task(folder, length):
    folder.mkdir()
    chance = random.Random(1)
    words = "the sea was calm and old ships came home with wind rain fire light storm king queen".split()
    rows = [{"text": " ".join(chance.choices(words, k=2 * length)), "answer": chance.choice(["good", "bad"])}
            for _ in range(48)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    file = folder / "random.yaml"
    file.write_text(f"""\
name: random
summary: words without a meaning
source: rows.jsonl
input: "{{text}}"
target: "{{answer}}"
labels: [good, bad]
split: {{seed: 0, validation: 4, test: 4}}
limits: {{input: {length}, target: 6}}
""")
    return file


def run(program, options, model, task, folder, quantization):
    settings = [f"backbone.quantization={quantization}", f"train.batch_size={options.batch}",
                "train.evaluate_at_start=false", "train.evaluate_every=0", "train.checkpoint_every=0",
                "eval.mode=rank", *options.set]
    command = [program, "--method", options.method, "--backbone", model, "--task", task, "--out", folder,
               "--steps", options.steps]
    for setting in settings:
        command += ["--set", setting]
    result = subprocess.run([*map(str, command)], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(result.stdout + result.stderr)
    (record,) = folder.glob("*/record.json")
    return json.loads(record.read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, default=root / "build/bin/peft-bench")
    parser.add_argument("--method", default="lora")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--length", type=int, default=64, help="tokens of an input")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    peaks, shown = {}, []
    with tempfile.TemporaryDirectory(prefix="peft-bench-qlora-") as scratch:
        scratch = pathlib.Path(scratch)
        parameters = write_model(scratch / "base")
        task = write_task(scratch / "task", options.length)
        print(f"{options.method} on {parameters:,} random weights of T5-base's shape, batches of {options.batch} × "
              f"{options.length} tokens, {options.steps} steps; MiB of memory")
        for quantization in ("none", "nf4", "int8"):
            record = run(options.program, options, scratch / "base", task, scratch / quantization, quantization)
            phases = {phase["name"]: phase for phase in record["phases"]}
            peaks[quantization] = max(phase["peak_memory_bytes"] for phase in phases.values())
            if not shown:
                shown = list(phases)
                print(f"{'backbone':10}{'weights':>10}{'peak':>10}" + "".join(f"{name:>10}" for name in shown)
                      + f"{'train s':>10}")
            sizes = [record["backbone"]["bytes"], peaks[quantization],
                     *(phases[name]["peak_memory_bytes"] for name in shown)]
            print(f"{'fp32' if quantization == 'none' else quantization:10}"
                  + "".join(f"{size / 2**20:10.1f}" for size in sizes)
                  + f"{phases['train']['wall_seconds']:10.1f}", flush=True)
    if peaks["nf4"] >= peaks["none"]:
        sys.exit("a backbone in nf4 needs no less memory than one in fp32")


if __name__ == "__main__":
    main()
