"""A backbone in nf4 or int8 gives the logits, loss and gradient of transformers with the same dequantised weights.

The peer's weights are quantised by the published maths (QLoRA §3; LLM.int8 without outliers) in PyTorch; where
bitsandbytes is installed (pip install --no-deps bitsandbytes), it must give the same weights, and is used.
"""

from pathlib import Path

import torch

import models
import support
from models import Shape

try:
    import bitsandbytes.functional as bnb
except ImportError:
    bnb = None

TOLERANCE = 1e-4
CASES = {
    "v1.0": Shape(seed=61),
    "v1.1": Shape(gated=True, tied=False, scaled=False, seed=62),
    "v1.1, heads narrower than d_model": Shape(
        gated=True, tied=False, scaled=False, d_model=64, d_kv=8, num_heads=3, seed=63),
}
CODES = torch.tensor([
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0])


def dynamic_codes():
    """Seven decades, in each a linear division of 0.1 … 1 into 2^decade parts by their middles, both signs; 0 and 1."""
    codes = [0.0, 1.0]
    for decade in range(7):
        bounds = torch.linspace(0.1, 1, 2**decade + 1)
        middles = (bounds[:-1] + bounds[1:]) / 2 * 10.0 ** (decade - 6)
        codes += middles.tolist() + (-middles).tolist()
    return torch.tensor(sorted(codes))


def blocks(values, size):
    return torch.nn.functional.pad(values, (0, -len(values) % size)).view(-1, size)


def nearest(codes, values):
    return codes[(values.unsqueeze(-1) - codes).abs().argmin(-1)]


def nf4_by_hand(weight):
    parts = blocks(weight.flatten(), 64)
    scales = parts.abs().amax(1)
    groups = blocks(scales - scales.mean(), 256)
    most = groups.abs().amax(1, keepdim=True)
    kept = (nearest(dynamic_codes(), groups / most) * most).flatten()[: len(scales)] + scales.mean()
    return (nearest(CODES, parts / scales[:, None]) * kept[:, None]).flatten()[: weight.numel()].view(weight.shape)


def nf4_by_bitsandbytes(weight):
    """Its steps one by one. Two of its CPU kernels are avoided: in fp32 one searches the scales' codes in a table, not
    always the nearest; another begins a block with every row of a matrix, where quantising did not."""
    codes, state = bnb.quantize_4bit(weight.flatten(), blocksize=64, quant_type="nf4", compress_statistics=False)
    offset, dynamic = state.absmax.mean(), bnb.create_dynamic_map()
    scales, most = torch.ops.bitsandbytes.quantize_blockwise((state.absmax - offset).double(), dynamic, 256)
    state.absmax = torch.ops.bitsandbytes.dequantize_blockwise(scales, most, dynamic, 256, torch.float32) + offset
    return bnb.dequantize_4bit(codes, state).view(weight.shape)


def int8(weight):
    scale = weight.double().abs().amax(1, keepdim=True)
    return (torch.round(weight.double() * 127.0 / scale) * scale / 127.0).float()


def quantise(model, function):
    """The linear maps of the blocks in place; how many there were."""
    count = 0
    with torch.no_grad():
        for stack in (model.encoder, model.decoder):
            for module in stack.block.modules():
                if isinstance(module, torch.nn.Linear):
                    module.weight.copy_(function(module.weight))
                    count += 1
    return count


def main():
    options = support.arguments()
    checks = support.Checks()
    print("bitsandbytes", "is not installed" if bnb is None else "is compared with")
    with support.scratch(options) as folder:
        for number, (name, shape) in enumerate(CASES.items()):
            here = Path(folder) / str(number)
            plain = models.build(shape)
            backbone = models.save(plain, shape, here / "backbone", "transformers")
            inputs = models.sequences([9, 17, 3, 1], shape.vocab_size, "input", shape.seed)
            labels = models.sequences([5, 2, 8, 3], shape.vocab_size, "label", shape.seed)
            batch = support.peer_batch(inputs, labels)
            whole = support.real_rows(plain(**batch).logits, labels)
            for kind, function in {"nf4": nf4_by_hand, "int8": int8}.items():
                model = models.build(shape)
                if kind == "nf4" and bnb is not None:
                    weight = model.encoder.block[0].layer[0].SelfAttention.q.weight.detach()
                    checks.close(f"{name}: a weight by hand and by bitsandbytes", nf4_by_hand(weight),
                                 nf4_by_bitsandbytes(weight), 1e-6)
                    function = nf4_by_bitsandbytes
                maps = quantise(model, function)
                checks.equal(f"{name}, {kind}: maps", maps, shape.encoder_layers * (7 if shape.gated else 6)
                             + shape.decoder_layers * (11 if shape.gated else 10))
                embeddings = model.shared(batch["input_ids"]).detach().requires_grad_(True)
                peer = model(inputs_embeds=embeddings, **{k: v for k, v in batch.items() if k != "input_ids"})
                peer.loss.backward()
                ours = support.forward(options.program, backbone, inputs, labels, here / kind, "--quantization", kind,
                                       "--grad")
                expected = support.real_rows(peer.logits.detach(), labels)
                checks.close(f"{name}, {kind}: logits", ours["logits"], expected, TOLERANCE)
                checks.close(f"{name}, {kind}: loss", ours["loss"], peer.loss.detach(), TOLERANCE)
                gradient = support.real_rows(embeddings.grad, inputs)
                checks.close(f"{name}, {kind}: gradient of the input embeddings", ours["input_embeddings_grad"],
                             gradient, TOLERANCE * gradient.abs().max().item())
                moved = (expected - whole).abs().max().item()
                checks.true(f"{name}, {kind}: quantising moved the logits by up to {moved:.2f}", moved > 10 * TOLERANCE)
    checks.finish()


if __name__ == "__main__":
    main()
