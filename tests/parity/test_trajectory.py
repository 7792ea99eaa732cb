"""Fifty steps of prompt tuning through the program: the loss of every step and the final prompt equal those of peft.

Both start from the same prompt in a file, see the same batches, and use no dropout. AdamW is torch's; Adafactor as
T5X runs it is adafactor.py. The vocabulary is that of the small T5 in assets/, the weights are random.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import sentencepiece
import torch
from peft import PromptTuningConfig, get_peft_model
from safetensors.torch import load_file

import models
import sentences
import support
from adafactor import Adafactor
from models import Shape

TOLERANCE = 1e-4
STEPS = 50
EXAMPLES = 24
BATCH = 8

# Gated, since ReLU's kinks make a trajectory chaotic: a change of 1e-6 in the prompt stays below 1e-4 in all cases.
GATED = {"gated": True, "tied": False, "scaled": False}
SMALL = Shape(vocab_size=8192, encoder_layers=2, decoder_layers=2, seed=41, **GATED)
WIDE = Shape(vocab_size=8192, d_model=128, d_kv=32, encoder_layers=1, decoder_layers=1, seed=42, **GATED)
T5X_STEP = 1100000  # at which Lester et al. start

# name: (shape, prompt length, settings of the program, the peer's optimizer of the prompt)
CASES = {
    "AdamW": (
        SMALL, 10, ["train.optimizer=adamw", "train.learning_rate=0.02", "train.adamw.weight_decay=0.01"],
        lambda p: torch.optim.AdamW([p], lr=0.02, weight_decay=0.01)),
    "Adafactor": (
        SMALL, 10, ["train.optimizer=adafactor", "train.learning_rate=0.05", "train.adafactor.initial_step=0"],
        lambda p: Adafactor(p, 0.05)),
    "Adafactor from T5X's step": (
        SMALL, 10,
        ["train.optimizer=adafactor", "train.learning_rate=0.03", f"train.adafactor.initial_step={T5X_STEP}"],
        lambda p: Adafactor(p, 0.03, initial_step=T5X_STEP)),
    "Adafactor with offset and parameter scale, factored": (
        WIDE, 128,
        ["train.optimizer=adafactor", "train.learning_rate=0.03", f"train.adafactor.initial_step={T5X_STEP}",
         f"train.adafactor.step_offset={T5X_STEP - 3}", "train.adafactor.multiply_by_parameter_scale=true"],
        lambda p: Adafactor(p, 0.03, initial_step=T5X_STEP, step_offset=T5X_STEP - 3, scale_by_parameter=True)),
}


def our_trajectory(options, task, backbone, prompt, settings, folder, steps=STEPS):
    """Numbers of the examples of each step, the loss of each step, and the final prompt."""
    folder.mkdir(parents=True, exist_ok=True)
    prompt_file = folder / "prompt.npy"
    np.save(prompt_file, prompt.numpy())
    settings = [
        f"length={len(prompt)}", "init=file", f"init_file={prompt_file}", f"train.steps={steps}",
        f"train.batch_size={BATCH}", "train.dropout=0", "train.schedule=constant", "train.warmup_steps=0",
        "train.loss=token_mean", "train.z_loss=0", "train.clip_norm=0", "train.gradient_accumulation=1",
        "train.evaluate_at_start=false", "train.evaluate_every=0", "train.log_every=1", *settings]
    flags = [flag for setting in settings for flag in ("--set", setting)]
    support.run(options.program, "--method", "prompt_tuning", "--task", task, "--backbone", backbone, "--out",
                folder / "runs", "--threads", 1, *flags)
    (log,) = (folder / "runs").glob("**/log.jsonl")
    steps = [event for event in map(json.loads, log.read_text().splitlines()) if event["event"] == "step"]
    tensors = load_file(log.parent / "adapter" / "adapter.safetensors")
    assert len(tensors) == 1, list(tensors)
    return [event["examples"] for event in steps], [event["loss"] for event in steps], *tensors.values()


def our_gradient(options, task, backbone, prompt, folder):
    """The prompt's gradient, read off one step of AdamW: with ε = 1 and no decay it moves by g / (|g| + 1)."""
    settings = ["train.optimizer=adamw", "train.learning_rate=1", "train.adamw.epsilon=1", "train.adamw.weight_decay=0"]
    (batch,), _, moved = our_trajectory(options, task, backbone, prompt, settings, folder, steps=1)
    change = prompt - moved
    return batch, change / (1 - change.abs())


def peft_model(model, prompt):
    """The model under peft with this prompt, without dropout, and the prompt's parameter."""
    config = PromptTuningConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=len(prompt),
                                num_transformer_submodules=1)
    tuned = get_peft_model(model, config)
    parameter = tuned.prompt_encoder["default"].embedding.weight
    with torch.no_grad():
        parameter.copy_(prompt)
    trained = [name for name, tensor in tuned.named_parameters() if tensor.requires_grad]
    assert len(trained) == 1, trained
    return tuned.eval(), parameter


def peer_trajectory(model, inputs, labels, batches, prompt, make_optimizer):
    """Losses, the final prompt, and the gradient of the last step, by peft."""
    tuned, parameter = peft_model(model, prompt)
    optimizer = make_optimizer(parameter)
    losses = []
    for batch in batches:
        parameter.grad = None
        out = tuned(**support.peer_batch([inputs[i] for i in batch], [labels[i] for i in batch]))
        out.loss.backward()
        losses.append(out.loss.item())
        if isinstance(optimizer, Adafactor):
            optimizer.step(parameter.grad)
        else:
            optimizer.step()
    return losses, parameter.detach(), parameter.grad


def main():
    options = support.arguments()
    checks = support.Checks()
    vocabulary = sentences.vocabulary(options)
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(vocabulary))
    with support.scratch(options) as folder:
        task, rows = sentences.write_task(Path(folder) / "task", EXAMPLES)
        inputs = [tokenizer.encode(row["text"]) + [1] for row in rows]
        labels = [tokenizer.encode(row["answer"]) + [1] for row in rows]
        for number, (name, (shape, length, settings, make_optimizer)) in enumerate(CASES.items()):
            here = Path(folder) / str(number)
            model = models.build(shape)
            backbone = models.save(model, shape, here / "backbone", "transformers")
            shutil.copy(vocabulary, backbone)
            prompt = models.uniform("prompt", (length, shape.d_model), 0.3, shape.seed)
            if number == 0:
                batch, gradient = our_gradient(options, task, backbone, prompt, here / "gradient")
                _, _, expected = peer_trajectory(
                    model, inputs, labels, [batch], prompt, lambda p: torch.optim.SGD([p], lr=0.0))
                checks.close("gradient of the prompt", gradient, expected, TOLERANCE * expected.abs().max().item())
            batches, losses, final = our_trajectory(options, task, backbone, prompt, settings, here)
            peer_losses, peer_final, _ = peer_trajectory(
                model, inputs, labels, batches, prompt, make_optimizer)
            checks.equal(f"{name}: steps logged", len(losses), STEPS)
            checks.close(f"{name}: loss of each step, from {losses[0]:.3f} to {losses[-1]:.3f}", losses, peer_losses,
                         TOLERANCE)
            checks.close(f"{name}: final prompt", final, peer_final, TOLERANCE)
            moved = (peer_final - prompt).abs().mean().item()
            checks.true(f"{name}: the prompt has moved ({moved:.2f} on average)", moved > 0.05)
        epoch = sum(batches[: EXAMPLES // BATCH], [])
        checks.true("an epoch shows every example once", sorted(epoch) == list(range(EXAMPLES)))
    checks.finish()


if __name__ == "__main__":
    main()
