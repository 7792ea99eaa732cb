"""A prompt that peft saved, read by `init=file`, imported or as it is, gives peft's logits and loss, and ours does there.

peft stores 2P rows for a sequence-to-sequence model unless it is told num_transformer_submodules=1; in its own
forward pass only the first P are used, so the second half must not matter here either.
"""

import shutil
from pathlib import Path

import torch
from peft import PromptTuningConfig, get_peft_model

import models
import peft_models
import sentences
import support
import training
from models import Shape

TOLERANCE = 1e-4
LENGTH = 7
SHAPE = Shape(vocab_size=8192, encoder_layers=2, decoder_layers=2, seed=51, gated=True, tied=False, scaled=False)

OTHERS = {
    "v1.0": Shape(vocab_size=8192, encoder_layers=2, decoder_layers=2, seed=52),
    "v1.1": SHAPE,
    "v1.1-small's sizes": Shape(vocab_size=8192, d_model=64, d_kv=8, num_heads=3, encoder_layers=3, decoder_layers=2,
                                seed=53, gated=True, tied=False, scaled=False),  # d_kv · heads ≠ d_model
}


def save_peft(model, submodules, folder):
    """peft's adapter folder, and its model."""
    config = PromptTuningConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=LENGTH,
                                **({} if submodules is None else {"num_transformer_submodules": submodules}))
    tuned = get_peft_model(model, config).eval()
    parameter = tuned.prompt_encoder["default"].embedding.weight
    with torch.no_grad():
        parameter.copy_(models.uniform("prompt", parameter.shape, 0.5, SHAPE.seed))
    tuned.save_pretrained(folder)
    return tuned, len(parameter)


def our_adapter(options, task, backbone, peft_folder, folder):
    """The folder of an adapter that no step has changed."""
    settings = [f"length={LENGTH}", "init=file", f"init_file={peft_folder}", "train.steps=0"]
    flags = [flag for setting in settings for flag in ("--set", setting)]
    support.run(options.program, "--method", "prompt_tuning", "--task", task, "--backbone", backbone, "--out", folder,
                *flags)
    (adapter,) = folder.glob("**/adapter")
    return adapter


def main():
    options = support.arguments()
    checks = support.Checks()
    inputs = models.sequences([9, 140, 2, 17], SHAPE.vocab_size, "input", SHAPE.seed)
    labels = models.sequences([3, 1, 6, 4], SHAPE.vocab_size, "label", SHAPE.seed)
    with support.scratch(options) as folder:
        folder = Path(folder)
        task, _ = sentences.write_task(folder / "task", 4)
        backbone = models.save(models.build(SHAPE), SHAPE, folder / "backbone", "transformers")
        shutil.copy(sentences.vocabulary(options), backbone)
        plain = support.forward(options.program, backbone, inputs, labels, folder / "plain")
        for submodules, rows in ((1, LENGTH), (None, 2 * LENGTH)):
            here = folder / f"submodules-{submodules}"
            tuned, stored = save_peft(models.build(SHAPE), submodules, here / "peft")
            name = f"peft's prompt of {stored} rows"
            checks.equal(f"{name}: as expected of this peft", stored, rows)
            with torch.no_grad():
                peers = tuned(**support.peer_batch(inputs, labels))
            adapter = our_adapter(options, task, backbone, here / "peft", here / "runs")
            ours = support.forward(options.program, backbone, inputs, labels, here, "--adapter", adapter)
            expected = support.real_rows(peers.logits, labels)
            checks.close(f"{name}: logits", ours["logits"], expected, TOLERANCE)
            checks.close(f"{name}: loss", ours["loss"].reshape(()), peers.loss, TOLERANCE)
            checks.true(f"{name}: it changes the logits", (ours["logits"] - plain["logits"]).abs().max().item() > 0.1)
        for number, shape in enumerate(OTHERS.values()):
            bench = training.Bench(options, shape, folder / f"shape-{number}")
            config = PromptTuningConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=LENGTH)
            model = peft_models.tuned(bench.peer(), config, deviation=0.5, seed=shape.seed)
            peft_models.both_ways(checks, bench, f"a prompt of {list(OTHERS)[number]}", model, bench.folder / "prompt",
                                  "prompt_tuning", formats=["google"])
    checks.finish()


if __name__ == "__main__":
    main()
