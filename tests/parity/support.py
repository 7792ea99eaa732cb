"""What the parity tests share: the built program, padding for the peer, and checks that are all made before exit."""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True, type=Path, help="the built peft-bench")
    parser.add_argument("--source", required=True, type=Path, help="root of the checkout")
    parser.add_argument("--keep", type=Path, help="a folder to leave the files in")
    options = parser.parse_args()
    torch.set_num_threads(1)  # as with_peer.sh
    return options


def scratch(options):
    """A folder for files, gone afterwards unless --keep names one."""
    if options.keep is None:
        return tempfile.TemporaryDirectory(prefix="peft-bench-parity-")
    options.keep.mkdir(parents=True, exist_ok=True)

    class Kept:
        def __enter__(self):
            return str(options.keep)

        def __exit__(self, *unused):
            return False

    return Kept()


def run(program, *arguments_):
    """Runs the program; its output is shown where it fails."""
    command = [str(program), *map(str, arguments_)]
    result = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if result.returncode != 0:
        print("$ " + " ".join(command))
        print(result.stdout[-4000:] + result.stderr[-4000:])
        raise SystemExit(f"peft-bench ended with {result.returncode}")
    return result.stdout


def forward(program, backbone, inputs, labels, folder, *more):
    """`peft-bench forward` on ragged lists; its tensors, and the generated ids where --generate is among `more`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ids.json").write_text(json.dumps(inputs))
    (folder / "labels.json").write_text(json.dumps(labels))
    run(program, "forward", "--backbone", backbone, "--input-ids", folder / "ids.json", "--labels",
        folder / "labels.json", "--output", folder / "out.safetensors", *more)
    return load_file(folder / "out.safetensors")


def padded(lists, value):
    width = max(len(ids) for ids in lists)
    return torch.tensor([ids + [value] * (width - len(ids)) for ids in lists])


def peer_batch(inputs, labels):
    """input_ids, attention_mask and labels as transformers wants them."""
    ids = padded(inputs, 0)
    mask = padded([[1] * len(row) for row in inputs], 0)
    return {"input_ids": ids, "attention_mask": mask, "labels": padded(labels, -100)}


def real_rows(tensor, lists):
    """[B, T, …] with zeros where a row has ended, as `forward` writes it."""
    result = torch.zeros_like(tensor)
    for row, ids in enumerate(lists):
        result[row, : len(ids)] = tensor[row, : len(ids)]
    return result


class Checks:
    """Comparisons, each printed with the error found; `finish` fails the test if one of them did."""

    def __init__(self):
        self.failed = 0
        self.made = 0

    def _report(self, good, text):
        self.made += 1
        self.failed += not good
        print(("ok    " if good else "FAIL  ") + text, flush=True)

    def close(self, what, ours, peers, tolerance):
        ours, peers = torch.as_tensor(ours).detach().float(), torch.as_tensor(peers).detach().float()
        if ours.shape != peers.shape:
            self._report(False, f"{what}: shape {tuple(ours.shape)}, the peer's {tuple(peers.shape)}")
            return
        error = (ours - peers).abs().max().item()
        size = peers.abs().max().item()
        good = error <= tolerance  # false for NaN
        self._report(good, f"{what}: max error {error:.2e} (allowed {tolerance:.0e}), largest value {size:.3g}")

    def equal(self, what, ours, peers):
        good = ours == peers
        self._report(good, what + ("" if good else f"\n      ours   {ours}\n      peer's {peers}"))

    def true(self, what, good):
        self._report(bool(good), what)

    def finish(self):
        print(f"{self.made - self.failed} of {self.made} checks passed")
        sys.exit(1 if self.failed or not self.made else 0)
