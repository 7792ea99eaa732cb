"""Random T5s for the parity tests, and the Hugging Face folders that both programs read.

Every value follows from the tensor's name, its index and the case's seed, so a model is the same on every machine
and in every release of torch. Scales are those of T5's own initialisation, which keeps logits within about ±10.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import MT5Config, MT5ForConditionalGeneration, T5Config, T5ForConditionalGeneration
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()


@dataclass(frozen=True)
class Shape:
    vocab_size: int = 320
    d_model: int = 48
    d_kv: int = 12
    num_heads: int = 4
    d_ff: int = 96
    encoder_layers: int = 3
    decoder_layers: int = 3
    gated: bool = False
    tied: bool = True
    scaled: bool = True
    activation: str = "gelu"  # of the gated form
    mt5: bool = False
    embedding: float = 1.0  # deviation of the embedding table; small: layers decide, not the token itself
    sharpness: float = 1.0  # of the output distribution: a factor on the decoder's final norm
    seed: int = 1

    @property
    def inner(self):
        return self.num_heads * self.d_kv


# The network's relatives, small: many embeddings and untied (mT5), bytes and a deep encoder (ByT5), SiLU gates (UL2).
V11 = {"gated": True, "tied": False, "scaled": False}
MT5 = {**V11, "mt5": True, "vocab_size": 900, "num_heads": 3}
BYT5 = {**V11, "vocab_size": 384, "encoder_layers": 6, "decoder_layers": 2}
UL2 = {**V11, "activation": "silu", "d_model": 64, "d_kv": 16}


def mixed(count, seed):
    """`count` well-mixed 64-bit words from a counter (the finaliser of splitmix64)."""
    with np.errstate(over="ignore"):
        z = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def seed_of(name, seed):
    """FNV-1a of the name, moved by the seed; the top bits go, so that counter + seed never overflows."""
    value = 0xCBF29CE484222325 ^ (seed * 0x1F123BB5)
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return value % 2**62


def uniform(name, size, std, seed):
    """Uniform with mean 0 and the given standard deviation, fp32."""
    count = int(np.prod(size))
    unit = (mixed(count, seed_of(name, seed)) >> np.uint64(40)).astype(np.float64) / 2.0**24
    return torch.from_numpy(((unit - 0.5) * math.sqrt(12.0) * std).astype(np.float32)).reshape(tuple(size))


def deviation(name, shape):
    """T5's initialisation, with a relative bias strong enough to notice a wrong bucket."""
    if "relative_attention_bias" in name:
        return 0.5
    if name.endswith(".q.weight"):
        return (shape.d_model * shape.d_kv) ** -0.5
    if name.endswith((".k.weight", ".v.weight", ".wi.weight", ".wi_0.weight", ".wi_1.weight")):
        return shape.d_model**-0.5
    if name.endswith(".wo.weight"):
        return shape.d_ff**-0.5
    if name.endswith(".o.weight"):
        return shape.inner**-0.5
    return 1.0  # shared, lm_head: logits of a unit-sized state are then about d_model^½, or 1 where they are scaled


def value_of(name, size, shape):
    if name.endswith("layer_norm.weight"):
        factor = shape.sharpness if name == "decoder.final_layer_norm.weight" else 1.0
        return factor * (1.0 + uniform(name, size, 0.2, shape.seed))
    if name == "shared.weight":
        return uniform(name, size, shape.embedding, shape.seed)
    std = deviation(name, shape)
    if name == "lm_head.weight" and not shape.scaled:
        std *= 0.2
    return uniform(name, size, std, shape.seed)


def build(shape, dtype=torch.float32):
    """The model in evaluation mode, fp32; with dtype bfloat16 its values are rounded to that first."""
    config = (MT5Config if shape.mt5 else T5Config)(
        vocab_size=shape.vocab_size, d_model=shape.d_model, d_kv=shape.d_kv, d_ff=shape.d_ff,
        num_layers=shape.encoder_layers, num_decoder_layers=shape.decoder_layers, num_heads=shape.num_heads,
        feed_forward_proj=f"gated-{shape.activation}" if shape.gated else "relu", decoder_start_token_id=0)
    config.scale_decoder_outputs = shape.scaled
    model = (MT5ForConditionalGeneration if shape.mt5 else T5ForConditionalGeneration)(config)
    if not shape.tied:  # transformers 5 constructs every T5 tied
        model.lm_head.weight = torch.nn.Parameter(torch.empty(shape.vocab_size, shape.d_model))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(value_of(name, parameter.shape, shape).to(dtype).float())
    tied = model.lm_head.weight.data_ptr() == model.shared.weight.data_ptr()
    assert tied == shape.tied, "this transformers ties the head otherwise than expected"
    return model.eval().requires_grad_(False)


def load(folder):
    """A stored model in fp32, by transformers."""
    return T5ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval().requires_grad_(False)


def older_config(shape):
    """config.json as it was written for the published T5s, before transformers 5."""
    config = {
        "architectures": ["T5ForConditionalGeneration"], "model_type": "t5", "is_encoder_decoder": True,
        "vocab_size": shape.vocab_size, "d_model": shape.d_model, "d_kv": shape.d_kv, "d_ff": shape.d_ff,
        "num_heads": shape.num_heads, "num_layers": shape.encoder_layers, "dropout_rate": 0.1,
        "layer_norm_epsilon": 1e-6, "relative_attention_num_buckets": 32, "n_positions": 512,
        "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0, "transformers_version": "4.16.0.dev0",
    }
    if shape.decoder_layers != shape.encoder_layers:
        config["num_decoder_layers"] = shape.decoder_layers
    if shape.gated:  # v1.0's files do not have the key
        config["feed_forward_proj"] = "gated-gelu"
    if not shape.scaled:
        config["tie_word_embeddings"] = False
    return config


def older_tensors(model, shape):
    """The state as older files have it: aliases of the embedding, and in v1.0 a bias that nothing reads."""
    tensors = dict(model.state_dict())
    for alias in ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight"):
        tensors[alias] = tensors["shared.weight"]
    if shape.tied:
        tensors["lm_head.weight"] = tensors["shared.weight"]
    if not shape.gated:
        surplus = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
        tensors[surplus] = torch.zeros(32, shape.num_heads)
    return tensors


def save(model, shape, folder, form, dtype=torch.float32):
    """Writes a Hugging Face folder: transformers | sharded | older_safetensors | older_bin."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if form in ("transformers", "sharded"):
        stored = build(shape, dtype)
        stored.load_state_dict(model.state_dict())
        limit = {"max_shard_size": "60KB"} if form == "sharded" else {}
        stored.to(dtype).save_pretrained(folder, **limit)
        index = folder / "model.safetensors.index.json"
        assert index.exists() == (form == "sharded"), "transformers chose another layout"
        return folder
    (folder / "config.json").write_text(json.dumps(older_config(shape), indent=2))
    tensors = {name: tensor.to(dtype) for name, tensor in older_tensors(model, shape).items()}
    if form == "older_safetensors":  # this format has no aliases
        save_file({name: tensor.clone().contiguous() for name, tensor in tensors.items()},
                  folder / "model.safetensors", metadata={"format": "pt"})
    elif form == "older_bin":
        # One matrix is stored transposed, and several in one storage, as converted checkpoints have them.
        name = "encoder.block.0.layer.0.SelfAttention.q.weight"
        tensors[name] = tensors[name].t().contiguous().t()
        torch.save(tensors, folder / "pytorch_model.bin")
    else:
        raise ValueError(form)
    return folder


def sequences(lengths, vocab_size, name, seed=1, eos=True):
    """Ids in [2, vocab_size), EOS last."""
    result = []
    for number, length in enumerate(lengths):
        words = mixed(length, seed_of(f"{name}.{number}", seed)) % np.uint64(vocab_size - 2)
        ids = [int(word) + 2 for word in words]
        if eos:
            ids[-1] = 1
        result.append(ids)
    return result
