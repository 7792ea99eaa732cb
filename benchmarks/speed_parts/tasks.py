"""What is measured: shapes, sizes of a batch, methods and token ids. A task is what one process does, as JSON, which
training_step.cpp and peer/ both read, so these numbers stand here alone."""
import dataclasses

# The shipped backbone's, and T5 v1.1's.
SHAPES = {
    "nano": {"vocab_size": 8192, "d_model": 256, "d_kv": 64, "num_heads": 4, "d_ff": 640, "num_layers": 4},
    "small": {"vocab_size": 32128, "d_model": 512, "d_kv": 64, "num_heads": 6, "d_ff": 1024, "num_layers": 8},
    "base": {"vocab_size": 32128, "d_model": 768, "d_kv": 64, "num_heads": 12, "d_ff": 2048, "num_layers": 12},
    "large": {"vocab_size": 32128, "d_model": 1024, "d_kv": 64, "num_heads": 16, "d_ff": 2816, "num_layers": 24},
}
TRAINED = {  # a plugin and its parameters; the peer reads the same
    "prompt_tuning": ("prompt_tuning", {"init": "random_uniform"}),
    "lora": ("lora", {"rank": 8, "targets": ["q", "v"]}),
    "model_tuning": ("model_tuning", {}),
    "prefix_tuning_decoder": ("prefix_tuning", {"attentions": ["decoder"], "reparametrisation": "direct"}),
}
WITH_LENGTH = ("prompt_tuning", "prefix_tuning_decoder")  # of a prompt or prefix
EVALUATIONS = ("greedy", "ranking")  # of the backbone alone
METHODS = (*TRAINED, *EVALUATIONS)
TARGET_TOKENS, LABEL_WORDS, SHORTEST = 8, 26, 32


@dataclasses.dataclass(frozen=True)
class Sizes:
    backbone: dict
    batch: int = 16
    tokens: int = 128
    prompt: int = 100


def lengths(sizes, text):
    """Tokens of each input: all as long as they may be, or evenly from SHORTEST to that, in no order."""
    if text == "even":
        return [sizes.tokens] * sizes.batch
    spread, last = sizes.tokens - SHORTEST, sizes.batch - 1
    return [SHORTEST + spread * (b * 7 % sizes.batch) // last for b in range(sizes.batch)]


def _ids(sizes, number, length, first=0):
    return [2 + (number * 131 + (first + t) * 17) % (sizes.backbone["vocab_size"] - 2) for t in range(length)]


def _common(sizes, precision, backend, device):
    return {"backbone": sizes.backbone, "precision": precision, "backend": backend, "device": device}


def task(method, sizes, text="even", precision="float32", backend="reference", device="cpu", dropout=0.0):
    made = {"work": method if method in EVALUATIONS else "training_step",
            **_common(sizes, precision, backend, device),
            "inputs": [_ids(sizes, b, length) for b, length in enumerate(lengths(sizes, text))],
            "targets": [_ids(sizes, b, TARGET_TOKENS, 1000) for b in range(sizes.batch)]}
    if method in TRAINED:
        made["method"], parameters = TRAINED[method]
        made["parameters"] = dict(parameters, length=sizes.prompt) if method in WITH_LENGTH else parameters
        made["dropout"] = dropout
    if method == "ranking":
        made["words"] = [_ids(sizes, 7000 + word, 1 + word * 7 % 4) for word in range(LABEL_WORDS)]
    return made


def products(sizes, precision, device):
    """The maps of a block, of as many rows as a step of prompt tuning has."""
    return {"work": "products", **_common(sizes, precision, "reference", device),
            "rows": sizes.batch * (sizes.tokens + sizes.prompt)}
