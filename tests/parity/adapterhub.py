"""By hand: our adapters give the logits of AdapterHub's own package, on random models with random trained values.

The package wants an older transformers than the other peers, so it is no part of the suite, which has a second
implementation in its place (test_adapter.py). In an environment of its own:

    pip install adapters==1.3.0 transformers==4.57.6 torch sentencepiece
    python adapterhub.py --program build/bin/peft-bench --source .
"""

from pathlib import Path

import adapters
import torch

import models
import support
import training
from test_adapter import SHAPES, TOLERANCE

FORMS = {
    # AdapterHub's class and options, and ours
    "houlsby": (adapters.DoubleSeqBnConfig, {"cross_adapter": True},
                ["kind=houlsby", "activation=swish", "train_norms=no"]),
    "houlsby without cross-attention": (
        adapters.DoubleSeqBnConfig, {}, ["kind=houlsby", "activation=swish", "sites=self,ffn", "train_norms=no"]),
    "pfeiffer": (adapters.SeqBnConfig, {}, ["kind=pfeiffer"]),
    "parallel": (adapters.ParBnConfig, {}, ["kind=parallel", "reads=residual"]),
}


def give_values(model, tensors):
    """Our values to the modules of an adapter called "x"; as many as it has."""
    given = 0
    for name, module in model.named_modules():
        if not name.endswith(".adapters.x"):
            continue
        stack, _, layer, _, number = name.split(".")[:5]
        last = 1 if stack == "encoder" else 2
        place = "self" if number == "0" else "ffn" if int(number) == last else "cross"
        for part, linear in (("down", module.adapter_down[0]), ("up", module.adapter_up)):
            with torch.no_grad():
                linear.weight.copy_(tensors[f"{stack}.{layer}.{place}.{part}"])
                linear.bias.copy_(tensors[f"{stack}.{layer}.{place}.{part}_bias"])
            given += 2
    return given


def main():
    options = support.arguments()
    checks = support.Checks()
    with support.scratch(options) as folder:
        for number, (shape_name, shape) in enumerate(SHAPES.items()):
            bench = training.Bench(options, shape, Path(folder) / str(number))
            inputs = models.sequences([9, 70, 2, 17], shape.vocab_size, "input", shape.seed)
            labels = models.sequences([3, 1, 6, 4], shape.vocab_size, "label", shape.seed)
            for name, (make, more, settings) in FORMS.items():
                adapter, _, _ = bench.train("adapter", name, [*settings, "bottleneck=8"], 0)
                tensors = bench.randomise(adapter)
                model = bench.peer()
                model.config.tie_word_embeddings = shape.tied  # what that transformers scales the logits by
                adapters.init(model)
                model.add_adapter("x", config=make(reduction_factor=shape.d_model / 8, **more))
                model.set_active_adapters("x")
                model.eval()
                checks.equal(f"{name}, {shape_name}: tensors", give_values(model, tensors), len(tensors))
                with torch.no_grad():
                    peers = model(**support.peer_batch(inputs, labels))
                ours = support.forward(options.program, bench.backbone, inputs, labels, adapter.parent / "forward",
                                       "--adapter", adapter)
                checks.close(f"{name}, {shape_name}: logits", ours["logits"],
                             support.real_rows(peers.logits, labels), TOLERANCE)
    checks.finish()


if __name__ == "__main__":
    main()
