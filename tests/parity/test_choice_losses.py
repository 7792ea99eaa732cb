"""Prompt tuning with T-Few's losses (Liu et al. 2022): every step's loss and the final prompt equal a second
implementation in PyTorch over transformers' logits.

L = L_LM + a · L_UL + b · L_LN over the label words of each example, with the means that the source takes: L_LM over
the tokens of right words, L_UL over those of wrong words, L_LN over examples. The source's L_UL also has a constant,
log 1.01 for each padded place, which moves nothing and is left out here and there.
"""

import shutil
from pathlib import Path

import sentencepiece
import torch
import torch.nn.functional as F

import models
import sentences
import support
from models import Shape
from test_trajectory import BATCH, EXAMPLES, GATED, our_trajectory, peft_model

TOLERANCE = 1e-4
STEPS = 20
RATE = 0.02
SHAPE = Shape(vocab_size=8192, encoder_layers=2, decoder_layers=2, seed=51, **GATED)

# name: (weight of L_UL, weight of L_LN, gradient accumulation)
CASES = {
    "both": (1.0, 1.0, 1),
    "unlikelihood alone": (2.5, 0.0, 1),
    "length-normalised alone": (0.0, 1.5, 1),
    "both, in two micro-batches": (0.5, 2.0, 2),
}


def t_few_loss(model, inputs, choices, right, unlikelihood, length_normalised):
    """All choices of all examples as one batch, example by example."""
    repeated = [ids for ids in inputs for _ in choices]
    targets = [choice for _ in inputs for choice in choices]
    batch = support.peer_batch(repeated, targets)
    labels = batch["labels"]
    logits = model(**batch).logits
    token = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape)
    real = labels != -100
    shape = (len(inputs), len(choices))
    score = (token.sum(1) / real.sum(1)).view(shape)
    rows = torch.arange(len(inputs))
    of_right = torch.zeros(shape, dtype=torch.bool)
    of_right[rows, right] = True
    of_right = of_right.flatten()
    loss = token[of_right].sum() / real[of_right].sum()
    wrong = real & ~of_right[:, None]
    loss = loss + unlikelihood * -torch.log(1 - torch.exp(-token[wrong]) + 1e-2).sum() / wrong.sum()
    return loss + length_normalised * F.cross_entropy(-score, right)


def main():
    options = support.arguments()
    checks = support.Checks()
    vocabulary = sentences.vocabulary(options)
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(vocabulary))
    with support.scratch(options) as folder:
        task, rows = sentences.write_task(Path(folder) / "task", EXAMPLES)
        inputs = [tokenizer.encode(row["text"]) + [1] for row in rows]
        choices = [tokenizer.encode(label) + [1] for label in sentences.LABELS]
        checks.true("label words of unequal length", len({len(ids) for ids in choices}) > 1)
        right = torch.tensor([sentences.LABELS.index(row["answer"]) for row in rows])
        model = models.build(SHAPE)
        backbone = models.save(model, SHAPE, Path(folder) / "backbone", "transformers")
        shutil.copy(vocabulary, backbone)
        prompt = models.uniform("prompt", (10, SHAPE.d_model), 0.3, SHAPE.seed)
        for number, (name, (unlikelihood, length_normalised, parts)) in enumerate(CASES.items()):
            settings = [
                "train.optimizer=adamw", f"train.learning_rate={RATE}", "train.adamw.weight_decay=0",
                f"train.unlikelihood_weight={unlikelihood}", f"train.length_normalised_weight={length_normalised}",
                f"train.gradient_accumulation={parts}", f"train.batch_size={BATCH // parts}"]
            batches, losses, final = our_trajectory(
                options, task, backbone, prompt, settings, Path(folder) / str(number), STEPS)
            tuned, parameter = peft_model(model, prompt)
            optimizer = torch.optim.AdamW([parameter], lr=RATE, weight_decay=0)
            peers = []
            for batch in batches:
                optimizer.zero_grad()
                loss = t_few_loss(tuned, [inputs[i] for i in batch], choices, right[batch], unlikelihood,
                                  length_normalised)
                loss.backward()
                optimizer.step()
                peers.append(loss.item())
            checks.equal(f"{name}: examples of a step", {len(batch) for batch in batches}, {BATCH})
            checks.close(f"{name}: loss of each step, from {losses[0]:.3f} to {losses[-1]:.3f}", losses, peers,
                         TOLERANCE)
            checks.close(f"{name}: final prompt", final, parameter.detach(), TOLERANCE)
    checks.finish()


if __name__ == "__main__":
    main()
