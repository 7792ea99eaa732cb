"""Plain text for pre-training: dictionaries, whose English is modern and speaks of everything."""
import gzip
import hashlib
import re

from .prose import grouped
from .sources import debian_files
from .tables import write_documents


def synsets(data):
    """Of a data file of WordNet, in its order, which puts related ones together: (words, gloss)."""
    for line in data.decode("utf-8").splitlines():
        if line.startswith("  "):  # the licence
            continue
        fields, _, gloss = line.partition(" | ")
        fields = fields.split()
        words = [re.sub(r"\((?:a|p|ip)\)$", "", word).replace("_", " ")
                 for word in fields[4:4 + 2 * int(fields[3], 16):2]]
        yield words, gloss.strip()


def wordnet_glosses(work, out):
    files = debian_files("wordnet-base", "1:3.0-37", "usr/share/wordnet/data.*",
                         "61060d960f9ada8fa120872312eccd3ecebfbab8c4579e4f5a74e1cf67620752", work)
    entries = (f"{', '.join(words)}: {gloss.rstrip(';')}." for _, data in files for words, gloss in synsets(data))
    # WordNet's own order is by classes, which wordnet_supersense asks for: no document may tell them.
    mixed = sorted(entries, key=lambda entry: hashlib.sha256(entry.encode()).digest())
    write_documents(out, grouped(mixed))


def decoded(data):
    """UTF-8 with a few bytes of Windows-1252 among it."""
    text = data.decode("utf-8", "surrogateescape")
    return re.sub("[\udc80-\udcff]", lambda byte: bytes([ord(byte[0]) - 0xDC00]).decode("cp1252", "ignore"), text)


def gcide_entries(text):
    """The entries: a head word at the margin, and what is indented below it."""
    entry = []
    for line in text.splitlines():
        if re.match(r"\S.*\\.*\\", line) and entry:
            yield entry
            entry = []
        entry.append(line)
    yield entry


def without_brackets(text):
    """Without etymologies, sources and labels in brackets; letters with marks, d[=o]ttir, become plain ones."""
    text = re.sub(r"\[(?:[^\w\s\[\]]{1,2}([A-Za-z]{1,2})|([A-Za-z]{1,2})[^\w\s\[\].]{1,2}|(ae|oe|AE|OE))\]",
                  lambda found: found[1] or found[2] or found[3], text)
    while True:
        shorter = re.sub(r"\[[^\[\]]*\]", "", text)
        if shorter == text:
            return text
        text = shorter


PARTS = "n|a|v|adj|adv|prep|conj|interj|pron|p|i|t|pl|imp|pr|vb"


def gcide_entry(lines):
    """`word: definitions and examples.`, or nothing where no sentence is left."""
    word, _, rest = lines[0].partition(" \\")
    rest = re.sub(r"^.*?\\(?:,? (?:or|and) [^\\]*\\[^\\]*\\)*,?", "", rest, count=1)
    text = without_brackets("\n".join([rest, *lines[1:]]))
    kept = []
    for number, block in enumerate(re.split(r"\n\s*\n|\n(?=\s+(?:\d+\.|\([a-z]\)|Syn:|Note:|--|{)\s)", text)):
        block = " ".join(block.split())
        if number == 0:  # what is left of the part of speech and its forms, before the first definition
            block = re.sub(rf"^.*?(?:\b(?:{PARTS})\.(?:[ ;,&]+|$))+", "", block)
        if block.startswith("Syn:") or re.match(r"(?:See|Same as|pl|imp)\b[^.]{0,60}\.?$", block):
            continue
        block = re.sub(r"""\s*--\s?[{]?\w+["*`].*$""", "", block)  # words made from it: -- Moon"y, a.
        block = re.sub(r"\s*--\s?(?:\d )?[A-Z][\w.&' ()-]{0,60}$", "", block)  # whose example it is
        block = re.sub(r"^(?:\d+\.|\([a-z]\)|Note:)\s*", "", block)
        block = re.sub(r"^\((?:[A-Z][\w.,& ]*)\)\s*", "", block)  # (Zool.)
        block = re.sub(r"[{}\\]", "", block).replace(" ,", ",").strip(" ]")
        if len(block.split()) >= 3 and not block.startswith(("--", ";", "(")):
            kept.append(block if block[-1] in ".!?\"')" else block.rstrip(";:,-") + ".")
    return f"{word}: {' '.join(kept)}" if kept else None


def gcide(work, out):
    files = debian_files("dict-gcide", "0.48.5+nmu2", "usr/share/dictd/gcide.dict.dz",
                         "7b0af5cfde3cbdef5e9d6e78f92ec335ced7c2790f37a40f49bebc6f7347ac0f", work)
    text = decoded(gzip.decompress(files[0][1]))
    entries = (gcide_entry(lines) for lines in gcide_entries(text) if not lines[0].startswith("00-database"))
    write_documents(out, grouped(entry for entry in entries if entry))


RECIPES = {
    "text/wordnet_glosses": ("117,659 definitions with their words and examples (WordNet 3.0, Debian's wordnet-base)",
                             "WordNet 3.0 licence: free, with its notice", wordnet_glosses, 2),
    "text/gcide": ("the Collaborative International Dictionary of English (Debian's dict-gcide 0.48.5, 15 MB)",
                   "GPL-2 or later", gcide),
}
