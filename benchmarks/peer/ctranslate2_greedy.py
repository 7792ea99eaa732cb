"""Greedy decoding of training_step.cpp in CTranslate2, on a random T5 of the same sizes: the tasks of ../speed.

    .deps/ctranslate2/bin/python benchmarks/peer/ctranslate2_greedy.py TASK.json MODEL                  makes the model
    .deps/ctranslate2/bin/python benchmarks/peer/ctranslate2_greedy.py TASK.json MODEL STEPS THREADS    measures

Two processes, since the peak of memory shall be that of decoding.
"""
import json
import sys

import ctranslate2
from timed import print_times

task = json.loads(open(sys.argv[1], encoding="utf-8").read())
model = sys.argv[2]
TYPES = {"float32": "float32", "int8": "int8_float32"}


def word(token):
    return {0: "<pad>", 1: "</s>", 2: "<unk>"}.get(token, f"t{token}")


class Tokenizer:
    """What the converter asks of one."""

    pad_token, eos_token, unk_token = "<pad>", "</s>", "<unk>"

    def get_vocab(self):
        return {word(token): token for token in range(task["backbone"]["vocab_size"])}

    def convert_ids_to_tokens(self, token):
        return word(token)


def convert():
    import torch
    import transformers
    from ctranslate2.converters.converter import Converter
    from ctranslate2.converters.transformers import T5Loader

    class OfRandomT5(Converter):
        def _load(self):
            sizes = task["backbone"]
            config = transformers.T5Config(**sizes, num_decoder_layers=sizes["num_layers"], decoder_start_token_id=0,
                                           feed_forward_proj="gated-gelu", tie_word_embeddings=False)
            torch.manual_seed(1)
            with torch.no_grad():
                return T5Loader()(transformers.T5ForConditionalGeneration(config), Tokenizer())

    OfRandomT5().convert(model, quantization=TYPES[task["precision"]])


def measure(steps, threads):
    translator = ctranslate2.Translator(model, compute_type=TYPES[task["precision"]], inter_threads=1,
                                        intra_threads=threads)
    sources = [[word(token) for token in row] for row in task["inputs"]]
    tokens = len(task["targets"][0])

    def step():
        translator.translate_batch(sources, beam_size=1, max_decoding_length=tokens, min_decoding_length=tokens)

    print_times(step, steps, {"ctranslate2": ctranslate2.__version__})


if len(sys.argv) == 3:
    convert()
else:
    measure(int(sys.argv[3]), int(sys.argv[4]))
