"""warp, vpt and soft_words equal a second implementation on transformers: no other program runs them on T5.

vpt takes ids, so its logits are compared whole. The others lay prompts out in a task's text: there the loss of each
example alone is compared, from random values, and fifty steps of AdamW. A mixture's weights by EM are among them.
"""

import json
from contextlib import contextmanager
from pathlib import Path

import sentencepiece
import torch
from safetensors.torch import save_file
from transformers.modeling_outputs import BaseModelOutput

import models
import sentences
import support
import training
from models import Shape

TOLERANCE = 1e-4
SHAPES = {
    "v1.0": Shape(vocab_size=8192, encoder_layers=3, decoder_layers=2, seed=81),
    "v1.1": Shape(vocab_size=8192, encoder_layers=3, decoder_layers=2, seed=82, gated=True, tied=False, scaled=False),
    "v1.1-small": Shape(vocab_size=8192, d_model=64, d_kv=8, num_heads=3, encoder_layers=3, decoder_layers=2, seed=83,
                        gated=True, tied=False, scaled=False),
}
LENGTH = 4


class Words:
    """The vocabulary as the program reads it: a slot of number s is the id -1 - s."""

    def __init__(self, options):
        self.tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(sentences.vocabulary(options)))
        self.mask = self.tokenizer.get_piece_size() + 99  # <extra_id_0>

    def __call__(self, text):
        return self.tokenizer.encode(text)


def slots(first, count):
    return [-1 - number for number in range(first, first + count)]


@contextmanager
def changed_layers(model, change):
    """change(l, hidden) in place of what enters encoder layer l, and of what leaves the last one, l = L."""
    sites = [*model.encoder.block[1:], model.encoder.final_layer_norm]

    def hook(layer):
        def apply(module, inputs):
            return (change(layer, inputs[0]), *inputs[1:])
        return apply

    handles = [site.register_forward_pre_hook(hook(number + 1)) for number, site in enumerate(sites)]
    yield
    for handle in handles:
        handle.remove()


def encode(model, rows, first, layers, replace=False):
    """Encoder states and mask; `first` [S, D] are the slots' embeddings, `layers` {l: [S, D]} what is put or added."""
    ids = support.padded(rows, 0)
    mask = support.padded([[1] * len(row) for row in rows], 0)
    at = (ids < 0).unsqueeze(-1)
    slot = (-1 - ids).clamp(min=0)
    embedded = torch.where(at, first[slot], model.shared(ids.clamp(min=0)))

    def change(layer, hidden):
        if layer not in layers:
            return hidden
        there = layers[layer][slot]
        return torch.where(at, there if replace else hidden + there, hidden)

    with changed_layers(model, change):
        states = model.encoder(inputs_embeds=embedded, attention_mask=mask).last_hidden_state
    return states, mask


def text_logits(model, states, mask, labels):
    return model(encoder_outputs=BaseModelOutput(states), attention_mask=mask, labels=support.padded(labels, -100)).logits


def log_likelihoods(model, states, mask, labels):
    """[B], each the sum over a label's tokens."""
    target = support.padded(labels, -100)
    log_p = text_logits(model, states, mask, labels).log_softmax(-1)
    chosen = log_p.gather(2, target.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    return (chosen * (target != -100)).sum(1)


def class_scores(model, states, mask, weight, bias, scaled):
    """[B, C] from the decoder's state at its start token."""
    start = torch.zeros(len(states), 1, dtype=torch.long)
    hidden = model.decoder(input_ids=start, encoder_hidden_states=states, encoder_attention_mask=mask).last_hidden_state
    first = hidden[:, 0] * (model.config.d_model**-0.5 if scaled else 1.0)
    return first @ weight.T + bias


class Second:
    """One method again: `loss(batch)` of numbers of examples, and the tensors that it trains."""

    def __init__(self, bench, words, values):
        self.bench, self.words, self.model = bench, words, bench.peer()
        self.values = {name: value.clone() for name, value in values.items()}

    def train(self, names):
        return [self.values[name].requires_grad_(True) for name in names]

    def after_step(self, step):
        pass


class Warp(Second):
    def row(self, example):
        text = self.bench.inputs[example][:-1]  # without EOS
        n = LENGTH
        return [*slots(0, n), *text, *slots(n, n), self.words.mask, *slots(2 * n, n), 1]

    def loss(self, batch):
        states, mask = encode(self.model, [self.row(i) for i in batch], self.values["encoder.input.prompt"], {})
        scores = class_scores(self.model, states, mask, self.values["head.verbalizer"], self.values["head.bias"],
                              self.bench.shape.scaled)
        return torch.nn.functional.cross_entropy(scores, torch.tensor([self.bench.classes[i] for i in batch]))


class SoftWords(Second):
    PROMPTS = "{input} [2: sea] <extra_id_0> [1: king]"

    def copies(self, example):
        text = self.bench.inputs[example][:-1]
        return [[*text, *slots(0, 2), self.words.mask, *slots(2, 1), 1]]

    def likelihoods(self, batch):
        rows = [row for i in batch for row in self.copies(i)]
        copies = len(rows) // len(batch)
        layers = {layer: self.values[f"encoder.{layer}.block.delta"]
                  for layer in range(1, self.bench.shape.encoder_layers + 1)}
        first = self.values["encoder.input.words"] + self.values["encoder.input.delta"]
        states, mask = encode(self.model, rows, first, layers)
        labels = [self.bench.labels[i] for i in batch for _ in range(copies)]
        return log_likelihoods(self.model, states, mask, labels).reshape(len(batch), copies)

    def tokens(self, batch):
        return sum(len(self.bench.labels[i]) for i in batch)

    def loss(self, batch):
        return -self.likelihoods(batch).sum() / self.tokens(batch)


class Mixture(SoftWords):
    PROMPTS = "{input} [2: sea] <extra_id_0> [1: king] | [3: old ships] <extra_id_0> {input}"
    POWER = 0.7

    def copies(self, example):
        text = self.bench.inputs[example][:-1]
        return [*super().copies(example), [*slots(3, 3), self.words.mask, *text, 1]]

    def loss(self, batch):
        joint = self.likelihoods(batch) + self.values["replicas.weights"].log()
        self.responsibilities = joint.detach().softmax(1).mean(0)
        return -joint.logsumexp(1).sum() / self.tokens(batch)

    def after_step(self, step):
        rate = (step + 1) ** -self.POWER
        self.values["replicas.weights"] = (1 - rate) * self.values["replicas.weights"] + rate * self.responsibilities


METHODS = {
    "warp": ("warp", Warp, [f"segment={LENGTH}"], 5e-2),
    "soft_words": ("soft_words", SoftWords, [f"prompts={SoftWords.PROMPTS}"], 5e-2),
    "soft_words, mixture": ("soft_words", Mixture, [f"prompts={Mixture.PROMPTS}"], 5e-2),
}


def run(bench, method, folder, settings, start=None):
    """The adapter's folder and the events of log.jsonl."""
    flags = [flag for setting in settings for flag in ("--set", setting)]
    support.run(bench.options.program, "--method", method, "--task", bench.task, "--backbone", bench.backbone, "--out",
                folder, "--threads", 1, *flags, *(["--init-from", start] if start else []))
    (adapter,) = folder.glob("**/adapter")
    events = [json.loads(line) for line in (adapter.parent / "log.jsonl").read_text().splitlines()]
    return adapter, [event for event in events if event["event"] == "step"]


def plain(batch, rate, steps):
    kept = [line for line in training.PLAIN if not line.startswith("train.batch_size")]
    return [*kept, f"train.batch_size={batch}", f"train.learning_rate={rate}", f"train.steps={steps}"]


def random_values(bench, values):
    """Every tensor moved; the mixture's weights stay weights."""
    moved = {name: value + models.uniform(name, value.shape, 0.3, bench.shape.seed) for name, value in values.items()}
    if "replicas.weights" in moved:
        moved["replicas.weights"] = torch.tensor([0.5, 0.5])  # what `weights=fixed` gives
    if "encoder.input.words" in moved:  # never trained: other words would be another prompt
        moved["encoder.input.words"] = values["encoder.input.words"]
    return moved


def examples_alone(checks, bench, words, name, label):
    """The loss of each example by itself, at random values of all tensors, fixed by a rate of 0."""
    method, second, settings, _ = METHODS[name]
    folder = bench.folder / f"{name} alone"
    adapter, _ = run(bench, method, folder / "start", [*plain(1, 0, 1), *settings])
    values = random_values(bench, bench.values(adapter))
    save_file(values, folder / "values.safetensors")
    fixed = ["weights=fixed"] if method == "soft_words" else []
    _, events = run(bench, method, folder / "runs", [*plain(1, 0, training.EXAMPLES), *settings, *fixed],
                    folder / "values.safetensors")
    peer = second(bench, words, values)
    with torch.no_grad():
        peers = [peer.loss(event["examples"]).item() for event in events]
    checks.equal(f"{label}: every example once", sorted(i for event in events for i in event["examples"]),
                 list(range(training.EXAMPLES)))
    checks.close(f"{label}: loss of each example alone", [event["loss"] for event in events], peers, TOLERANCE)
    spread = max(peers) - min(peers)
    checks.true(f"{label}: the examples differ ({spread:.2f})", spread > 0.5)


def trajectory(checks, bench, words, name, label):
    method, second, settings, rate = METHODS[name]
    folder = bench.folder / f"{name} trained"
    adapter, _ = run(bench, method, folder / "start", [*plain(1, 0, 1), *settings])
    values = bench.values(adapter)
    if "replicas.weights" in values:
        values["replicas.weights"] = torch.tensor([0.5, 0.5])  # the step above was an M step
    save_file(values, folder / "values.safetensors")
    end, events = run(bench, method, folder / "runs", [*plain(training.BATCH, rate, training.STEPS), *settings],
                      folder / "values.safetensors")
    peer = second(bench, words, values)
    trained = [key for key in values if key not in ("encoder.input.words", "replicas.weights")]
    optimizer = training.adamw([(peer.train(trained), 0.01)], rate)
    losses = []
    for step, event in enumerate(events, start=1):
        losses += training.peer_losses([event["examples"]], peer.loss, optimizer)
        peer.after_step(step)
    training.compare(checks, label, [event["loss"] for event in events], losses, 0.3)
    final = bench.values(end)
    for key in ("replicas.weights", "encoder.input.words"):
        if key in final:
            checks.close(f"{label}: {key}", final[key], peer.values[key], training.TOLERANCE)
    if "replicas.weights" in final:
        checks.true(f"{label}: EM has moved the weights to {final['replicas.weights'].tolist()}",
                    (final["replicas.weights"] - 0.5).abs().max() > 0.02)


def vpt(checks, bench, label, depth):
    """Logits on ids, from random prompts."""
    adapter, _ = run(bench, "vpt", bench.folder / f"vpt {depth}",
                     [*plain(1, 0, 1), f"depth={depth}", f"length={LENGTH}", "prompt_dropout=0"])
    values = bench.randomise(adapter, 0.5)
    shape = bench.shape
    inputs = models.sequences([9, 140, 2, 17], shape.vocab_size, "input", shape.seed)
    labels = models.sequences([3, 1, 6, 4], shape.vocab_size, "label", shape.seed)
    layers = {layer: values[f"encoder.{layer}.block.prompt"]
              for layer in range(1, shape.encoder_layers) if depth == "deep"}
    checks.equal(f"{label}: tensors", len(values), 1 + len(layers))
    model = bench.peer()
    with torch.no_grad():
        states, mask = encode(model, [slots(0, LENGTH) + row for row in inputs], values["encoder.input.prompt"], layers,
                              replace=True)
        expected = support.real_rows(text_logits(model, states, mask, labels), labels)
    folder = bench.folder / f"forward {depth}"
    ours = support.forward(bench.options.program, bench.backbone, inputs, labels, folder, "--adapter", adapter)
    without = support.forward(bench.options.program, bench.backbone, inputs, labels, folder / "without")
    checks.close(f"{label}: logits", ours["logits"], expected, TOLERANCE)
    checks.true(f"{label}: it changes the logits", (ours["logits"] - without["logits"]).abs().max() > 0.1)


def main():
    options = support.arguments()
    checks = support.Checks()
    words = Words(options)
    with support.scratch(options) as folder:
        for number, (name, shape) in enumerate(SHAPES.items()):
            bench = training.Bench(options, shape, Path(folder) / str(number))
            for depth in ("shallow", "deep"):
                vpt(checks, bench, f"vpt {depth}, {name}", depth)
            for method in METHODS:
                examples_alone(checks, bench, words, method, f"{method}, {name}")
                if shape.gated:  # ReLU's kinks make a trajectory chaotic
                    trajectory(checks, bench, words, method, f"{method}, {name}, trained")
    checks.finish()


if __name__ == "__main__":
    main()
