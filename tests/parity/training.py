"""Runs of the program from the values that it draws itself, for tests that repeat its training elsewhere."""

import json
import shutil

import sentencepiece
import torch
from safetensors.torch import load_file, save_file

import models
import sentences
import support

STEPS = 50
EXAMPLES = 24
BATCH = 8
TOLERANCE = 1e-3

# Nothing that another program does not have: no dropout, one rate, the plain loss.
PLAIN = ["train.optimizer=adamw", f"train.batch_size={BATCH}", "train.dropout=0", "train.schedule=constant",
         "train.warmup_steps=0", "train.loss=token_mean", "train.z_loss=0", "train.clip_norm=0",
         "train.unlikelihood_weight=0", "train.length_normalised_weight=0",
         "train.gradient_accumulation=1", "train.adamw.epsilon=1e-8", "train.adamw.weight_decay=0.01",
         "train.evaluate_at_start=false", "train.evaluate_every=0", "train.log_every=1"]


class Bench:
    """A random model in a folder, a task beside it, and the program."""

    def __init__(self, options, shape, folder):
        self.options, self.shape, self.folder = options, shape, folder
        self.task, rows = sentences.write_task(folder / "task", EXAMPLES)
        self.backbone = models.save(models.build(shape), shape, folder / "backbone", "transformers")
        vocabulary = sentences.vocabulary(options)
        shutil.copy(vocabulary, self.backbone)
        tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(vocabulary))
        self.inputs = [tokenizer.encode(row["text"]) + [1] for row in rows]
        self.labels = [tokenizer.encode(row["answer"]) + [1] for row in rows]
        self.classes = [sentences.LABELS.index(row["answer"]) for row in rows]

    def train(self, method, name, settings, steps, *more):
        """The adapter's folder, and the loss and the examples of each step. `more`: flags of the program."""
        out = self.folder / f"{name}-{steps}"
        settings = [*PLAIN, *settings, f"train.steps={steps}"]
        flags = [flag for setting in settings for flag in ("--set", setting)]
        support.run(self.options.program, "--method", method, "--task", self.task, "--backbone", self.backbone,
                    "--out", out, "--threads", 1, *flags, *more)
        (adapter,) = out.glob("**/adapter")
        log = adapter.parent / "log.jsonl"
        events = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        taken = [event for event in events if event["event"] == "step"]
        return adapter, [event["loss"] for event in taken], [event["examples"] for event in taken]

    def values(self, adapter):
        return load_file(adapter / "adapter.safetensors")

    def randomise(self, adapter, deviation=0.2):
        """Gives every tensor of an adapter a value that training might have; norms' scales stay near 1."""
        tensors = self.values(adapter)
        for name, tensor in tensors.items():
            tensors[name] = models.uniform(name, tensor.shape, deviation, self.shape.seed) + (
                1.0 if "layer_norm" in name else 0.0)
        save_file(tensors, adapter / "adapter.safetensors")
        # The hashes are of the values that were trained: without them the program takes these.
        description, record = (json.loads(file.read_text()) for file in self.descriptions(adapter))
        description.pop("adapter_hash"), description.pop("description_hash")
        record["adapter_hash"] = ""
        for file, content in zip(self.descriptions(adapter), (description, record)):
            file.write_text(json.dumps(content))
        return tensors

    @staticmethod
    def descriptions(adapter):
        return adapter / "adapter.json", adapter.parent / "record.json"

    def peer(self):
        return models.build(self.shape)


def adamw(groups, rate):
    """torch's, over (parameters, weight decay)."""
    return torch.optim.AdamW([{"params": list(tensors), "weight_decay": decay} for tensors, decay in groups], lr=rate)


def peer_losses(batches, loss_of, optimizer):
    losses = []
    for batch in batches:
        optimizer.zero_grad()
        loss = loss_of(batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def compare(checks, name, ours, peers, least_fall):
    """Fifty losses, of which the last must be well below the first: otherwise nothing was trained."""
    checks.equal(f"{name}: steps", len(ours), STEPS)
    checks.close(f"{name}: loss of each step, from {ours[0]:.3f} to {ours[-1]:.3f}", ours, peers, TOLERANCE)
    checks.true(f"{name}: the loss has fallen by more than {least_fall}", ours[0] - min(ours[-5:]) > least_fall)
