"""Adapters in and out, whatever the method: merged models as transformers loads them, several adapters in one batch,
prompts as peft's folders and as .npy, and training that begins from any of them.

What each method's own form looks like is tested beside the method (test_lora.py, …).
"""

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from peft import IA3Config, LoraConfig, PeftModel, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file

import models
import sentences
import support
from models import Shape

TOLERANCE = 1e-4  # against the peer
SAME = 1e-5  # a row alone and in company

V10 = Shape(vocab_size=8192, encoder_layers=2, decoder_layers=2, seed=61)
V11 = Shape(vocab_size=8192, encoder_layers=2, decoder_layers=2, seed=62, gated=True, tied=False, scaled=False)


def save_peft(shape, config, folder, seed):
    """peft's adapter folder with trained values, and its model."""
    tuned = get_peft_model(models.build(shape), config).eval()
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(models.uniform(name, parameter.shape, 0.3, seed) + (1 if "ia3" in name else 0))
    tuned.save_pretrained(folder)
    return tuned


def merged(options, checks, folder):
    """`export --format merged` is a T5 that transformers loads."""
    for name, shape, config in (
            ("LoRA on v1.0", V10, LoraConfig(task_type="SEQ_2_SEQ_LM", r=4, target_modules=["q", "v", "wo"])),
            ("LoRA on v1.1", V11, LoraConfig(task_type="SEQ_2_SEQ_LM", r=4)),
            ("(IA)³ on v1.0", V10, IA3Config(task_type="SEQ_2_SEQ_LM"))):
        here = folder / f"merged-{name.replace(' ', '-')}"
        inputs = models.sequences([9, 14, 2, 17], shape.vocab_size, "input", shape.seed)
        labels = models.sequences([3, 1, 6, 4], shape.vocab_size, "label", shape.seed)
        backbone = models.save(models.build(shape), shape, here / "backbone", "transformers")
        tuned = save_peft(shape, config, here / "peft", 7)
        support.run(options.program, "export", here / "peft", here / "model", "--format", "merged", "--backbone",
                    backbone)
        with torch.no_grad():
            batch = support.peer_batch(inputs, labels)
            theirs, loaded = tuned(**batch).logits, models.load(here / "model")(**batch).logits
        checks.close(f"{name}: merged, loaded by transformers", support.real_rows(loaded, labels),
                     support.real_rows(theirs, labels), TOLERANCE)
        ours = support.forward(options.program, here / "model", inputs, labels, here)
        checks.close(f"{name}: merged, read here", ours["logits"], support.real_rows(theirs, labels), TOLERANCE)


def mixed(options, checks, folder):
    """Rows of several adapters and of none in one pass: each as in a pass of its own, in the caller's order."""
    shape = V11
    inputs = models.sequences([9, 14, 2, 17, 5, 30, 8], shape.vocab_size, "input", 9)
    labels = models.sequences([3, 1, 6, 4, 2, 5, 3], shape.vocab_size, "label", 9)
    backbone = models.save(models.build(shape), shape, folder / "backbone", "transformers")
    save_peft(shape, PromptTuningConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=7), folder / "prompt", 1)
    save_peft(shape, LoraConfig(task_type="SEQ_2_SEQ_LM", r=4), folder / "lora", 2)
    save_peft(shape, LoraConfig(task_type="SEQ_2_SEQ_LM", r=2), folder / "other-lora", 3)
    np.save(folder / "short.npy", models.uniform("short", (3, shape.d_model), 1.0, 4).numpy())
    adapters = [folder / name for name in ("prompt", "lora", "short.npy", "other-lora")]
    groups = [1, 0, -1, 3, 1, 2, 0]
    (folder / "groups.json").write_text(json.dumps(groups))
    flags = [flag for adapter in adapters for flag in ("--adapter", adapter)]
    answers = folder / "answers.json"
    generate = ["--generate", answers, "--max-tokens", 6]
    together = support.forward(options.program, backbone, inputs, labels, folder / "together", *flags, "--groups",
                               folder / "groups.json", "--grad", *generate)
    written = json.loads(answers.read_text())
    gradient = together["input_embeddings_grad"]
    tokens = sum(map(len, labels))
    for row, group in enumerate(groups):
        chosen = [] if group < 0 else ["--adapter", adapters[group]]
        alone = support.forward(options.program, backbone, [inputs[row]], [labels[row]], folder / "alone", *chosen,
                                "--grad", *generate)
        name = f"row {row} of adapter {group}"
        checks.close(f"{name}: logits", together["logits"][row, : len(labels[row])], alone["logits"][0], SAME)
        states = alone["encoder_last_hidden_state"][0]
        checks.close(f"{name}: encoder", together["encoder_last_hidden_state"][row, : len(states)], states, SAME)
        checks.close(f"{name}: gradient", gradient[row, : len(inputs[row])],
                     alone["input_embeddings_grad"][0] * (len(labels[row]) / tokens), SAME)
        checks.equal(f"{name}: what it writes", written[row], json.loads(answers.read_text())[0])


def prompts(options, checks, folder):
    """peft's folder, an adapter of ours and a .npy hold one prompt; training can begin with each."""
    shape = V11
    task, _ = sentences.write_task(folder / "task", 4)
    backbone = models.save(models.build(shape), shape, folder / "backbone", "transformers")
    shutil.copy(sentences.vocabulary(options), backbone)
    tuned = save_peft(shape, PromptTuningConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=7), folder / "peft", 5)
    values = tuned.prompt_encoder["default"].embedding.weight.detach()[:7]
    told = json.loads(support.run(options.program, "import", folder / "peft", "--backbone", backbone, "--out",
                                  folder / "ours", "--json"))
    older = shutil.copytree(folder / "peft", folder / "older")  # as peft wrote it before safetensors
    torch.save(load_file(older / "adapter_model.safetensors"), older / "adapter_model.bin")
    (older / "adapter_model.safetensors").unlink()
    checks.equal("import: what it is", (told["method"], told["format"], told["values"]["length"]),
                 ("prompt_tuning", "huggingface", 7))
    for form in ("google", "huggingface"):
        support.run(options.program, "export", folder / "ours", folder / form, "--format", form, "--backbone", backbone)
    checks.equal("google: the array", np.load(folder / "google" / "adapter.npy").tolist(), values.tolist())
    inputs = models.sequences([9, 2], shape.vocab_size, "input", 5)
    labels = models.sequences([3, 4], shape.vocab_size, "label", 5)
    peers = PeftModel.from_pretrained(models.build(shape), folder / "huggingface").eval()
    with torch.no_grad():
        theirs = peers(**support.peer_batch(inputs, labels)).logits
    for form in ("ours", "google/adapter.npy", "huggingface", "peft", "older"):
        ours = support.forward(options.program, backbone, inputs, labels, folder / "out", "--adapter", folder / form)
        checks.close(f"{form}: logits as in peft's own", ours["logits"], support.real_rows(theirs, labels), TOLERANCE)
        runs = folder / "runs" / form
        support.run(options.program, "--method", "prompt_tuning", "--task", task, "--backbone", backbone, "--out", runs,
                    "--set", "length=7", "--set", "train.steps=0", "--init-from", folder / form)
        (adapter,) = runs.glob("**/adapter/adapter.safetensors")
        checks.equal(f"{form}: training begins with it", *(t.tolist() for t in (*load_file(adapter).values(), values)))


def main():
    options = support.arguments()
    checks = support.Checks()
    with support.scratch(options) as folder:
        for part in (merged, mixed, prompts):
            here = Path(folder) / part.__name__
            here.mkdir(parents=True, exist_ok=True)
            part(options, checks, here)
    checks.finish()


if __name__ == "__main__":
    main()
