"""A short run of made-up sentences on a tiny T5, for the tests of what other programs read of it."""

import json
import shutil

import models
import sentences
import support
from models import Shape

SHAPE = Shape(vocab_size=8192, encoder_layers=2, decoder_layers=2, seed=71)


def flags(options, folder, *more):
    """The words of the run; its task and backbone are made where they are missing."""
    backbone = folder / "backbone"
    if not backbone.exists():
        models.save(models.build(SHAPE), SHAPE, backbone, "transformers")
        shutil.copy(sentences.vocabulary(options), backbone)
        sentences.write_task(folder / "task", 16)
    words = ["--method", "prompt_tuning", "--task", folder / "task" / "task.yaml", "--backbone", backbone, "--out",
             folder / "runs", "--threads", 1, "--steps", 12, "--seed", 5]
    for setting in ("length=3", "train.batch_size=4", "train.log_every=2", "train.evaluate_every=4",
                    "train.checkpoint_every=4", *more):
        words += ["--set", setting]
    return words


def run(options, folder, *more):
    """(the run's folder, its record)"""
    record = json.loads(support.run(options.program, *flags(options, folder, *more), "--json"))
    return folder / "runs" / record["id"], record
