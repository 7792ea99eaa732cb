"""Adapters of peft with random trained values, and what both programs make of them."""

import json

import torch
from peft import PeftModel, get_peft_model

import models
import support
import training

TOLERANCE = 1e-4


def tuned(model, config, deviation=0.05, centre=None, seed=1):
    """The model under peft, every trained value random; `centre` gives a tensor's mean by its name."""
    wrapped = get_peft_model(model, config)
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if parameter.requires_grad:
                mean = 0.0 if centre is None else centre(name)
                parameter.copy_(models.uniform(name, parameter.shape, deviation, seed) + mean)
    return wrapped.eval()


def sequences(shape):
    return (models.sequences([9, 70, 2, 17], shape.vocab_size, "input", shape.seed),
            models.sequences([3, 1, 6, 4], shape.vocab_size, "label", shape.seed))


def logits_of(model, shape):
    inputs, labels = sequences(shape)
    with torch.no_grad():
        return support.real_rows(model(**support.peer_batch(inputs, labels)).logits, labels)


def both_ways(checks, bench, name, model, folder, method, formats=()):
    """peft's adapter here, as it is and imported; ours exported and loaded there. `formats`: others, read back here."""
    program, shape = bench.options.program, bench.shape
    inputs, labels = sequences(shape)
    model.save_pretrained(folder / "peft")
    expected = logits_of(model, shape)
    moved = (expected - logits_of(bench.peer(), shape)).abs().max().item()
    checks.true(f"{name}: the adapter changes the logits", moved > 0.1)

    def ours(adapter, what):
        out = support.forward(program, bench.backbone, inputs, labels, folder / "forward", "--adapter", adapter)
        checks.close(f"{name}: logits, {what}", out["logits"], expected, TOLERANCE)

    ours(folder / "peft", "peft's folder read as it is")
    told = support.run(program, "import", folder / "peft", "--backbone", bench.backbone, "--out", folder / "ours",
                       "--json")
    checks.equal(f"{name}: imported as", json.loads(told)["method"], method)
    ours(folder / "ours", "imported")
    support.run(program, "export", folder / "ours", folder / "exported", "--format", "huggingface",
                "--backbone", bench.backbone)
    back = PeftModel.from_pretrained(bench.peer(), folder / "exported").eval()
    checks.close(f"{name}: logits, exported and loaded by peft", logits_of(back, shape), expected, TOLERANCE)
    for form in formats:
        support.run(program, "export", folder / "ours", folder / form, "--format", form, "--backbone", bench.backbone)
        ours(folder / form, f"through {form}'s form")


def merged(checks, bench, name, model, folder):
    """The whole model that both programs make of the adapter (`both_ways` left it in the folder)."""
    expected = logits_of(model, bench.shape)
    support.run(bench.options.program, "export", folder / "ours", folder / "merged", "--format", "merged",
                "--backbone", bench.backbone)
    inputs, labels = sequences(bench.shape)
    ours = support.forward(bench.options.program, folder / "merged", inputs, labels, folder / "forward")
    checks.close(f"{name}: logits, merged here", ours["logits"], expected, TOLERANCE)
    whole = models.load(folder / "merged")
    checks.close(f"{name}: logits, merged here and loaded by transformers", logits_of(whole, bench.shape), expected,
                 TOLERANCE)
    theirs = dict(model.merge_and_unload().named_parameters())
    error = max((tensor - theirs[key]).abs().max().item() for key, tensor in whole.named_parameters())
    checks.true(f"{name}: merged weights are merge_and_unload's (max error {error:.1e})", error < 1e-6)


def trajectory(checks, bench, name, config, folder, method, settings, rate, **how):
    """Fifty steps of AdamW from one start."""
    model = tuned(bench.peer(), config, seed=bench.shape.seed, **how)
    model.save_pretrained(folder / "start")
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    settings = [*settings, f"train.learning_rate={rate}"]
    adapter, ours, batches = bench.train(method, "trained " + folder.name, settings, training.STEPS, "--init-from",
                                         folder / "start")
    tuned_elements = sum(parameter.numel() for parameter in parameters)
    checks.equal(f"{name}: numbers trained", sum(t.numel() for t in bench.values(adapter).values()), tuned_elements)

    def loss_of(batch):
        return model(**support.peer_batch([bench.inputs[i] for i in batch], [bench.labels[i] for i in batch])).loss

    peers = training.peer_losses(batches, loss_of, training.adamw([(parameters, 0.01)], rate))
    training.compare(checks, name, ours, peers, 0.3)
