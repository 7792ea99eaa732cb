"""(IA)³ equals peft's: logits of its adapters here and of ours there, merged weights, losses of fifty steps.

peft scales the input of wo in gated layers too; a list that names wi_1 and no feed-forward module is the authors' form.
"""

from pathlib import Path

from peft import IA3Config

import peft_models
import support
import training
from test_lora import SHAPES

CASES = {
    "peft's defaults": ({}, ["ffn=wo_input"], SHAPES),
    "the authors' wi_1": ({"target_modules": ["k", "v", "wi_1"], "feedforward_modules": []}, [], ["v1.1", "v1.1-small"]),
    "all attention": ({"target_modules": ["q", "k", "v", "o"], "feedforward_modules": []},
                      ["targets=q,k,v,o", "ffn=none"], ["v1.0", "v1.1-small"]),
}


def main():
    options = support.arguments()
    checks = support.Checks()
    near_one = {"deviation": 0.3, "centre": lambda name: 1.0}
    with support.scratch(options) as scratch:
        for shape_name, shape in SHAPES.items():
            folder = Path(scratch) / shape_name
            bench = training.Bench(options, shape, folder)
            for number, (name, (peft_settings, settings, shapes)) in enumerate(CASES.items()):
                if shape_name not in shapes:
                    continue
                config = IA3Config(task_type="SEQ_2_SEQ_LM", **peft_settings)
                here = folder / str(number)
                model = peft_models.tuned(bench.peer(), config, seed=shape.seed, **near_one)
                peft_models.both_ways(checks, bench, f"{name}, {shape_name}", model, here, "ia3")
                peft_models.merged(checks, bench, f"{name}, {shape_name}", model, here)
                peft_models.trajectory(checks, bench, f"{name}, {shape_name}, trained", config, here, "ia3",
                                       settings, 2e-2, **near_one)
    checks.finish()


if __name__ == "__main__":
    main()
