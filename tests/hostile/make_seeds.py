"""Makes the seed files of corpus/, with the libraries whose formats they are (tests/parity/requirements.txt).

    .deps/peer/bin/python tests/hostile/make_seeds.py
    build/bin/peftbench-hostile --own-seeds tests/hostile/corpus    (formats of this program alone)

The files are small on purpose: the shorter an input, the more of its mutants reach something new.
"""
import gzip
import io
import json
import pathlib
import tempfile
import zipfile

import numpy
import pyarrow
import pyarrow.parquet
import safetensors.torch
import sentencepiece
import torch

ROOT = pathlib.Path(__file__).parent / "corpus"
torch.manual_seed(1)


def put(name, content):
    path = ROOT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        content = content.encode()
    path.write_bytes(content)


def put_json(name, value, indent=1):
    put(name, json.dumps(value, indent=indent) + "\n")


def tensor(*shape):
    return torch.randn(*shape)


# A T5 of one layer whose sizes a test can afford. -------------------------------------------------------------------
WORDS = ["the whale", "a ship at sea", "the captain said so", "wind and water", "morning came", "good film", "bad film",
         "what a dull day", "bright lights", "ninety nine balloons"]


def vocabulary():
    model = io.BytesIO()  # no file, whose name would be kept in the model
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(WORDS * 20), model_writer=model, vocab_size=40, model_type="unigram", pad_id=0, eos_id=1, unk_id=2,
        bos_id=-1, normalization_rule_name="identity", minloglevel=2, num_threads=1)
    return model.getvalue()


def pieces_of(model):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [[processor.id_to_piece(i), processor.get_score(i)] for i in range(processor.get_piece_size())]


CONFIG = {"architectures": ["T5ForConditionalGeneration"], "model_type": "t5", "vocab_size": 140, "d_model": 8, "d_kv": 4,
          "num_heads": 2, "d_ff": 16, "num_layers": 1, "num_decoder_layers": 1, "feed_forward_proj": "gated-gelu",
          "dense_act_fn": "gelu_new", "is_gated_act": True, "is_encoder_decoder": True,
          "relative_attention_num_buckets": 4, "relative_attention_max_distance": 16, "layer_norm_epsilon": 1e-06,
          "dropout_rate": 0.1, "tie_word_embeddings": True, "pad_token_id": 0, "eos_token_id": 1,
          "decoder_start_token_id": 0}
OLD_CONFIG = {k: v for k, v in CONFIG.items() if k not in ("dense_act_fn", "is_gated_act", "num_decoder_layers")} | {
    "feed_forward_proj": "relu", "n_positions": 512, "task_specific_params": {"summarization": {"num_beams": 4, "prefix": "s: "}},
    "torch_dtype": "float32", "transformers_version": "4.23.1", "output_past": True}


def models():
    tensors = {"shared.weight": tensor(4, 8), "encoder.block.0.layer.0.SelfAttention.q.weight": tensor(8, 8),
               "encoder.final_layer_norm.weight": tensor(8)}
    kinds = {"half": tensor(3).half(), "bfloat": tensor(2, 2).bfloat16(), "scalar": torch.tensor(1.5),
             "whole": torch.arange(4), "flags": torch.tensor([True, False]), "empty": torch.zeros(0, 3)}
    put("safetensors/model.safetensors", safetensors.torch.save(tensors, {"format": "pt"}))
    put("safetensors/kinds.safetensors", safetensors.torch.save(kinds))
    put("safetensors/one.safetensors", safetensors.torch.save({"w": tensor(2)}))
    put("parameter/prompt.safetensors", safetensors.torch.save({"prompt": tensor(2, 8), "encoder.input.prompt": tensor(2, 8)}))
    names = list(tensors)
    for part, name in (("00001", names[:1]), ("00002", names[1:])):
        put(f"companions/model-{part}-of-00002.safetensors", safetensors.torch.save({n: tensors[n] for n in name}))
    put_json("safetensors_index/two.json", {
        "metadata": {"total_size": 416},
        "weight_map": {n: f"model-{'00001' if n in names[:1] else '00002'}-of-00002.safetensors" for n in names}})
    with tempfile.TemporaryDirectory() as folder:
        for file, content in (("plain", tensors), ("kinds", {k: v for k, v in kinds.items() if v.numel()}),
                              ("view", {"a": tensor(4, 4)[1:, :2], "p": torch.nn.Parameter(tensor(2))})):
            path = pathlib.Path(folder, file + ".bin")
            torch.save(content, path)
            put(f"torch_zip/{file}.bin", path.read_bytes())
            if file == "plain":
                put("companions/pytorch_model-00001-of-00001.bin", path.read_bytes())
            with zipfile.ZipFile(path) as archive:
                put(f"pickle/{file}.pkl", archive.read(file + "/data.pkl"))
    put_json("torch_index/one.json", {"metadata": {"total_size": 416},
                                      "weight_map": {n: "pytorch_model-00001-of-00001.bin" for n in names}})
    for name, array in (("matrix", numpy.ones((2, 8), "<f4")), ("half", numpy.ones((3,), "<f2")),
                        ("double", numpy.ones((1, 2, 2), "<f8"))):
        with tempfile.TemporaryFile() as file:
            numpy.save(file, array)
            file.seek(0)
            put(f"npy/{name}.npy", file.read())


def model_files():
    put_json("config/new.json", CONFIG)
    put_json("config/old.json", OLD_CONFIG)
    put_json("companions/config.json", CONFIG)
    model = vocabulary()
    put("companions/spiece.model", model)
    put("spiece/small.model", model)
    put_json("generation_config/t5.json", {"decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0,
                                           "_from_model_config": True, "max_new_tokens": 20, "transformers_version": "4.27.0"})
    put_json("generation_config/two_ends.json", {"decoder_start_token_id": 0, "eos_token_id": [1, 5], "pad_token_id": 0})
    put_json("added_tokens/words.json", {"<hl>": 140, "<sep>": 141})
    put_json("special_tokens_map/t5.json", {
        "additional_special_tokens": [f"<extra_id_{i}>" for i in range(4)], "eos_token": "</s>", "pad_token": "<pad>",
        "unk_token": {"content": "<unk>", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}})
    put_json("tokenizer_config/t5.json", {
        "added_tokens_decoder": {str(i): {"content": f"<extra_id_{139 - i}>", "lstrip": False, "normalized": False, "rstrip": False,
                                          "single_word": False, "special": True} for i in (137, 138, 139)},
        "additional_special_tokens": ["<extra_id_0>", "<extra_id_1>"], "eos_token": "</s>", "extra_ids": 100,
        "legacy": True, "model_max_length": 512, "pad_token": "<pad>", "tokenizer_class": "T5Tokenizer", "unk_token": "<unk>"})
    put_json("byte_tokenizer/byt5.json", {
        "added_tokens_decoder": {"0": {"content": "<pad>"}, "1": {"content": "</s>"}, "2": {"content": "<unk>"},
                                 "259": {"content": "<extra_id_0>"}, "260": {"content": "<extra_id_1>"}},
        "extra_ids": 2, "tokenizer_class": "ByT5Tokenizer"})
    put_json("tokenizer_json/t5.json", {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": c, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                          "special": True} for i, c in ((0, "<pad>"), (1, "</s>"), (40, "<extra_id_0>"))],
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": "ALQCAACEAAA="},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True},
        "model": {"type": "Unigram", "unk_id": 2, "vocab": pieces_of(model)}})
    put("catalogue/small.yaml", "summary: a small T5\nsource: made for a test\nhub: someone/t5-test\naliases: [t5-also]\n"
        "vocab_size: 32128\nd_model: 768\nd_kv: 64\nnum_heads: 12\nd_ff: 3072\nencoder_layers: 12\ndecoder_layers: 12\n"
        "activation: gelu_tanh\ngated: true\ntied: false\nscale_logits: false\n")


# Rows. ----------------------------------------------------------------------------------------------------------------
def rows():
    table = [("text", "mood", "n")] + [(f"{'bright' if i % 2 else 'dull'} film {i}", "good" if i % 2 else "bad", str(i))
                                       for i in range(8)]
    put("csv/plain.csv", "".join(",".join(row) + "\n" for row in table))
    put("csv/quoted.csv", 'a,"b ""c""","d\ne"\r\n1,"two, three",\r\n"4\n5",6,7\r\n')
    put("csv_without_header/rows.csv", "".join(",".join(row) + "\n" for row in table[1:]))
    put("tsv/plain.tsv", "".join("\t".join(row) + "\n" for row in table))
    put("csv_gz/plain.csv.gz", gzip.compress((ROOT / "csv/plain.csv").read_bytes(), mtime=0))
    lines = "".join(json.dumps(dict(zip(table[0], row))) + "\n" for row in table[1:])
    put("jsonl/plain.jsonl", lines)
    put("jsonl/kinds.jsonl", '{"a": null, "b": true, "c": 1.5, "d": -3, "e": ["x", {"f": 1}], "g": {"h": {"i": "j"}}, '
        '"k": "\\u00e9\\ud83d\\ude00\\n"}\n\n{"a": 18446744073709551616}\n')
    put("jsonl_gz/plain.jsonl.gz", gzip.compress(lines.encode(), mtime=0))
    put("json/list.json", "[" + ",\n".join(lines.splitlines()) + "]\n")
    put("documents/text.jsonl", "".join(json.dumps({"text": w}) + "\n" for w in WORDS))
    put("companions/text.jsonl", (ROOT / "documents/text.jsonl").read_bytes())
    squad = {"version": "1.1", "data": [{"title": "Ships", "paragraphs": [
        {"context": "The whale sank the ship at dawn.", "qas": [
            {"id": f"q{i}", "question": f"What sank {i}?", "answers": [{"text": "the ship", "answer_start": 15},
                                                                      {"text": "The whale", "answer_start": 0}]}
            for i in range(4)]}]}]}
    put_json("json_nested/squad.json", squad)
    put_json("squad_rows/squad.json", squad)
    put("task_rows/rows.jsonl", lines)
    put("wsc_rows/rows.jsonl", "".join(json.dumps({
        "text": f"The city told Bob that he may go {i} .", "idx": i, "label": i % 2 == 0,
        "target": {"span1_index": 3, "span1_text": "Bob", "span2_index": 5, "span2_text": "he"}}) + "\n" for i in range(4)))
    put("multirc_rows/rows.jsonl", "".join(json.dumps({"idx": i, "passage": {
        "text": f"<b>Sent 1: </b>The whale sank {i}.<br>", "questions": [{"question": "What sank?", "idx": 0, "answers": [
            {"text": "a whale", "idx": 0, "label": 1}, {"text": "a ship", "idx": 1, "label": 0}]}]}}) + "\n" for i in range(4)))
    put("record_rows/rows.jsonl", "".join(json.dumps({"idx": i, "source": "x", "passage": {
        "text": f"Ahab met Starbuck.\n@highlight\nthey spoke {i}", "entities": [{"start": 0, "end": 3}, {"start": 9, "end": 16}]},
        "qas": [{"idx": i, "query": "@placeholder was angry", "answers": [{"start": 0, "end": 3, "text": "Ahab"}]}]}) + "\n"
        for i in range(4)))
    many = {"text": [f"film {i}" for i in range(6)], "mood": ["good", "bad"] * 3, "n": list(range(6)),
            "list": [["a", "b"], [], None, ["c"], ["d"], ["e"]], "x": [0.5, None, 1.5, 2.5, 3.5, 4.5],
            "s": [{"a": i, "b": str(i)} for i in range(6)], "f": [True, False] * 3}
    for name, options in (("plain", {"compression": "none"}), ("snappy", {"compression": "snappy", "use_dictionary": False})):
        with tempfile.NamedTemporaryFile() as file:
            pyarrow.parquet.write_table(pyarrow.table(many), file.name, store_schema=False, **options)
            put(f"parquet/{name}.parquet", pathlib.Path(file.name).read_bytes())
    put("predictions/ours.jsonl", "".join(json.dumps({
        "index": i, "input": f"review: film {i}", "prediction": "good", "label": 1, "target": "good" if i % 2 else "bad", "target_label": i % 2,
        "correct": i % 2 == 1, "references": ["good", "fine"], "group": f"g{i // 2}"}) + "\n" for i in range(6)))
    put("predictions/hashed.jsonl", "".join(json.dumps({
        "index": i, "input_hash": 64 * "a", "prediction": "bad", "target": "bad"}) + "\n" for i in range(2)))
    put("predictions/theirs.jsonl", '{"prediction": "bad", "target": "good"}\n{"prediction": "x", "target": "bad"}\n')


# Files of this program that people write. -----------------------------------------------------------------------------
def yaml_files():
    for name, source in (("task_rows", "jsonl"), ("squad_rows", "json"), ("wsc_rows", "jsonl"), ("multirc_rows", "jsonl"),
                         ("record_rows", "jsonl")):
        body = {
            "task_rows": "source: {train: FILE, records: }\n".replace(", records: ", "") +
                         "filter: {mood: [good, bad]}\ninput: \"sentence: {text}\"\ntarget: \"{mood}\"\nlabels: [bad, good]\n"
                         "metrics: [accuracy]\nsplit: {seed: 0, validation: 2, test: 2}\n",
            "squad_rows": "source: {train: FILE, records: data.paragraphs.qas}\npreprocess: squad\n"
                          "input: \"question: {question} context: {context}\"\ntarget: \"{answer}\"\nmetrics: [squad_f1]\n"
                          "split: {validation: 1, test: 0}\n",
            "wsc_rows": "source: {train: FILE, rename: {span1_text: target.span1_text, span1_index: target.span1_index, "
                        "span2_text: target.span2_text, span2_index: target.span2_index}}\npreprocess: wsc\n"
                        "input: \"{text}\"\ntarget: \"{referent}\"\nmetrics: [wsc_simple]\nsplit: {validation: 1, test: 0}\n",
            "multirc_rows": "source: {train: FILE, records: passage.questions.answers, rename: {paragraph: passage.text, "
                            "answer: passage.questions.answers.text, paragraph_idx: .idx, question_idx: passage.questions.idx}}\n"
                            "preprocess: multirc\ninput: \"question: {question} answer: {answer} paragraph: {paragraph}\"\n"
                            "target: \"{label}\"\nlabels: {0: \"False\", 1: \"True\"}\nmetrics: [f1a]\n"
                            "split: {validation: 2, test: 0}\n",
            "record_rows": "source: {train: FILE, records: qas, rename: {passage: passage.text, spans: passage.entities, "
                           "passage_idx: .idx, query_idx: qas.idx}}\npreprocess: record\n"
                           "input: \"query: {query} entities: {entities} passage: {passage}\"\ntarget: \"{answer}\"\n"
                           "metrics: [record_em]\nsplit: {validation: 1, test: 0}\n",
        }[name]
        put(f"companions/{name}.yaml", f"name: {name}\nsummary: rows of a test\n" + body.replace("FILE", f"{name}.{source}"))
    put("task/plain.yaml", (ROOT / "companions/task_rows.yaml").read_bytes())
    put("task/full.yaml", "name: full\nsummary: \"all keys: of a task\"\nsource:\n  get: put it there\n  folders: [a, b]\n"
        "  rename: {x: y.z}\n  any:\n    - {train: a/*.jsonl, test: b.jsonl.gz, records: qas}\n"
        "    - {hub: [owner/name], train: plain/train-*.parquet}\n    - {file: c.csv, delimiter: ';', quote: none, header: false, columns: [a, b], short_rows: skip}\n"
        "fields:\n  mood: {from: rating, cut: [-0.5, 0.5], words: [bad, so, good]}\n  kind: {from: kind, default: none}\n"
        "filter:\n  rating: {outside: [-0.1, 0.1]}\n  n: {min: 0, max: 10}\n  t: {not_in: [x]}\n"
        "prefix: full\ninput: \"a: {text} b: {kind}\"\ntarget: \"{mood}\"\nlabels: {bad: worse, so: middling, good: better}\n"
        "group: [doc]\nmetrics: [accuracy, macro_f1]\nsplit: {seed: 3, validation: 0.1, test: 100, by: [doc]}\n"
        "limits: {input: 256, target: 8}\n")
    put("task/mixture.yaml", "name: mixed\nsummary: two\nmixture:\n  tasks: [added, more]\n  rate: proportional\n  cap: 64\n")
    put("companions/added.yaml", (ROOT / "companions/task_rows.yaml").read_text().replace("name: task_rows", "name: added"))
    put("companions/more.yaml", (ROOT / "companions/task_rows.yaml").read_text().replace("name: task_rows", "name: more"))
    put("settings/run.yaml", "task: movie_sentiment\nbackbone: t5-nano-lm\nseed: 1\nthreads: 2\nset: {length: 20, init: words}\n"
        "train:\n  steps: 100\n  learning_rate: 3e-1\n  adafactor: {initial_step: 0}\neval: {mode: rank, tasks: [spam, cola]}\n"
        "on:\n  t5-nano-*:\n    set: {length: 40}\n    on:\n      spam: {train: {steps: 500}}\n")
    put("suite/small.yaml", "summary: two rows\ntasks: [movie_sentiment]\neval_tasks: [spam]\nbackbones: [t5-nano-lm]\nseeds: [1, 2, 3]\n"
        "defaults: {threads: 1, train: {steps: 5}, on: {spam: {train: {steps: 3}}}}\nrows:\n  - {method: lora, set: {rank: 8}}\n"
        "  - method: lora\n    name: \"lora, more\"\n    set: {rank: 16, targets: [q, v]}\n    train: {learning_rate: 3e-2}\n")
    put("pretrain/from.yaml", "summary: LM adaptation\nmodel: {from: t5-nano-span}\ntext:\n  austen: 1\n  bible: 0.5\n"
        "objectives:\n  prefix_lm: {share: 0.25}\n  tasks: {share: 0.75, rate: proportional, cap: 800, tasks: [antonym, spelling]}\n"
        "lengths: {inputs: 128}\ntokens: 4096\nheld_out: {documents: 0.01, examples: 25}\n"
        "precision: {compute: bfloat16, stored: bfloat16}\ntrain:\n  steps: 24\n  optimizer: adamw\n  learning_rate: 0.01\n"
        "  warmup_steps: 5\n  schedule: cosine\n  clip_norm: 1.0\n  adamw: {weight_decay: 0, beta2: 0.98}\n  evaluate_every: 20\n"
        "  checkpoint_every: 5\n  seed: 1\n")
    put("pretrain/sizes.yaml", "summary: a small T5\nvocabulary: spiece.model\nmodel:\n  vocab_size: 8192\n  d_model: 64\n  d_kv: 16\n  num_heads: 4\n  d_ff: 128\n"
        "  encoder_layers: 2\n  decoder_layers: 2\n  activation: gelu\n  gated: true\n  tied: true\n  scale_logits: false\ntext: {austen: 1}\nobjectives: {span_corruption: {share: 1, noise_density: 0.15, mean_noise_span_length: 3}}\n"
        "lengths: {inputs: 64}\nsnapshots: {half: 0.5}\ntrain: {steps: 10, seed: 2}\n")


# What this program writes, and adapters of others. --------------------------------------------------------------------
def adapters():
    lora = "base_model.model.encoder.block.0.layer.0.SelfAttention.{}.lora_{}.weight"
    values = {}
    for part in ("encoder", "decoder"):
        for layer, attention in ((0, "SelfAttention"), (1, "EncDecAttention")):
            if part == "encoder" and layer == 1:
                continue
            for name in ("q", "v"):
                stem = f"base_model.model.{part}.block.0.layer.{layer}.{attention}.{name}."
                values[stem + "lora_A.weight"], values[stem + "lora_B.weight"] = tensor(2, 8), tensor(8, 2)
    common = {"auto_mapping": None, "base_model_name_or_path": "t5", "inference_mode": True, "revision": None,
              "task_type": "SEQ_2_SEQ_LM", "peft_version": "0.21.2"}
    config = common | {"peft_type": "LORA", "r": 2, "lora_alpha": 8, "lora_dropout": 0.0, "target_modules": ["q", "v"],
                       "bias": "none", "fan_in_fan_out": False, "use_rslora": False, "use_dora": False,
                       "init_lora_weights": True, "modules_to_save": None, "layers_to_transform": None, "layers_pattern": None,
                       "rank_pattern": {}, "alpha_pattern": {"encoder.*q": 8}, "exclude_modules": None,
                       "loftq_config": {}, "layer_replication": None, "lora_bias": False}
    prompt = common | {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 2, "token_dim": 8, "num_transformer_submodules": 1,
                       "num_attention_heads": 2, "num_layers": 1, "prompt_tuning_init": "RANDOM",
                       "prompt_tuning_init_text": None, "tokenizer_name_or_path": None}
    ia3 = common | {"peft_type": "IA3", "target_modules": ["k", "v", "wo"], "feedforward_modules": ["wo"],
                    "fan_in_fan_out": False, "modules_to_save": None, "init_ia3_weights": True}
    for folder in ("peft", "peft_tensors"):
        put_json(f"companions/{folder}/adapter_config.json", config)
        put(f"companions/{folder}/adapter_model.safetensors", safetensors.torch.save(values, {"format": "pt"}))
    put_json("adapter_config/lora.json", config)
    put_json("adapter_config/prompt_tuning.json", prompt)
    put_json("adapter_config/ia3.json", ia3)
    put("adapter_model/lora.safetensors", safetensors.torch.save(values, {"format": "pt"}))
    ours = {"format_version": 1, "method": "prompt_tuning", "version": "1", "values": {"length": 2},
            "backbone": {"name": "t5", "checksum": "00ff"}, "task": "mood", "labels": ["bad", "good"], "fields": ["text"], "run": "x"}
    for folder in ("ours", "ours_tensors"):
        put_json(f"companions/{folder}/adapter.json", ours)
        put(f"companions/{folder}/adapter.safetensors", safetensors.torch.save({"encoder.input.prompt": tensor(2, 8)}))
    put_json("adapter/prompt_tuning.json", ours)
    put("adapter_tensors/prompt.safetensors", safetensors.torch.save({"encoder.input.prompt": tensor(2, 8)}))


def results():
    # A checkpoint as versions before its hash wrote it, so that mutants of what it holds are read.
    about = {"format": "peftbench-train-1", "run": "run-1", "step": 3, "progress": {"loss": 0.5, "history": [[1, 0.75]], "log": 120}}
    put("checkpoint/older.safetensors", safetensors.torch.save(
        {"parameters/encoder.input.prompt": tensor(2, 3), "optimizer/encoder.input.prompt/v": tensor(2, 3)},
        {"peftbench": json.dumps(about)}))


if __name__ == "__main__":
    for made in (models, model_files, rows, yaml_files, adapters, results):
        made()
    print(sum(1 for _ in ROOT.rglob("*.*")), "files,", sum(p.stat().st_size for p in ROOT.rglob("*") if p.is_file()), "bytes")
