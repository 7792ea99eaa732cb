"""Pre-training from random weights, beside transformers and torch.optim.AdamW on the very same examples: the loss of
each step, the weights at the end, and the model's folder as transformers reads it."""

import json
import random
from pathlib import Path

import torch
from transformers import T5ForConditionalGeneration

from support import Checks, arguments, forward, peer_batch, run, scratch

STEPS, TOKENS, RATE = 12, 256, 3e-3
EPSILON = 1e-5  # AdamW's; with the default, the sign of noise decides where a gradient is almost 0
CONFIG = f"""
model: {{vocab_size: 512, d_model: 64, d_kv: 24, num_heads: 4, d_ff: 96, encoder_layers: 2, decoder_layers: 3,
        activation: gelu_tanh, gated: true, tied: TIED, scale_logits: TIED}}
vocabulary: spiece.model
text: {{TEXT: 1}}
objectives: {{span_corruption: 1, prefix_lm: 1}}
lengths: {{inputs: 24}}
tokens: {TOKENS}
held_out: {{documents: 0.1, examples: 8}}
precision: {{compute: float32, stored: float32}}
snapshots: {{first: 1}}
train: {{steps: {STEPS}, optimizer: adamw, learning_rate: {RATE}, schedule: constant, adamw: {{weight_decay: 0.01, epsilon: {EPSILON}}},
        evaluate_every: 0, log_every: 1, seed: 5}}
"""


def write_text(folder):
    draw = random.Random(3)
    words = ["".join(draw.choice("aeiou" if i % 2 else "bdklmnrst") for i in range(draw.randint(2, 7)))
             for _ in range(300)]
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "documents.jsonl", "w", encoding="utf-8") as out:
        for _ in range(200):
            out.write(json.dumps({"text": " ".join(draw.choices(words, k=60)) + "."}) + "\n")


def batches(examples):
    """As much of an objective as fits its half of the budget, from where the last batch ended."""
    cursor = 0
    while True:
        batch, room = [], TOKENS // 2
        while True:
            room -= len(examples[cursor]["input"])
            if room < 0 and batch:
                break
            batch.append(examples[cursor])
            cursor += 1
        yield batch


def peer_loss(model, batch):
    tensors = peer_batch([e["input"] for e in batch], [e["target"] for e in batch])
    logits = model(**tensors).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), tensors["labels"].flatten(), ignore_index=-100)


def compare(options, checks, folder, tied):
    name = "tied" if tied else "untied"
    file = folder / f"{name}.yaml"
    file.write_text(CONFIG.replace("TIED", str(tied).lower()).replace("TEXT", str(folder / "text")))
    data = ["--data", folder / "data"]
    shown = run(options.program, "pretrain", file, "--show", 200, "--json", "--threads", 1, *data)
    pools = {}
    for line in shown.splitlines():
        example = json.loads(line)
        pools.setdefault(example["objective"], []).append(example)
    checks.equal(f"{name}: objectives", sorted(pools), ["prefix_lm", "span_corruption"])
    out = folder / name
    # A run of one step at rate 0 gives the random weights that training begins with.
    still = folder / f"{name}-still.yaml"
    still.write_text(file.read_text().replace(f"learning_rate: {RATE}", "learning_rate: 0").replace(
        f"steps: {STEPS}", "steps: 1").replace("snapshots: {first: 1}\n", ""))
    run(options.program, "pretrain", still, "--out", folder / f"{name}-start", "--threads", 1, *data)
    run(options.program, "pretrain", file, "--out", out, "--threads", 1, *data)

    model = T5ForConditionalGeneration.from_pretrained(folder / f"{name}-start" / still.stem).eval()  # no dropout
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01, eps=EPSILON)
    streams = {objective: batches(examples) for objective, examples in pools.items()}
    losses = []
    for _ in range(STEPS):
        loss = sum(0.5 * peer_loss(model, next(streams[o])) for o in ("span_corruption", "prefix_lm"))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    events = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    ours = [event["loss"] for event in events if event["event"] == "step"]
    checks.close(f"{name}: loss of {STEPS} steps", ours, losses, 1e-4)
    checks.true(f"{name}: something was learnt ({losses[0]:.2f} to {losses[-1]:.2f})", losses[-1] < losses[0] - 0.1)
    trained = T5ForConditionalGeneration.from_pretrained(out / name).eval()
    for key, value in model.state_dict().items():
        if "embed_tokens" not in key:
            checks.close(f"{name}: {key}", trained.state_dict()[key], value, 2e-3)
    inputs = [e["input"] for e in pools["prefix_lm"][:4]]
    labels = [e["target"] for e in pools["prefix_lm"][:4]]
    result = forward(options.program, out / name, inputs, labels, folder / f"{name}-forward")
    tensors = peer_batch(inputs, labels)
    with torch.no_grad():
        logits = trained(**tensors).logits
    mask = (tensors["labels"] != -100).unsqueeze(-1)
    checks.close(f"{name}: logits of the folder in transformers", result["logits"] * mask, logits * mask, 1e-4)


def main():
    options, checks = arguments(), Checks()
    with scratch(options) as temporary:
        folder = Path(temporary)
        write_text(folder / "text")
        run(options.program, "vocab", folder / "text", "--size", "300", "--out", folder / "spiece.model")
        for tied in (True, False):
            compare(options, checks, folder, tied)
    checks.finish()


if __name__ == "__main__":
    main()
