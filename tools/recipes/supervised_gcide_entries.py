"""Entries of the GNU Collaborative International Dictionary of English: Webster's of 1913 and additions.

What it took from WordNet is marked and left out, as is every definition that is as a whole one of WordNet's nouns: the
classes of those are a task that backbones are evaluated on. Within longer ones common phrases of both remain.
"""
import dataclasses
import gzip
import re

from .sources import debian_file
from .wordnet_lines import glosses

SOURCE = re.compile(r"\[((?:[^\]]*(?:Webster|WordNet|PJC)[^\]]*|AS|RP|MW\d*|RHUD|Century.*))\]")
WORDS = re.compile(r"([^\\]+?) \\[^\\]*\\(?:,? [^\\,]+ \\[^\\]*\\)*")
PART = re.compile(r",?\s+(n|v\. [ti]|v|a|adj|adv)\.(?= |$|,|;)")
LANGUAGES = {"L.": "Latin", "Gr.": "Greek", "F.": "French", "OF.": "French", "AS.": "English", "OE.": "English",
             "It.": "Italian", "Sp.": "Spanish", "G.": "German", "D.": "Dutch", "Icel.": "Norse", "Ar.": "Arabic",
             "NL.": "Latin", "LL.": "Latin"}
PARTS = {"n": "noun", "v": "verb", "v. t": "verb", "v. i": "verb", "a": "adjective", "adj": "adjective",
         "adv": "adverb"}


@dataclasses.dataclass
class Entry:
    word: str
    part: str = ""  # noun, verb, adjective, adverb, or unknown
    origin: str = ""  # the language that its etymology names first
    senses: list = dataclasses.field(default_factory=list)  # (mark of a field or "", definition)
    synonyms: list = dataclasses.field(default_factory=list)
    quotations: list = dataclasses.field(default_factory=list)  # (text, author as the dictionary shortens it)


def bracketed(text, start, pair):
    """The end of the bracket that opens at `start`, or −1."""
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] == pair[0]) - (text[at] == pair[1])
        if depth == 0:
            return at + 1
    return -1


def read_head(text):
    """(entry, mark of a field, what follows the head) of an entry's first paragraph; None where it is not clear."""
    words = WORDS.match(text)
    if not words:
        return None
    entry, mark, at = Entry(words[1].strip()), "", words.end()
    pronounced = re.compile(r"\s*\([^A-Z)]*\)").match(text, at)
    at = pronounced.end() if pronounced else at
    part = PART.match(text, at)
    if part:
        entry.part, at = PARTS[part[1]], part.end()
    while at < len(text):
        at += len(text[at:]) - len(text[at:].lstrip(" ,"))
        if text[at:at + 1] == "[":
            end = bracketed(text, at, "[]")
            origin = re.match(r"\[(?:From |Cf\. )?([A-Z]+[a-z]*\.) ", text[at:])
            entry.origin = entry.origin or LANGUAGES.get(origin[1] if origin else "", "")
        elif field := re.match(r"\(([A-Z][^)]{1,20})\)", text[at:]):
            mark, end = field[1], at + field.end()
        elif plural := re.match(r"(?:n\. )?(?:pl\.|;[^.;]*?\bpl\.) ?(?:\{[^}]*\}|[^.{]*?)[^.]{0,40}\.", text[at:]):
            end = at + plural.end()
        else:
            break
        if end < 0:
            return None
        at = end
    return entry, mark, text[at:].strip()


def plain(text):
    text = re.sub(r"[{}]", "", text)
    text = re.sub(r"\[([ao]e)\]", r"\1", text)
    return re.sub(r"\[['`^\"~:,=]([a-z])\]", r"\1", text)


def read_sense(text):
    """(mark of a field, definition) of a paragraph; None if it is none, or is too short, long or strange."""
    text = re.sub(r"^\d+\. ", "", text)
    text = re.sub(r"^\([a-z]\) ", "", text)
    field = re.match(r"\(([A-Z][^)]{1,20})\) ", text)
    text = plain(text[field.end():] if field else text)
    text = re.sub(r"^\([a-z]\) ", "", text)
    text = re.split(r" \[| ?--|[;,:] as,|[;,:] as in | \([b-z]\) | \"|[.;:] (?:See|Cf\.|Called)|(?<!\bSt)\. ", text)[0]
    text = re.sub(r"[,;] esp$", "", text.strip(" .,;:"))
    words = text.split()
    clean = text.isascii() and re.fullmatch(r"[A-Z][A-Za-z0-9 ,;:'()\-.]*", text)
    if not clean or not 3 <= len(words) <= 32 or text.startswith(("See ", "Same as", "Syn", "Note", "imp.", "p.")):
        return None
    if text[1:2].islower() or text[1:2] == " ":
        text = text[0].lower() + text[1:]
    return (field[1] if field else ""), text


def read_quotation(text):
    found = re.fullmatch(r"(.+?) ?--([A-Z][A-Za-z. ]{2,15}?)\.?(?: [\dIVXivxl., ]+)?", plain(text))
    if not found or not 6 <= len(found[1].split()) <= 40 or not found[1].isascii() or "?" in found[1] + found[2]:
        return None
    return re.sub(r" ?\[[^\]]*\]", "", found[1]).strip(), found[2].strip()


def read_entry(lines):
    paragraphs, sources = [], []
    for paragraph in "\n".join(lines).split("\n\n"):
        indent = len(paragraph) - len(paragraph.lstrip(" "))
        text = " ".join(paragraph.split())
        source = SOURCE.findall(text)
        text = SOURCE.sub("", text).strip()
        sources += [source[-1] if source else None] if text else []
        paragraphs += [(indent, text)] if text else []
        if not text and source and sources and sources[-1] is None:
            sources[-1] = source[-1]
    for at in range(len(sources) - 2, -1, -1):  # a mark stands for the paragraphs before it
        sources[at] = sources[at] or sources[at + 1]
    if not paragraphs or any(source and "WordNet" in source for source in sources[:1]):
        return None
    head = read_head(paragraphs[0][1])
    if not head:
        return None
    entry, mark, first = head
    body = [(3, first), *paragraphs[1:]]
    for (indent, text), source in zip(body, sources):
        if not source or "WordNet" in source:
            continue
        if text.startswith("Syn:"):
            words = [re.sub(r"\(.*?\)", "", word).strip() for word in re.split(r"[;,.]", plain(text[4:]))]
            if "See" not in text:
                entry.synonyms += [word for word in words if re.fullmatch(r"(?!adv|adj)[a-z]{3,}", word)]
        elif indent > 6:
            entry.quotations += [found] if (found := read_quotation(text)) else []
        elif not text.startswith(("Note:", "{")) and (sense := read_sense(text)):
            entry.senses.append((sense[0] or mark, sense[1]))
    return entry


def words_alone(text):
    return " ".join(re.findall(r"[a-z]+", text.lower()))


_entries = []  # several recipes ask for them in one run


def dictionary(work):
    """All entries. `work`: the folder that the package may be unpacked in."""
    if not _entries:
        _entries.extend(read_dictionary(work))
    return _entries


def read_dictionary(work):
    data = debian_file("dict-gcide", "usr/share/dictd/gcide.dict.dz",
                       "3e6b2cdcbc1b3664c2f1466e3c8e44012e815c4c67fa83fa61f39777cd6e8517", work)
    evaluated = {words_alone(gloss.definition) for gloss in glosses("noun", work)}
    entries, lines = [], []
    for line in [*gzip.decompress(data).decode("utf-8", "replace").split("\n"), "End \\"]:
        if line[:1].strip() and "\\" in line:
            if lines and (entry := read_entry(lines)):
                entry.senses = [sense for sense in entry.senses if words_alone(sense[1]) not in evaluated]
                entries.append(entry)
            lines = []
        lines.append(line)
    return entries
