"""Sentences of the books, speeches and manuals that text/all holds."""
import dataclasses
import json
import re

from . import text, text_manuals

SOURCES = {"text/sotu": text, "text/austen": text, "text/moby_dick": text, "text/shakespeare": text, "text/bible": text,
           **{name: text_manuals for name in ("text/anarchism", "text/debian_handbook", "text/python_doc",
                                              "text/postgresql_doc")}}
QUOTES = str.maketrans("‘’“”–—", "''\"\"--")


@dataclasses.dataclass(frozen=True)
class Sentence:
    text: str
    source: str  # sotu, austen, …
    document: int  # its number in the source
    place: int  # its number among the paragraph's sentences, of all documents


def split_sentences(paragraph):
    return re.split(r"(?<![ .][A-Z]\.)(?<!\b(?:Mr|Dr|St)\.)(?<!\bMrs\.)(?<=[.!?])[\"']?\s+(?=[\"'A-Z])", paragraph)


def is_clear(sentence):
    """Whether it is a sentence of common length, without signs that the small vocabulary does not know."""
    words = sentence.split()
    return (6 <= len(words) <= 30 and sentence[0].isupper() and sentence[-1] in ".!?" and sentence.isascii()
            and re.fullmatch(r"[A-Za-z0-9 ,;:.!?'\"()-]+", sentence) is not None
            and sum(word.isupper() and len(word) > 2 for word in words) < 2)


def document_sentences(documents, source):
    """The place counts on by one within a paragraph and jumps between paragraphs: next to each other means so."""
    place = 0
    for number, document in enumerate(documents):
        # A play's lines are verses, not paragraphs.
        parts = [document.replace("\n", " ")] if source == "shakespeare" else document.split("\n")
        for part in parts:
            for sentence in split_sentences(part.translate(QUOTES)):
                if is_clear(sentence.strip()):
                    yield Sentence(sentence.strip(), source, number, place)
                place += 1
            place += 1


_sentences = []  # several recipes ask for them in one run


def sentences(work):
    """All of them, each once. `work`: the folder that packages may be unpacked in."""
    if not _sentences:
        found = {}
        for name, module in SOURCES.items():
            inner, out = work / name / "work", work / name / "out"
            inner.mkdir(parents=True)
            out.mkdir()
            module.RECIPES[name][2](inner, out)
            with open(out / "documents.jsonl", encoding="utf-8") as lines:
                documents = [json.loads(line)["text"] for line in lines]
            for sentence in document_sentences(documents, name.removeprefix("text/")):
                found.setdefault(sentence.text, sentence)
        _sentences.extend(found.values())
    return _sentences


def from_each(draws, work, count):
    """`count` sentences of each source, fewer where it has fewer, in random order."""
    by_source = {}
    for sentence in sentences(work):
        by_source.setdefault(sentence.source, []).append(sentence)
    return draws.shuffled([sentence for found in by_source.values() for sentence in draws.sample(found, count)])
