"""Subjects of short modern texts: sayings and jokes, and terms of computing."""
import gzip
import re

from .sources import debian_files
from .supervised_forms import Draws, ask, balanced, definition_body, sentence_body, stray_words, write_rows

# Label: files of the package, which are its subjects.
SAYINGS = {"art": ["art"], "computer": ["computers", "linux", "perl", "debian"], "school": ["education"],
           "food": ["food"], "child": ["kids"], "law": ["law"], "love": ["love"], "medicine": ["medicine", "drugs"],
           "news": ["news"], "politic": ["politics"], "science": ["science"], "song": ["songs-poems"],
           "sport": ["sports"], "star": ["startrek"], "work": ["work"], "wisdom": ["wisdom"]}
# Label: the dictionary's marks.
TERMS = {"language": ["language"], "network": ["networking", "protocol", "web"],
         "program": ["programming", "algorithm"], "system": ["operating system"], "company": ["company"],
         "machine": ["hardware", "processor", "computer"], "message": ["communications", "messaging", "chat"],
         "number": ["mathematics", "logic", "theory"], "memory": ["storage"], "table": ["database"],
         "character": ["character"], "people": ["person"], "picture": ["graphics"], "game": ["games"],
         "slang": ["jargon", "humour"]}


def readable(text):
    """Whether it is a text of common length and not a drawing, a table or code."""
    letters = sum(sign.isalpha() or sign == " " for sign in text)
    return 5 <= len(text.split()) <= 50 and text.isascii() and letters > 0.88 * len(text)


def saying_topic(work, out):
    draws = Draws("saying_topic")
    names = {name: label for label, found in SAYINGS.items() for name in found}
    rows = []
    for path, data in debian_files("fortunes", "1:1.99.1-7.3", "usr/share/games/fortunes/*", FORTUNES_SHA256, work):
        if (name := path.rpartition("/")[2]) in names:
            for saying in re.split(r"\n%\n", data.decode("utf-8")):
                text = " ".join(re.sub(r"\n\s+-- .*", "", saying, flags=re.S).split())
                rows += [(text, names[name])] if readable(text) else []
    stray = stray_words(text for text, _ in rows)
    questions = ["topic", "what is this about", "subject", "which topic is it"]
    made = []
    for text, label in balanced(draws, rows, 600):
        for _ in range(2):  # two wordings each: there are few
            made.append((text, ask(draws, questions, sentence_body(draws, text), label, list(SAYINGS), stray), label))
    write_rows(out, made)


def computing_terms(text):
    """(term, mark, first sentence) of the dictionary's entries."""
    for entry in re.split(r"\n\n(?=\S)", text):
        head, _, body = entry.partition("\n\n")
        found = re.match(r"<([a-z ]+)[^>]*>\s*(.+)", " ".join(body.split()))
        if found and head.strip() and len(head) < 60:
            meaning = re.sub(r"^\([^)]*\) ", "", re.sub(r"[{}]", "", found[2]))
            sentence = re.split(r"(?<=[a-z)])\.(?: |$)", meaning)[0]
            yield head.split("\n")[0].strip(), found[1], sentence


def computing_subject(work, out):
    draws = Draws("computing_subject")
    (_, data), = debian_files("dict-foldoc", "20230119-1", "usr/share/dictd/foldoc.dict.dz", FOLDOC_SHA256, work)
    labels = {mark: label for label, marks in TERMS.items() for mark in marks}
    rows = [((term, meaning), labels[mark]) for term, mark, meaning in
            computing_terms(gzip.decompress(data).decode("utf-8")) if mark in labels and readable(meaning)]
    stray = stray_words(meaning for (_, meaning), _ in rows)
    questions = ["subject", "what is this about", "field", "which part of computing is it"]
    made = []
    for (term, meaning), label in balanced(draws, rows, 500):
        for _ in range(2):
            body = definition_body(draws, term, meaning)
            made.append((term, ask(draws, questions, body, label, list(TERMS), stray), label))
    write_rows(out, made)


FORTUNES_SHA256 = "41d0551dc0ff52f875a2ecef7c39da2f672ab468c37e170119f7e0245a9d63c5"
FOLDOC_SHA256 = "745cbedb55c2da609cc88ee0284e9d11a67a11ae3709daf7bad0e895ac3294c3"
RECIPES = {
    "supervised/saying_topic": ("sayings and jokes on 16 topics (Debian's fortunes 1.99.1, 0.8 MB)",
                                "package BSD; the sayings belong to their authors: for study, not to be passed on",
                                saying_topic),
    "supervised/computing_subject": ("terms of computing on 15 subjects (Debian's dict-foldoc 20230119, 2.4 MB)",
                                     "GNU Free Documentation License 1.1", computing_subject, 2),
}
