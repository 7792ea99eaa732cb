"""Adapters a second time: hooks of torch on transformers' own T5, with the values of an adapter.safetensors."""

import torch
from torch import nn

ACTIVATIONS = {
    "gelu": lambda x: nn.functional.gelu(x, approximate="tanh"),
    "relu": nn.functional.relu,
    "swish": nn.functional.silu,
}
READS = {
    "output": lambda x, normed, s: s,
    "sum": lambda x, normed, s: x + s,
    "input": lambda x, normed, s: normed,
    "residual": lambda x, normed, s: x,
}
# Place of a sublayer among a block's layers, and the module whose output is the sublayer's.
PLACES = {
    ("encoder", "self"): (0, "SelfAttention"), ("encoder", "ffn"): (1, "DenseReluDense"),
    ("decoder", "self"): (0, "SelfAttention"), ("decoder", "cross"): (1, "EncDecAttention"),
    ("decoder", "ffn"): (2, "DenseReluDense"),
}


class SecondAdapters:
    """Puts trained values into a model: `weights` by our names, and norms in the model itself."""

    def __init__(self, model, tensors, reads, activation, scale):
        self.read, self.activation, self.scale = READS[reads], ACTIVATIONS[activation], scale
        self.weights, self.norms = {}, {}
        for name, tensor in tensors.items():
            if name.endswith(".trained"):
                parameter = model.get_parameter(name.removesuffix(".trained"))
                with torch.no_grad():
                    parameter.copy_(tensor)
                self.norms[name] = parameter.requires_grad_(True)
            else:
                self.weights[name] = tensor.clone().requires_grad_(True)
        for site in sorted({name.rpartition(".")[0] for name in self.weights}):
            stack, layer, sublayer = site.split(".")
            number, module = PLACES[stack, sublayer]
            self._attach(getattr(model, stack).block[int(layer)].layer[number], module, site)

    def _attach(self, layer, module, site):
        state = {}

        def enter(_, positional, named):
            state["x"] = positional[0] if positional else named["hidden_states"]

        def leave(_, positional, named, output):
            normed = positional[0] if positional else named["hidden_states"]
            s = output[0] if isinstance(output, tuple) else output
            z = self.read(state["x"], normed, s)
            weight = lambda name: self.weights[f"{site}.{name}"]
            inner = self.activation(z @ weight("down").T + weight("down_bias"))
            y = s + self.scale * (inner @ weight("up").T + weight("up_bias"))
            return (y, *output[1:]) if isinstance(output, tuple) else y

        layer.register_forward_pre_hook(enter, with_kwargs=True)
        getattr(layer, module).register_forward_hook(leave, with_kwargs=True)

    def optimizer_groups(self, decay):
        """Weights decay; biases and norms do not."""
        decayed = [tensor for name, tensor in self.weights.items() if not name.endswith("_bias")]
        rest = [tensor for name, tensor in self.weights.items() if name.endswith("_bias")]
        return [(decayed, decay), (rest + list(self.norms.values()), 0.0)]

    def trained(self):
        return {**self.weights, **self.norms}
