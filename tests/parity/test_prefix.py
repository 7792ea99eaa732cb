"""Prefixes of keys and values.

Against peft where it runs, which is a prefix of the decoder's self-attention where d_model = heads · d_kv: logits of
its adapters here and of ours there, and fifty steps of AdamW, flat and with its projection. Against a second
implementation on transformers' T5 (second_prefix.py): prefixes of all three attentions and any d_kv, prefix_tuning and p_tuning_v2.
"""

import json
import subprocess

from pathlib import Path

import torch
from peft import PeftModel, PrefixTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file

import models
import second_prefix
import support
import training
from models import Shape

TOLERANCE = 1e-4
LENGTH = 5
GATED = {"gated": True, "tied": False, "scaled": False}
# peft gives layers their values by a rule that differs for even and odd numbers of encoder layers.
PEFT_SHAPES = {
    "v1.0, 3 layers": Shape(vocab_size=8192, encoder_layers=3, decoder_layers=3, seed=71),
    "v1.1, 4 layers": Shape(vocab_size=8192, encoder_layers=4, decoder_layers=4, seed=72, **GATED),
    "v1.1, 4 + 2 layers": Shape(vocab_size=8192, encoder_layers=4, decoder_layers=2, seed=73, **GATED),
}
SMALL = Shape(vocab_size=8192, d_model=64, d_kv=8, num_heads=3, encoder_layers=3, decoder_layers=2, seed=74, **GATED)
FOR_PEFT = ["attentions=decoder", "compatibility=huggingface", f"length={LENGTH}"]


def refusal(program, *arguments):
    """What the program says where it must end with 2."""
    result = subprocess.run([str(program), *map(str, arguments)], capture_output=True, text=True)
    return result.stderr if result.returncode == 2 else f"ended with {result.returncode}"


def train(bench, method, name, settings, steps, start):
    """The adapter's folder, losses and examples of each step, and the record, begun from the values in `start`."""
    out = bench.folder / name
    flags = [flag for setting in [*training.PLAIN, *settings, f"train.steps={steps}"] for flag in ("--set", setting)]
    support.run(bench.options.program, "--method", method, "--task", bench.task, "--backbone", bench.backbone,
                "--out", out, "--threads", 1, "--init-from", start, *flags)
    (adapter,) = out.glob("**/adapter")
    log = adapter.parent / "log.jsonl"
    events = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    taken = [event for event in events if event["event"] == "step"]
    record = json.loads((adapter.parent / "record.json").read_text())
    return adapter, [event["loss"] for event in taken], [event["examples"] for event in taken], record


def sentences_of(shape):
    inputs = models.sequences([9, 140, 2, 17], shape.vocab_size, "input", shape.seed)
    return inputs, models.sequences([3, 1, 6, 4], shape.vocab_size, "label", shape.seed)


def prefix_of_peft(model, shape, projected):
    config = PrefixTuningConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=LENGTH, prefix_projection=projected,
                                encoder_hidden_size=24)
    tuned = get_peft_model(model, config).eval()
    with torch.no_grad():
        for name, tensor in tuned.named_parameters():
            if tensor.requires_grad:
                bias = name.endswith("bias")
                deviation = 0.1 if bias else 1.0 if "embedding" in name else tensor.shape[-1] ** -0.5
                part = "prefix." + name.split("default.")[-1]
                tensor.copy_(models.uniform(part, tensor.shape, deviation, shape.seed))
    return tuned


def live_slots(tuned, bench):
    """Slots of peft's tensor, not projected, that get a gradient."""
    weight = tuned.prompt_encoder["default"].embedding.weight
    weight.grad = None
    tuned(**support.peer_batch(bench.inputs[:4], bench.labels[:4])).loss.backward()
    used = weight.grad.view(LENGTH, -1, bench.shape.d_model).abs().sum((0, 2)) > 0
    return [slot for slot, live in enumerate(used.tolist()) if live]


def ours_equal(checks, name, bench, adapter, model, folder):
    """`forward --adapter` gives the logits of `model`, which it returns."""
    inputs, labels = sentences_of(bench.shape)
    with torch.no_grad():
        peers = model(**support.peer_batch(inputs, labels))
    ours = support.forward(bench.options.program, bench.backbone, inputs, labels, folder, "--adapter", adapter)
    checks.close(f"{name}: logits", ours["logits"], support.real_rows(peers.logits, labels), TOLERANCE)
    checks.close(f"{name}: loss", ours["loss"].reshape(()), peers.loss, TOLERANCE)
    with torch.no_grad():
        plain = support.real_rows(bench.peer()(**support.peer_batch(inputs, labels)).logits, labels)
    checks.true(f"{name}: the prefix changes the logits", (ours["logits"] - plain).abs().max().item() > 0.1)
    return ours["logits"]


def exchange_with_peft(checks, name, bench, projected):
    name += ", projected" if projected else ", flat"
    here = bench.folder / f"exchange-{projected}"
    tuned = prefix_of_peft(bench.peer(), bench.shape, projected)
    tuned.save_pretrained(here / "peft")
    ours = ours_equal(checks, f"{name}: peft's prefix here", bench, here / "peft", tuned, here / "forward")
    program = bench.options.program
    support.run(program, "import", here / "peft", "--backbone", bench.backbone, "--out", here / "imported")
    support.run(program, "export", here / "imported", "--backbone", bench.backbone, "--format", "huggingface",
                here / "exported")
    saved, back = (load_file(here / folder / "adapter_model.safetensors") for folder in ("peft", "exported"))
    checks.true(f"{name}: its tensor comes back", saved.keys() == back.keys() and all(
        torch.equal(saved[key], back[key]) for key in saved))
    again = PeftModel.from_pretrained(bench.peer(), here / "exported").eval()
    inputs, labels = sentences_of(bench.shape)
    with torch.no_grad():
        logits = support.real_rows(again(**support.peer_batch(inputs, labels)).logits, labels)
    checks.close(f"{name}: ours in peft, logits", logits, ours, TOLERANCE)


def export_of_independent_layers(checks, name, bench):
    """A prefix without peft's sharing, in peft where each layer has slots of its own, refused elsewhere."""
    shape, program = bench.shape, bench.options.program
    width = 2 * shape.decoder_layers * shape.inner
    start = bench.folder / "independent.safetensors"
    save_file({"decoder.self.prefix": models.uniform("independent", (LENGTH, width), 0.7, shape.seed)}, start)
    settings = ["attentions=decoder", "reparametrisation=direct", f"length={LENGTH}"]
    adapter, *_ = train(bench, "prefix_tuning", "independent", settings, 0, start)
    arguments = ["export", adapter, "--backbone", bench.backbone, "--format", "huggingface",
                 bench.folder / "independent-peft"]
    if shape.encoder_layers % 2 == 0 and shape.decoder_layers > shape.encoder_layers // 2:
        text = refusal(program, *arguments)
        checks.true(f"{name}: independent layers are refused, and said why", "both read its slots" in text)
        return
    support.run(program, *arguments)
    peer = PeftModel.from_pretrained(bench.peer(), bench.folder / "independent-peft").eval()
    here = bench.folder / "independent-forward"
    ours_equal(checks, f"{name}: independent layers in peft", bench, adapter, peer, here)


def trajectory_with_peft(checks, name, bench, projected, rate):
    name += ", projected" if projected else ", flat"
    tuned = prefix_of_peft(bench.peer(), bench.shape, projected)
    encoder = tuned.prompt_encoder["default"]
    live = bench.shape.d_model * LENGTH * (len(live_slots(tuned, bench)) if not projected else 0)
    parts = {"prefix": encoder.embedding.weight}
    if projected:
        first, last = encoder.transform[0], encoder.transform[2]
        parts = {"rows": encoder.embedding.weight, "hidden.weight": first.weight, "hidden.bias": first.bias,
                 "output.weight": last.weight, "output.bias": last.bias}
    start = bench.folder / f"start-{projected}.safetensors"
    save_file({"decoder.self." + part: value.detach().clone() for part, value in parts.items()}, start)
    settings = [*FOR_PEFT, "reparametrisation=" + ("mlp" if projected else "direct"), "hidden=24",
                f"train.learning_rate={rate}"]
    adapter, ours, batches, record = train(
        bench, "prefix_tuning", f"trained-{projected}", settings, training.STEPS, start)
    optimizer = torch.optim.AdamW(parts.values(), lr=rate, weight_decay=0.01)

    def loss_of(batch):
        return tuned(**support.peer_batch([bench.inputs[i] for i in batch], [bench.labels[i] for i in batch])).loss

    peers = training.peer_losses(batches, loss_of, optimizer)
    training.compare(checks, f"{name} trained", ours, peers, 0.3)
    reported, _ = tuned.get_nb_trainable_parameters()
    counts = record["ledger"]
    checks.equal(f"{name}: trained numbers, as peft reports them", counts["trained"], reported)
    if not projected:
        checks.equal(f"{name}: those that get a gradient", counts["receiving_gradient"], live)
        final = load_file(adapter / "adapter.safetensors")["decoder.self.prefix"]
        checks.close(f"{name}: final prefix", final, parts["prefix"], TOLERANCE)


def what_peft_cannot(checks, options, folder):
    """On v1.1-small's shape peft makes and saves an adapter, and fails when it runs; we say so beforehand."""
    bench = training.Bench(options, SMALL, folder)
    tuned = get_peft_model(bench.peer(), PrefixTuningConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=LENGTH)).eval()
    tuned.save_pretrained(folder / "peft")
    try:
        tuned(**support.peer_batch(*sentences_of(SMALL)))
        checks.true("peft fails where d_kv · heads ≠ d_model", False)
    except RuntimeError:
        checks.true("peft fails where d_kv · heads ≠ d_model", True)
    text = refusal(options.program, "import", folder / "peft", "--backbone", bench.backbone, "--out", folder / "ours")
    checks.true("its adapter is refused, and said why", "head size" in text)


def widths(shape, names):
    layers = {"encoder": shape.encoder_layers, "decoder": shape.decoder_layers}
    return {name: 2 * layers[name.split(".")[0]] * shape.inner for name in names}


def second_logits(checks, name, bench, method, tensor, names, settings):
    shape = bench.shape
    prefixes = {attention: models.uniform(attention, (LENGTH, width), 0.7, shape.seed)
                for attention, width in widths(shape, names).items()}
    here = bench.folder / f"second-{method}"
    here.mkdir()
    save_file({f"{key}.{tensor}": value for key, value in prefixes.items()}, here / "start.safetensors")
    adapter, *_ = train(bench, method, here.name, [*settings, f"length={LENGTH}", "reparametrisation=direct"], 0,
                        here / "start.safetensors")
    peer = bench.peer()
    second_prefix.add_prefixes(peer, {key: lambda value=value: value for key, value in prefixes.items()})
    ours_equal(checks, f"{name}: {method} and the second implementation", bench, adapter, peer, here / "forward")


def second_trajectory(checks, name, bench, method, tensor, names, mlp, settings, rate, head=False):
    shape = bench.shape

    def make(key, size, deviation):
        return models.uniform(key, size, deviation, shape.seed)

    if mlp:
        start = second_prefix.random_sources(widths(shape, names), LENGTH, shape.d_model, 16, make)
        settings = [*settings, "reparametrisation=mlp", "hidden=16"]
    else:
        start = {f"{key}.{tensor}": make(key, (LENGTH, width), 0.7) for key, width in widths(shape, names).items()}
        settings = [*settings, "reparametrisation=direct"]
    if head:
        start |= {"head.weight": make("head", (3, shape.d_model), 0.2), "head.bias": torch.zeros(3)}
    here = bench.folder / f"{method}-{mlp}-{head}"
    here.mkdir()
    save_file(start, here / "start.safetensors")
    adapter, ours, batches, _ = train(
        bench, method, here.name, [*settings, f"length={LENGTH}", f"train.learning_rate={rate}"], training.STEPS,
        here / "start.safetensors")
    sources = {key: value.clone().requires_grad_() for key, value in start.items()}
    values = {key: second_prefix.perceptron(sources, key) if mlp else lambda key=key: sources[f"{key}.{tensor}"]
              for key in names}
    peer = bench.peer()
    second_prefix.add_prefixes(peer, values)

    def loss_of(batch):
        inputs = support.peer_batch([bench.inputs[i] for i in batch], [bench.labels[i] for i in batch])
        if not head:
            return peer(**inputs).loss
        encoded = peer.encoder(inputs["input_ids"], attention_mask=inputs["attention_mask"]).last_hidden_state
        start_token = torch.zeros(len(batch), 1, dtype=torch.long)
        states = peer.decoder(start_token, encoder_hidden_states=encoded,
                              encoder_attention_mask=inputs["attention_mask"]).last_hidden_state
        scores = states[:, 0] @ sources["head.weight"].T + sources["head.bias"]
        return torch.nn.functional.cross_entropy(scores, torch.tensor([bench.classes[i] for i in batch]))

    optimizer = torch.optim.AdamW(sources.values(), lr=rate, weight_decay=0.01)
    peers = training.peer_losses(batches, loss_of, optimizer)
    name = f"{name}: {method}" + (", mlp" if mlp else "") + (", class head" if head else "")
    training.compare(checks, name, ours, peers, 0.3)
    last = load_file(adapter / "adapter.safetensors")
    for key, value in values.items():
        checks.close(f"{name}: final {key}", last[f"{key}.{tensor}"], value(), TOLERANCE)


def main():
    options = support.arguments()
    checks = support.Checks()
    with support.scratch(options) as folder:
        folder = Path(folder)
        for number, (name, shape) in enumerate(PEFT_SHAPES.items()):
            bench = training.Bench(options, shape, folder / f"peft-{number}")
            for projected in (False, True):
                exchange_with_peft(checks, name, bench, projected)
                if number < 2:
                    trajectory_with_peft(checks, name, bench, projected, 1e-2 if projected else 3e-2)
            export_of_independent_layers(checks, name, bench)
        what_peft_cannot(checks, options, folder / "cannot")
        everywhere = list(second_prefix.ATTENTIONS)
        for number, (name, shape) in enumerate({**PEFT_SHAPES, "v1.1-small": SMALL}.items()):
            bench = training.Bench(options, shape, folder / f"second-{number}")
            second_logits(checks, name, bench, "prefix_tuning", "prefix", everywhere, [])
            second_logits(checks, name, bench, "p_tuning_v2", "prompt", everywhere[:1], ["prefix_dropout=0"])
            if shape is SMALL:
                for mlp in (False, True):
                    second_trajectory(checks, name, bench, "prefix_tuning", "prefix", everywhere, mlp, [],
                                      1e-2 if mlp else 3e-2)
                for head in (False, True):
                    second_trajectory(checks, name, bench, "p_tuning_v2", "prompt", everywhere[:1], False,
                                      ["prefix_dropout=0", f"head={'classification' if head else 'verbalizer'}"], 3e-2,
                                      head)
    checks.finish()


if __name__ == "__main__":
    main()
