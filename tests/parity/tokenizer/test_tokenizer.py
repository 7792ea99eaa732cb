"""Ids and decoded text equal those of the sentencepiece package on 1,000 lines full of Unicode's corners, and the
sentinels those of transformers' T5Tokenizer; so do the tokens that a folder's other files add (S6, S7).

usage: test_tokenizer.py TOKENIZE_LINES SPIECE_MODEL…
"""
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import sentencepiece
import sentencepiece.sentencepiece_model_pb2 as spiece_proto
import transformers

# One sample or more of everything that a normalizer or a segmenter can trip over.
CORNERS = [
    "é", "e\u0301", "ﬁ", "ﬀ", "Å", "A\u030a", "\u212b", "ſ", "ß", "ẞ", "İ", "ı", "Ⅷ", "①", "½", "㎏", "™", "ª",  # composition, compatibility
    "Ｆｕｌｌ", "ｶﾀｶﾅ", "１２３", "！", "\u3000",  # full and half width
    "한국어", "\u1112\u1161\u11ab", "日本語", "漢字", "中文。", "ไทย", "हिन्दी", "தமிழ்", "العربية", "ﷺ", "עברית", "שָׁלוֹם", "Ελληνικά", "Русский",
    "😀", "👨‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪", "1️⃣", "𝔘𝔫𝔦", "𝒳", "𐍈", "𠮷",  # beyond 16 bits, joined
    "\u00a0", "\u2003", "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u2028", "\u2029", "\u0085", "\u202e", "\u180e",
    "\t", "\n", "\r\n", "\x00", "\x01", "\x07", "\x1b", "\x7f", "\x80", "\x9f", "  ", "   ",
    "\ufffd", "\ufffe", "\uffff", "\ue000", "\U0010ffff", "\U000e0041", "\u0378",  # replacement, non-characters, private, unassigned
    "▁", "▁▁", "▁the", "_", "<", ">", "<unk>", "</s>", "<pad>", "<s>", "<extra_id_", "<extra_id_100>", "<extra_id_00>",
    "``", "''", "“”", "‘’", "«»", "—", "–", "…", "...", "-", "--", "·", "•", "~", "@", "#", "&amp;", "\\n", "%20", "{}", "[]", "|",
    "a\u0300\u0301\u0302\u0303\u0304\u0305", "Z͑ͫ̓a̴l̵g̷o", "o\u0308\u0323", "\u0301x",  # stacked, out of order, without a base
    "antidisestablishmentarianism", "x" * 300, "ab" * 200, "é" * 100, "9" * 50, "3.14159", "1,000,000", "1e-10", "0x1F", "don't", "I'll",
    "U.S.A.", "e.g.", "http://example.org/a?b=c&d", "user@example.org", "C++20", "ALLCAPS", "CamelCase", "snake_case",
]
WORDS = "the a of sea old man whale president war peace love and or not in on at she he it is was big small red runs".split()


def lines(count):
    random_ = random.Random(20)
    result = ["", " ", "\n", "▁", *CORNERS]
    while len(result) < count * 6 // 10:  # corners among words, with and without spaces
        parts = random_.choices(CORNERS + WORDS * 4, k=random_.randint(1, 14))
        result.append("".join(part + random_.choice(["", " ", " ", "  "]) for part in parts))
    while len(result) < count * 9 // 10:  # any characters of a block
        start = random_.choice([0x20, 0x80, 0x300, 0x370, 0x590, 0x900, 0x1100, 0x1e00, 0x2000, 0x2100, 0x3000, 0xac00, 0xf900, 0xfb00,
                                0xfe00, 0xff00, 0x10300, 0x1d400, 0x1f300, 0x20000, 0xe0000])
        characters = [chr(start + random_.randrange(256)) for _ in range(random_.randint(1, 40))]
        result.append("".join(c + random_.choice(["", "", " "]) for c in characters))
    while len(result) < count:  # any characters at all
        codes = [random_.randrange(0x110000) for _ in range(random_.randint(1, 30))]
        result.append("".join(chr(code) for code in codes if not 0xd800 <= code < 0xe000))
    return result


def sentinel_lines(count):
    random_ = random.Random(21)
    marks = [f"<extra_id_{k}>" for k in range(100)]
    result = ["<extra_id_0>", "a<extra_id_0>b", " <extra_id_1> , b", "<extra_id_99><extra_id_98> <extra_id_0>"]
    while len(result) < count:
        parts = random_.choices(WORDS + marks[:: random_.randint(1, 9)], k=random_.randint(2, 12))
        result.append("".join(part + random_.choice(["", " ", "  "]) for part in parts))
    return result


def tokenize(program, model, texts):
    given = "".join(json.dumps(text) + "\n" for text in texts)
    done = subprocess.run([program, model], input=given, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.split("\n")[:-1]]  # splitlines() would cut at U+2028


def check(model, texts, results, expected, what):
    wrong = [(t, r, e) for t, r, e in zip(texts, results, expected, strict=True) if r != e]
    for text, found, right in wrong[:5]:
        print(f"{model}: {what} of {text!r}\n  found:    {found}\n  expected: {right}")
    print(f"{model}: {what} equal on {len(texts) - len(wrong)} of {len(texts)} lines")
    return not wrong


def check_model(program, model):
    peer = sentencepiece.SentencePieceProcessor(model_file=str(model))
    texts = lines(1000)
    results = tokenize(program, model, texts)
    good = check(model, texts, [r["ids"] for r in results], peer.encode(texts), "ids")
    good &= check(model, texts, [r["text"] for r in results], [peer.decode(ids) for ids in peer.encode(texts)], "decoded text")

    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(model, Path(folder) / "spiece.model")
        (Path(folder) / "config.json").write_text('{"model_type": "t5"}')
        t5 = transformers.T5Tokenizer.from_pretrained(folder)
    marked = sentinel_lines(300)
    expected = [t5(text, add_special_tokens=False).input_ids for text in marked]
    results = tokenize(program, model, marked)
    assert any(re.search(r">[a-z]", text) for text in marked), "a word right after a sentinel is the case that matters"
    good &= check(model, marked, [r["ids"] for r in results], expected, f"ids with sentinels (transformers {transformers.__version__})")
    good &= check(model, marked, [r["text"] for r in results], [t5.decode(ids) for ids in expected], "decoded text with sentinels")
    return good


def check_bytes(program):
    """ByT5's bytes and sentinels. Special tokens written in a text are plain characters to us: data cannot end a sequence."""
    special = re.compile("</s>|<pad>|<unk>")
    good = True
    for count in (125, 7):
        peer = transformers.ByT5Tokenizer(extra_ids=count)
        texts = [text for text in lines(1000) + sentinel_lines(300) if not special.search(text)]
        expected = [peer(text, add_special_tokens=False).input_ids for text in texts]
        with tempfile.TemporaryDirectory() as folder:
            peer.save_pretrained(folder)
            results = tokenize(program, folder, texts)
        good &= check(f"ByT5 with {count} sentinels", texts, [r["ids"] for r in results], expected, "ids")
        good &= check(f"ByT5 with {count} sentinels", texts, [r["text"] for r in results], [peer.decode(ids) for ids in expected], "decoded text")
    return good


def flags(content, **more):
    return {"content": content, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True, **more}


def numbered(first, *tokens):
    return {"added_tokens_decoder": {str(first + i): token for i, token in enumerate(tokens)}}


def with_own_sentinels(model, kind, count=100):
    """mT5's form: the sentinels are pieces, with a space before them, right behind pad, EOS and unknown."""
    proto = spiece_proto.ModelProto()
    proto.ParseFromString(model)
    others = list(proto.pieces)
    del proto.pieces[:]
    proto.pieces.extend(others[:3])
    for k in range(count - 1, -1, -1):
        proto.pieces.add(piece=f"▁<extra_id_{k}>", score=0.0, type=kind)
    proto.pieces.extend(others[3:])
    return proto.SerializeToString()


def folders(model):
    """Names, files beside spiece.model, and the model: what each says is not in the model alone."""
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model).get_piece_size()
    first = pieces + 100
    sentinels = [f"<extra_id_{k}>" for k in range(100)]
    all_numbered = [flags(mark, lstrip=True, rstrip=True) for mark in reversed(sentinels)]
    own = spiece_proto.ModelProto.SentencePiece
    yield "added_tokens.json", {"added_tokens.json": {"<hl>": first, "sea": first + 1}}, model
    yield "special ones", {"added_tokens.json": {"<hl>": first, "[SEP]": first + 1}, "special_tokens_map.json": {
        "sep_token": "[SEP]", "eos_token": "</s>", "additional_special_tokens": ["<hl>"]}}, model
    yield "named only", {"tokenizer_config.json": {"cls_token": "<hl>", "sep_token": "[SEP]"}}, model
    yield "a list in the configuration", {"tokenizer_config.json": {"additional_special_tokens": [*sentinels, "<hl>"]}}, model
    yield "a list without the sentinels", {"tokenizer_config.json": {"extra_special_tokens": ["<hl>", "sea"]}}, model
    yield "added_tokens_decoder", {"tokenizer_config.json": numbered(first, flags("<hl>"), flags("sea", normalized=True, special=False))}, model
    yield "lstrip and rstrip", {"tokenizer_config.json": numbered(first, flags("<hl>", lstrip=True), flags("sea", rstrip=True, special=False))}, model
    yield "as save_pretrained writes it", {"tokenizer_config.json": {
        **numbered(pieces, *all_numbered, flags("<hl>", normalized=True, special=False)), "extra_ids": 100,
        "additional_special_tokens": sentinels, "tokenizer_class": "T5Tokenizer", "legacy": True}}, model
    yield "300 sentinels", {"tokenizer_config.json": {"extra_ids": 300}}, model
    yield "300 sentinels and more", {"tokenizer_config.json": {"extra_ids": 300}, "added_tokens.json": {"<hl>": pieces + 300}}, model
    yield "no sentinels", {"tokenizer_config.json": {"extra_ids": 0}}, model
    for kind, name in ((own.NORMAL, "pieces"), (own.USER_DEFINED, "symbols")):
        mt5 = {"extra_ids": 0, "additional_special_tokens": None, "eos_token": "</s>"}
        yield f"as mT5, {name}", {"tokenizer_config.json": mt5}, with_own_sentinels(model, kind)
        yield f"as mT5, {name}, with tokens", {"tokenizer_config.json": mt5, "added_tokens.json": {"<hl>": first}}, with_own_sentinels(model, kind)
    yield "100 symbols and no word of them", {}, with_own_sentinels(model, own.USER_DEFINED)


def folder_lines(count):
    random_ = random.Random(22)
    marks = ["<hl>", "<hl>", "sea", "[SEP]", "＜hl＞", "ｓea", "<extra_id_0>", "<extra_id_1>", "<extra_id_42>", "<extra_id_250>"]
    result = ["<hl>", "the <hl> sea<hl>x", "seas and oversea", "a<extra_id_0>b"]
    while len(result) < count:
        parts = random_.choices(WORDS + marks, k=random_.randint(2, 12))
        result.append("".join(part + random_.choice(["", " ", "  "]) for part in parts))
    return result


def check_folders(program, model):
    good, texts = True, folder_lines(200)
    for name, files, spiece in folders(Path(model).read_bytes()):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "spiece.model").write_bytes(spiece)
            (Path(folder) / "config.json").write_text('{"model_type": "t5"}')
            for file, content in files.items():
                (Path(folder) / file).write_text(json.dumps(content))
            peer = transformers.T5Tokenizer.from_pretrained(folder)
            # Where no file says how many follow, transformers takes 100 more for pieces beside the vocabulary's own; they
            # differ where a mark has no space before it.
            some = texts if files else [text for text in texts if not re.search(r"\S<extra_id_", text)]
            results = tokenize(program, Path(folder) / "spiece.model", some)
            expected = [peer(text, add_special_tokens=False).input_ids for text in some]
            good &= check(name, some, [r["ids"] for r in results], expected, "ids as transformers")
            # With the tokenizer.json that transformers writes.
            peer.save_pretrained(Path(folder) / "saved")
            shutil.copy(Path(folder) / "spiece.model", Path(folder) / "saved" / "spiece.model")
            again = transformers.T5Tokenizer.from_pretrained(Path(folder) / "saved")
            expected = [again(text, add_special_tokens=False).input_ids for text in texts]
            results = tokenize(program, Path(folder) / "saved" / "spiece.model", texts)
            good &= check(name + ", saved again", texts, [r["ids"] for r in results], expected, "ids as transformers")
    return good


def main(program, *models):
    here = [Path(model) for model in models if Path(model).exists()]
    for model in models:
        if not Path(model).exists():
            print(f"skipped {model}: it is not there")
    if not here:
        return 77
    return 0 if all([check_model(program, model) for model in here] + [check_folders(program, here[0]), check_bytes(program)]) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
