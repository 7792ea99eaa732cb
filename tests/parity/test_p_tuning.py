"""P-tuning against peft: its LSTM and its MLP.

Adapters of peft here and ours there, on v1.0, v1.1 and a d_model that is not heads · d_kv. Fifty steps of AdamW from
the same tables, LSTMs and maps: peft's with the second half of tokens that only its LSTM ever reads, and without, where
its LSTM of half d_model is the encoder of the LAMA script.
"""

import json
import subprocess
from pathlib import Path

import torch
from peft import PeftModel, PromptEncoderConfig, get_peft_model
from safetensors.torch import load_file, save_file

import models
import support
import training
from models import Shape

TOLERANCE = 1e-4
TOKENS = 5
HIDDEN = 28
GATED = {"gated": True, "tied": False, "scaled": False}
SHAPES = {
    "v1.0": Shape(vocab_size=8192, seed=81),
    "v1.1": Shape(vocab_size=8192, encoder_layers=4, decoder_layers=2, seed=82, **GATED),
    "v1.1-small": Shape(vocab_size=8192, d_model=64, d_kv=8, num_heads=3, seed=83, **GATED),
}


def random_peft(model, shape, kind, hidden=HIDDEN, submodules=None):
    """peft's model with random values in its prompt encoder."""
    more = {} if submodules is None else {"num_transformer_submodules": submodules}
    config = PromptEncoderConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=TOKENS, encoder_hidden_size=hidden,
                                 encoder_reparameterization_type=kind, **more)
    tuned = get_peft_model(model, config).eval()
    with torch.no_grad():
        for name, tensor in tuned.prompt_encoder["default"].named_parameters():
            deviation = 0.1 if "bias" in name else 1.0 if "embedding" in name else 1.5 * tensor.shape[-1] ** -0.5
            tensor.copy_(models.uniform(name, tensor.shape, deviation, shape.seed))
    return tuned


def ours_by_name(tuned):
    """Its parameters under the names of our plan."""
    names = {"embedding.weight": "embedding", "lstm_head.": "lstm.", "mlp_head.": "mlp."}
    tensors = {}
    for name, tensor in tuned.prompt_encoder["default"].named_parameters():
        for theirs, ours in names.items():
            name = name.replace(theirs, ours)
        tensors["encoder.input." + name] = tensor
    return tensors


def sentences_of(shape):
    inputs = models.sequences([9, 140, 2, 17], shape.vocab_size, "input", shape.seed)
    return inputs, models.sequences([3, 1, 6, 4], shape.vocab_size, "label", shape.seed)


def logits_of(model, shape):
    inputs, labels = sentences_of(shape)
    with torch.no_grad():
        return support.real_rows(model(**support.peer_batch(inputs, labels)).logits, labels)


def exchange(checks, name, bench, kind):
    name = f"{name}, {kind}"
    here, shape, program = bench.folder / f"exchange-{kind}", bench.shape, bench.options.program
    tuned = random_peft(bench.peer(), shape, kind)
    tuned.save_pretrained(here / "peft")
    expected, plain = logits_of(tuned, shape), logits_of(bench.peer(), shape)
    ours = support.forward(program, bench.backbone, *sentences_of(shape), here / "forward", "--adapter", here / "peft")
    checks.close(f"{name}: peft's tokens here, logits", ours["logits"], expected, TOLERANCE)
    checks.true(f"{name}: they change the logits", (expected - plain).abs().max().item() > 0.1)

    outcome = json.loads(support.run(program, "import", here / "peft", "--backbone", bench.backbone, "--out",
                                     here / "ours", "--json"))
    values = {"template": f"[{TOKENS}] {{input}}", "encoder": f"huggingface_{kind.lower()}",
              "encoder_hidden": HIDDEN, "dead_tokens": True}
    checks.equal(f"{name}: what it is here", {key: outcome["values"][key] for key in values}, values)
    support.run(program, "export", here / "ours", "--backbone", bench.backbone, "--format", "huggingface",
                here / "exported")
    saved, back = (load_file(here / folder / "adapter_model.safetensors")["prompt_embeddings"]
                   for folder in ("peft", "exported"))
    checks.equal(f"{name}: peft stores a dead half", tuple(saved.shape), (2 * TOKENS, shape.d_model))
    checks.true(f"{name}: the live half comes back to the bit", torch.equal(saved[:TOKENS], back))
    again = PeftModel.from_pretrained(bench.peer(), here / "exported").eval()
    checks.close(f"{name}: ours in peft, logits", logits_of(again, shape), ours["logits"], TOLERANCE)


def trajectory(checks, name, bench, tuned, settings):
    """Fifty steps from peft's values."""
    rate = 3e-3
    tensors = ours_by_name(tuned)
    start = bench.folder / f"{name}.safetensors"
    save_file({key: tensor.detach().clone() for key, tensor in tensors.items()}, start)
    settings = [f"template=[{TOKENS}] {{input}}", *settings, f"train.learning_rate={rate}"]
    adapter, ours, batches = bench.train("p_tuning", name, settings, training.STEPS, "--init-from", start)
    optimizer = torch.optim.AdamW(tensors.values(), lr=rate, weight_decay=0.01)

    def loss_of(batch):
        return tuned(**support.peer_batch([bench.inputs[i] for i in batch], [bench.labels[i] for i in batch])).loss

    peers = training.peer_losses(batches, loss_of, optimizer)
    training.compare(checks, name, ours, peers, 0.3)
    stored = load_file(adapter / "adapter.safetensors")
    checks.equal(f"{name}: what is stored", list(stored), ["encoder.input.prompt"])
    final = tuned.get_prompt_embedding_to_save("default")[:TOKENS]
    checks.close(f"{name}: final tokens", stored["encoder.input.prompt"], final, training.TOLERANCE)
    trained = json.loads((adapter.parent / "record.json").read_text())["ledger"]["trained"]
    checks.equal(f"{name}: trained numbers, as peft reports them", trained, tuned.get_nb_trainable_parameters()[0])
    return ours


def trajectories(checks, options, folder):
    shape = Shape(vocab_size=8192, encoder_layers=2, decoder_layers=2, seed=84, **GATED)
    bench = training.Bench(options, shape, folder)
    losses = {}
    for kind in ("LSTM", "MLP"):
        for dead in (True, False):
            name = f"{kind} {'with' if dead else 'without'} dead tokens"
            tuned = random_peft(bench.peer(), shape, kind, submodules=None if dead else 1)
            settings = [f"encoder=huggingface_{kind.lower()}", f"encoder_hidden={HIDDEN}",
                        f"dead_tokens={str(dead).lower()}"]
            losses[kind, dead] = trajectory(checks, name, bench, tuned, settings)
    lama = random_peft(bench.peer(), shape, "LSTM", shape.d_model // 2, 1)
    trajectory(checks, "LAMA's encoder", bench, lama, ["encoder=lama"])
    apart = max(abs(a - b) for a, b in zip(losses["LSTM", True], losses["LSTM", False]))
    checks.true(f"dead tokens are felt through the LSTM, by {apart:.3f}", apart > 10 * training.TOLERANCE)


def refusals(checks, bench):
    """Tokens among the words, and a backbone trained along, have no place in peft's form."""
    for number, (settings, reason) in enumerate(((["template=[2] {input} [3]"], "pseudo tokens only before the input"),
                                                 (["mode=joint"], "contains only pseudo tokens"))):
        adapter, *_ = bench.train("p_tuning", f"refused-{number}", settings, 0)
        result = subprocess.run(
            [str(bench.options.program), "export", str(adapter), "--backbone", str(bench.backbone), "--format",
             "huggingface", str(bench.folder / "refused")], capture_output=True, text=True)
        checks.true(f"export of {settings[0]} is refused", result.returncode == 2 and reason in result.stderr)


def main():
    options = support.arguments()
    checks = support.Checks()
    with support.scratch(options) as folder:
        folder = Path(folder)
        for number, (name, shape) in enumerate(SHAPES.items()):
            bench = training.Bench(options, shape, folder / str(number))
            for kind in ("LSTM", "MLP"):
                exchange(checks, name, bench, kind)
        refusals(checks, bench)
        trajectories(checks, options, folder / "trajectories")
    checks.finish()


if __name__ == "__main__":
    main()
