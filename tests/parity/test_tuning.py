"""model_tuning, norm_tuning and head_tuning equal transformers with the same tensors trained: losses of fifty steps
of AdamW; and the class scores of a trained head.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file

import models
import support
import training
from models import Shape

TOLERANCE = 1e-4
SHAPES = {
    "v1.0": Shape(vocab_size=8192, encoder_layers=2, decoder_layers=2, seed=71),
    "v1.1": Shape(vocab_size=8192, encoder_layers=2, decoder_layers=2, seed=72, gated=True, tied=False, scaled=False),
}


def class_scores(model, inputs, weight, bias):
    """[B, C] from the decoder's state at its start token."""
    batch = support.peer_batch(inputs, [[1]] * len(inputs))
    encoded = model.encoder(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    start = torch.zeros(len(inputs), 1, dtype=torch.long)
    states = model.decoder(input_ids=start, encoder_hidden_states=encoded,
                           encoder_attention_mask=batch["attention_mask"]).last_hidden_state
    return states[:, 0] @ weight.T + bias


def text_loss(bench, model):
    def loss_of(batch):
        return model(**support.peer_batch([bench.inputs[i] for i in batch], [bench.labels[i] for i in batch])).loss
    return loss_of


def whole_model(checks, bench, name):
    rate = 2e-3
    model = bench.peer().requires_grad_(True)
    end, ours, batches = bench.train("model_tuning", "model", [f"train.learning_rate={rate}"], training.STEPS)
    peers = training.peer_losses(batches, text_loss(bench, model), training.adamw([(model.parameters(), 0.01)], rate))
    training.compare(checks, f"model_tuning, {name}", ours, peers, 1.0)
    checks.equal(f"model_tuning, {name}: every parameter is stored", set(bench.values(end)),
                 {f"{key}.trained" for key, _ in model.named_parameters()})


def norms(checks, bench, name):
    rate = 2e-2
    model = bench.peer()
    scales = [tensor.requires_grad_(True) for key, tensor in model.named_parameters() if "layer_norm" in key]
    end, ours, batches = bench.train("norm_tuning", "norms", [f"train.learning_rate={rate}"], training.STEPS)
    peers = training.peer_losses(batches, text_loss(bench, model), training.adamw([(scales, 0.0)], rate))
    training.compare(checks, f"norm_tuning, {name}", ours, peers, 1.0)
    stored = bench.values(end)
    checks.equal(f"norm_tuning, {name}: tensors stored", len(stored), len(scales))


def head(checks, bench, name, train, rate, least_fall):
    settings = [f"train={train}", f"train.learning_rate={rate}"]
    start, _, _ = bench.train("head_tuning", f"head {train}", settings, 0)
    _, ours, batches = bench.train("head_tuning", f"head {train}", settings, training.STEPS)
    first = bench.values(start)
    weight, bias = (first[key].clone().requires_grad_(True) for key in ("head.weight", "head.bias"))
    # transformers trains all of the model, also what no class score depends on.
    model = bench.peer().requires_grad_(train == "model")
    classes = torch.tensor(bench.classes)

    def loss_of(batch):
        scores = class_scores(model, [bench.inputs[i] for i in batch], weight, bias)
        return torch.nn.functional.cross_entropy(scores, classes[batch])

    trained = [weight, bias] + (list(model.parameters()) if train == "model" else [])
    peers = training.peer_losses(batches, loss_of, training.adamw([(trained, 0.01)], rate))
    training.compare(checks, f"head_tuning train={train}, {name}", ours, peers, least_fall)


def head_scores(checks, bench, name):
    adapter, _, _ = bench.train("head_tuning", "scores", ["train=head"], 0)
    values = bench.randomise(adapter)
    inputs = models.sequences([9, 70, 2, 17], bench.shape.vocab_size, "input", bench.shape.seed)
    with torch.no_grad():
        expected = class_scores(bench.peer(), inputs, values["head.weight"], values["head.bias"])
    ids, states = adapter.parent / "ids.json", adapter.parent / "states.safetensors"
    ids.write_text(json.dumps(inputs))
    support.run(bench.options.program, "forward", "--backbone", bench.backbone, "--input-ids", ids, "--adapter", adapter,
                "--output", states)
    checks.close(f"head_tuning, {name}: log-probabilities of the classes",
                 load_file(states)["class_log_probabilities"], expected.log_softmax(-1), TOLERANCE)


def main():
    options = support.arguments()
    checks = support.Checks()
    with support.scratch(options) as folder:
        for number, (name, shape) in enumerate(SHAPES.items()):
            bench = training.Bench(options, shape, Path(folder) / str(number))
            head_scores(checks, bench, name)
            norms(checks, bench, name)
            whole_model(checks, bench, name)
            head(checks, bench, name, "model", 5e-4, 0.3)
            head(checks, bench, name, "head", 5e-2, 0.3)
    checks.finish()


if __name__ == "__main__":
    main()
