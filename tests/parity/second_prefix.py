"""Prefixes of keys and values on transformers' T5, written a second time: each attention's forward is replaced.

A prefix is a tensor [P, 2 · layers · inner] for one attention of all layers: keys and values of layer 0, of layer 1, ….
"""

import math

import torch
from torch import nn

# Name in our adapters: (stack, place of the attention in a block, its name there).
ATTENTIONS = {
    "encoder.self": ("encoder", 0, "SelfAttention"),
    "decoder.self": ("decoder", 0, "SelfAttention"),
    "decoder.cross": ("decoder", 1, "EncDecAttention"),
}


def replace_forward(attention, keys, values):
    """`keys()` and `values()` [P, inner] stand before those of the sequence, in positions −P … −1."""

    def heads(rows):  # [..., T, inner] → [..., H, T, d_kv]
        return rows.unflatten(-1, (attention.n_heads, attention.key_value_proj_dim)).transpose(-2, -3)

    def forward(hidden_states, mask=None, key_value_states=None, position_bias=None, past_key_values=None, **unused):
        assert past_key_values is None
        batch, length, _ = hidden_states.shape
        source = hidden_states if key_value_states is None else key_value_states
        before = [heads(part()).expand(batch, -1, -1, -1) for part in (keys, values)]
        k = torch.cat([before[0], heads(attention.k(source))], 2)
        v = torch.cat([before[1], heads(attention.v(source))], 2)
        prefix = before[0].shape[2]
        if position_bias is None:
            position_bias = torch.zeros(1, attention.n_heads, length, k.shape[2])
            if attention.has_relative_attention_bias:  # of the longer sequence; the last of its rows are asked for
                longer = attention.compute_bias(prefix + length, prefix + length, device=hidden_states.device)
                position_bias = longer[:, :, prefix:]
        scores = heads(attention.q(hidden_states)) @ k.transpose(2, 3) + position_bias
        if mask is not None:
            scores = scores + nn.functional.pad(mask, (prefix, 0))  # 0: seen by all
        mixed = torch.softmax(scores, -1) @ v
        return attention.o(mixed.transpose(1, 2).flatten(2)), position_bias, None

    attention.forward = forward


def add_prefixes(model, prefixes):
    """`prefixes`: functions that give the tensor, by names of ATTENTIONS."""
    model.set_attn_implementation("eager")  # masks that can be added
    for stack in (model, model.encoder, model.decoder):
        stack.config.use_cache = False
    for name, prefix in prefixes.items():
        stack, place, attention = ATTENTIONS[name]
        for number, block in enumerate(getattr(model, stack).block):
            module = getattr(block.layer[place], attention)

            def slot(which, prefix=prefix, number=number, width=module.inner_dim):
                first = (2 * number + which) * width
                return prefix()[:, first:first + width]

            replace_forward(module, lambda slot=slot: slot(0), lambda slot=slot: slot(1))


def perceptron(tensors, name):
    """The function from training tensors <name>.rows, … to a prefix."""
    rows, w1, b1, w2, b2 = (tensors[f"{name}.{part}"] for part in
                            ("rows", "hidden.weight", "hidden.bias", "output.weight", "output.bias"))
    return lambda: torch.tanh(rows @ w1.T + b1) @ w2.T + b2


def random_sources(widths, length, d_model, hidden, make):
    """Training tensors of perceptrons for prefixes of these widths; `make(name, shape, deviation)`."""
    sources = {}
    for name, width in widths.items():
        for part, shape, deviation in (
                ("rows", (length, d_model), 1.0),
                ("hidden.weight", (hidden, d_model), 1 / math.sqrt(d_model)), ("hidden.bias", (hidden,), 0.1),
                ("output.weight", (width, hidden), 1 / math.sqrt(hidden)), ("output.bias", (width,), 0.1)):
            sources[f"{name}.{part}"] = make(f"{name}.{part}", shape, deviation)
    return sources
