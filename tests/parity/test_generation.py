"""Greedy and 4-beam ids equal those of transformers.generate, for models that end their outputs and others."""

import json
from pathlib import Path

import torch

import models
import support
from models import Shape

MAX_TOKENS = 24
# Small embeddings, so that the layers and not the last token decide what comes next.
TIED = {"embedding": 0.05, "sharpness": 60.0}
UNTIED = {"gated": True, "tied": False, "scaled": False, "embedding": 0.1, "sharpness": 2.5}

# name: (shape, how much the logit of EOS is raised in standard deviations of the logits)
CASES = {
    "v1.0 tied, never ends": (Shape(seed=21, **TIED), 0.0),
    "v1.0 tied, heads wider than d_model": (Shape(d_model=32, d_kv=24, num_heads=5, seed=26, **TIED), 2.5),
    "gated, tied": (Shape(gated=True, seed=22, **TIED), 2.0),
    "v1.1 untied, seldom ends": (Shape(seed=24, **UNTIED), 1.5),
    "v1.1 untied, ends now and then": (Shape(seed=24, **UNTIED), 2.5),
    "v1.1 untied, mostly ends": (Shape(seed=24, **UNTIED), 4.0),
    "v1.1 untied, another": (Shape(seed=25, **UNTIED), 2.5),
    "mT5": (Shape(**models.MT5, seed=28, embedding=0.1, sharpness=2.5), 2.5),
    "ByT5": (Shape(**models.BYT5, seed=29, embedding=0.1, sharpness=2.5), 2.5),
    "UL2": (Shape(**models.UL2, seed=30, embedding=0.1, sharpness=2.5), 2.5),
    "encoder deeper than decoder": (Shape(encoder_layers=4, decoder_layers=2, seed=27, **UNTIED), 3.0),
}
INPUT_LENGTHS = [8, 21, 3, 140, 12, 5, 33, 2]


def raise_eos(model, inputs, amount):
    """Adds to EOS's row of the head a multiple of the mean decoder state, so that its logit rises by about
    `amount` standard deviations of all logits."""
    batch = support.peer_batch(inputs, [[5] * 8 for _ in inputs])
    states = {}
    hook = model.lm_head.register_forward_pre_hook(lambda _, args: states.update(head=args[0]))
    with torch.no_grad():
        logits = model(**batch).logits
        hook.remove()
        mean = states["head"].flatten(0, 1).mean(0)
        model.lm_head.weight[1] += mean * (amount * logits.std() / mean.dot(mean))


def peer_ids(model, inputs, beams):
    """Generated ids of each row, up to and without EOS."""
    batch = support.peer_batch(inputs, [[1]] * len(inputs))
    out = model.generate(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], num_beams=beams,
                         do_sample=False, max_new_tokens=MAX_TOKENS)
    return [ended(row[1:]) for row in out.tolist()]


def ended(row):
    return row[: row.index(1)] if 1 in row else row


def compare(checks, options, name, model, backbone, inputs, folder):
    """Greedily and with four beams, on both backends; the lengths of the peer's outputs."""
    lengths = []
    for beams in (1, 4):
        out = folder / f"beams{beams}.json"
        peers = peer_ids(model, inputs, beams)
        found = [len(row) for row in peers]
        for backend in ("reference", "fast"):
            support.forward(options.program, backbone, inputs, [[1]] * len(inputs), folder, "--generate", out,
                            "--beams", beams, "--max-tokens", MAX_TOKENS, "--backend", backend)
            checks.equal(f"{name}, {beams} beams, {backend}: ids (lengths {found})", json.loads(out.read_text()), peers)
        lengths += found
    return lengths


def main():
    options = support.arguments()
    checks = support.Checks()
    seen_ended = seen_open = 0
    with support.scratch(options) as folder:
        for number, (name, (shape, amount)) in enumerate(CASES.items()):
            model = models.build(shape)
            inputs = models.sequences(INPUT_LENGTHS, shape.vocab_size, "input", shape.seed)
            raise_eos(model, inputs, amount)
            here = Path(folder) / str(number)
            backbone = models.save(model, shape, here / "backbone", "transformers")
            lengths = compare(checks, options, name, model, backbone, inputs, here)
            seen_ended += sum(length < MAX_TOKENS for length in lengths)
            seen_open += sum(length == MAX_TOKENS for length in lengths)
        backbone = options.source / "assets" / "backbones" / "t5-nano-lm"
        inputs = models.sequences(INPUT_LENGTHS, 8000, "input")
        compare(checks, options, "t5-nano-lm", models.load(backbone), backbone, inputs, Path(folder) / "trained")
    checks.true(f"outputs that end ({seen_ended}) and that do not ({seen_open}) were both seen",
                min(seen_ended, seen_open) >= 10)
    checks.finish()


if __name__ == "__main__":
    main()
