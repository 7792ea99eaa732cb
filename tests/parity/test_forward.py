"""Logits, loss, encoder states and the gradient of the input embeddings equal those of transformers.

The peer runs padded batches with masks; peft-bench runs ragged lists. Each model is also saved in another form.
"""

from pathlib import Path

import torch

import models
import support
from models import Shape

TOLERANCE = 1e-4  # absolute, fp32
ALONE = 1e-5      # an example alone and in a batch

short = ([9, 17, 3, 1], [5, 2, 8, 3])
# name: (shape, form of the folder, stored as, input lengths, label lengths)
CASES = {
    "v1.0 tied": (Shape(), "transformers", torch.float32, *short),
    "v1.0 tied, older .bin": (Shape(seed=2), "older_bin", torch.float32, *short),
    "v1.1 untied": (Shape(gated=True, tied=False, scaled=False, seed=3), "transformers", torch.float32, *short),
    "v1.1 untied, sharded": (Shape(gated=True, tied=False, scaled=False, seed=4), "sharded", torch.float32, *short),
    "v1.1 untied, older safetensors": (
        Shape(gated=True, tied=False, scaled=False, seed=5), "older_safetensors", torch.float32, *short),
    "v1.1 untied, older .bin": (
        Shape(gated=True, tied=False, scaled=False, seed=6), "older_bin", torch.float32, *short),
    "gated, tied, scaled": (Shape(gated=True, seed=7), "transformers", torch.float32, *short),
    "heads narrower than d_model": (
        Shape(gated=True, tied=False, scaled=False, d_model=64, d_kv=8, num_heads=3, seed=8), "transformers",
        torch.float32, *short),
    "heads wider than d_model": (
        Shape(d_model=32, d_kv=24, num_heads=5, seed=9), "older_bin", torch.float32, *short),
    "encoder deeper than decoder": (
        Shape(encoder_layers=5, decoder_layers=2, seed=10), "older_bin", torch.float32, *short),
    "decoder deeper than encoder": (
        Shape(encoder_layers=1, decoder_layers=4, gated=True, tied=False, scaled=False, seed=11), "sharded",
        torch.float32, *short),
    "mT5": (Shape(**models.MT5, seed=16), "transformers", torch.float32, *short),
    "ByT5": (Shape(**models.BYT5, seed=17), "transformers", torch.float32, [40, 7, 90], [12, 5, 2]),
    "UL2": (Shape(**models.UL2, seed=18), "transformers", torch.float32, *short),
    "over 128 tokens, v1.0": (Shape(seed=12), "transformers", torch.float32, [310, 6, 150, 128], [4, 170, 129, 1]),
    "over 128 tokens, v1.1": (
        Shape(gated=True, tied=False, scaled=False, seed=13), "transformers", torch.float32, [2, 260, 131],
        [140, 12, 40]),
    "bf16 file, v1.0": (Shape(seed=14), "transformers", torch.bfloat16, *short),
    "bf16 file, v1.1 .bin": (
        Shape(gated=True, tied=False, scaled=False, seed=15), "older_bin", torch.bfloat16, *short),
}


def peer_forward(model, inputs, labels):
    batch = support.peer_batch(inputs, labels)
    embeddings = model.shared(batch.pop("input_ids")).detach().requires_grad_(True)
    out = model(inputs_embeds=embeddings, **batch)
    out.loss.backward()
    return {
        "encoder_last_hidden_state": support.real_rows(out.encoder_last_hidden_state.detach(), inputs),
        "logits": support.real_rows(out.logits.detach(), labels),
        "loss": out.loss.detach(),
        "input_embeddings_grad": support.real_rows(embeddings.grad, inputs),
    }


def main():
    options = support.arguments()
    checks = support.Checks()
    with support.scratch(options) as folder:
        for number, (name, (shape, form, dtype, input_lengths, label_lengths)) in enumerate(CASES.items()):
            model = models.build(shape, dtype)
            here = Path(folder) / str(number)
            backbone = models.save(model, shape, here / "backbone", form, dtype)
            inputs = models.sequences(input_lengths, shape.vocab_size, "input", shape.seed)
            labels = models.sequences(label_lengths, shape.vocab_size, "label", shape.seed)
            ours = compare(checks, options, name, model, backbone, inputs, labels, here)
            if number % 4 == 0:
                alone(checks, options, name, backbone, inputs, labels, here, ours)
        trained(checks, options, Path(folder) / "trained")
    checks.finish()


def compare(checks, options, name, model, backbone, inputs, labels, folder):
    """On both backends; what the reference computes."""
    peers = peer_forward(model, inputs, labels)
    for backend in ("fast", "reference"):
        ours = support.forward(options.program, backbone, inputs, labels, folder, "--grad", "--backend", backend)
        for tensor, expected in peers.items():
            # Gradients are far below 1 here: theirs is also allowed only as a part of the largest.
            size = expected.abs().max().item() if tensor.endswith("_grad") else 1.0
            checks.close(f"{name}, {backend}: {tensor}", ours[tensor].reshape(expected.shape), expected,
                         TOLERANCE * min(1.0, size))
    return ours


def trained(checks, options, folder):
    """Trained weights have outliers that random ones lack: the small T5 that the project brings along."""
    backbone = options.source / "assets" / "backbones" / "t5-nano-lm"
    inputs = models.sequences([30, 4, 140], 8000, "input")
    labels = models.sequences([6, 2, 12], 8000, "label")
    compare(checks, options, "t5-nano-lm", models.load(backbone), backbone, inputs, labels, folder)


def alone(checks, options, name, backbone, inputs, labels, folder, together):
    for row in (0, len(inputs) - 1):
        single = support.forward(options.program, backbone, [inputs[row]], [labels[row]], folder)
        for tensor, length in (("logits", len(labels[row])), ("encoder_last_hidden_state", len(inputs[row]))):
            checks.close(f"{name}: row {row} alone, {tensor}", single[tensor][0], together[tensor][row, :length], ALONE)


if __name__ == "__main__":
    main()
