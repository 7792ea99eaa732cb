"""Houlsby, Pfeiffer and parallel adapters equal a second implementation on transformers' T5.

Logits with random trained values on models of the three shapes; losses of fifty steps of AdamW from the same values.
AdapterHub's own package wants an older transformers than the other peers; adapterhub.py compares with it by hand.
"""

from pathlib import Path

import torch

import models
import support
import training
from models import Shape
from second_adapters import SecondAdapters

TOLERANCE = 1e-4
GATED = {"gated": True, "tied": False, "scaled": False}
SHAPES = {
    "v1.0": Shape(vocab_size=8192, encoder_layers=2, decoder_layers=2, seed=61),
    "v1.1": Shape(vocab_size=8192, encoder_layers=2, decoder_layers=2, seed=62, **GATED),
    "v1.1-small": Shape(vocab_size=8192, d_model=64, d_kv=8, num_heads=3, encoder_layers=3, decoder_layers=2, seed=63,
                        **GATED),  # d_kv · heads ≠ d_model
}
# name: settings of the program, and (reads, activation, scale) of the second implementation
CASES = {
    "Houlsby": (["kind=houlsby"], ("output", "gelu", 1.0)),
    "Pfeiffer": (["kind=pfeiffer"], ("sum", "relu", 1.0)),
    "parallel": (["kind=parallel"], ("input", "relu", 4.0)),
    "T-Few's": (["kind=houlsby", "sites=ffn", "activation=relu"], ("output", "relu", 1.0)),
    "parallel of the residual at every site": (
        ["kind=parallel", "sites=self,cross,ffn", "reads=residual", "activation=swish", "scale=0.5"],
        ("residual", "swish", 0.5)),
}
# Trained by these rates: a step in a wrong direction is seen, and kinks of ReLU do not yet make chaos of it.
TRAINED = {"Houlsby": 2e-3, "Pfeiffer": 2e-3, "parallel": 1e-3}


def logits(checks, bench, name, settings, form):
    adapter, _, _ = bench.train("adapter", "logits " + name, [*settings, "bottleneck=8"], 0)
    tensors = bench.randomise(adapter)
    inputs = models.sequences([9, 70, 2, 17], bench.shape.vocab_size, "input", bench.shape.seed)
    labels = models.sequences([3, 1, 6, 4], bench.shape.vocab_size, "label", bench.shape.seed)
    model = bench.peer()
    batch = support.peer_batch(inputs, labels)
    with torch.no_grad():
        plain = model(**batch).logits
        SecondAdapters(model, tensors, *form)
        peers = model(**batch)
    ours = support.forward(bench.options.program, bench.backbone, inputs, labels, adapter.parent / "forward",
                           "--adapter", adapter)
    checks.close(f"{name}: logits", ours["logits"], support.real_rows(peers.logits, labels), TOLERANCE)
    checks.close(f"{name}: loss", ours["loss"].reshape(()), peers.loss, TOLERANCE)
    checks.true(f"{name}: the adapters change the logits", (peers.logits - plain).abs().max().item() > 0.1)


def trajectory(checks, bench, name, settings, form, rate):
    settings = [*settings, "bottleneck=8", "init=adapterhub", f"train.learning_rate={rate}"]
    start, _, _ = bench.train("adapter", "trained " + name, settings, 0)
    end, ours, batches = bench.train("adapter", "trained " + name, settings, training.STEPS)
    model = bench.peer()
    first = bench.values(start)
    second = SecondAdapters(model, first, *form)

    def loss_of(batch):
        return model(**support.peer_batch([bench.inputs[i] for i in batch], [bench.labels[i] for i in batch])).loss

    peers = training.peer_losses(batches, loss_of, training.adamw(second.optimizer_groups(0.01), rate))
    training.compare(checks, f"{name} trained", ours, peers, 0.3)
    last = bench.values(end)
    error = max((last[key] - value.detach()).abs().max().item() for key, value in second.trained().items())
    moved = max((last[key] - first[key]).abs().max().item() for key in first)
    checks.true(f"{name} trained: final values differ by {error:.1e}, having moved by {moved:.2f}",
                error < 0.05 * moved and set(second.trained()) == set(last))


def main():
    options = support.arguments()
    checks = support.Checks()
    with support.scratch(options) as folder:
        for number, (shape_name, shape) in enumerate(SHAPES.items()):
            bench = training.Bench(options, shape, Path(folder) / str(number))
            for name, (settings, form) in CASES.items():
                logits(checks, bench, f"{name}, {shape_name}", settings, form)
                if shape_name == "v1.1" and name in TRAINED:
                    trajectory(checks, bench, name, settings, form, TRAINED[name])
    checks.finish()


if __name__ == "__main__":
    main()
