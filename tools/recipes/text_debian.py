"""Plain text for pre-training: what Debian's packages say of themselves, hackers' jargon, sayings."""
import gzip
import re

from .prose import grouped, is_prose, paragraphs, without_repeats
from .sources import debian_descriptions, debian_files
from .tables import write_documents


def description(stanza):
    """A package's description by its paragraphs; lines that are indented further are lists or code."""
    name = re.search(r"(?m)^Package: (\S+)", stanza)
    found = re.search(r"(?ms)^Description-en: (.*?)\n((?: .*\n?)*)", stanza + "\n")
    if not name or not found:
        return []
    lines = ["" if line == " ." or line.startswith("  ") else line.strip() for line in found[2].splitlines()]
    return [p for p in paragraphs("\n".join(lines)) if is_prose(p)]


def debian_packages(work, out):
    data = debian_descriptions("bookworm", "62f59c3cdca9786e4f7adf9002f9f5729a684adcb4667e58e448dec9b5a46c7f", work)
    stanzas = sorted(data.decode("utf-8").split("\n\n"))
    write_documents(out, grouped(without_repeats(description(stanza) for stanza in stanzas)))


def jargon(work, out):
    files = debian_files("jargon-text", "4.4.7-4.1", "usr/share/doc/jargon-text/jargon.txt.gz",
                         "17d05997e30eb3d5d6713929b8e2f81b63a5f50073858ad2a06701c71f54dcdb", work)
    text = gzip.decompress(files[0][1]).decode("utf-8", "replace")
    kept = (re.sub(r"^(?:\d+\.|:[^:]+: [^.]*\.$)\s*|[{}]", "", p) for p in paragraphs(text) if is_prose(p))
    write_documents(out, grouped(without_repeats([p] for p in kept if p)))


def fortunes(work, out):
    names = ("computers cookie debian definitions disclaimer education food goedel humorists kids knghtbrd law linux "
             "linuxcookie love magic medicine miscellaneous news paradoxum people pets platitudes politics science "
             "sports startrek tao wisdom work").split()
    files = dict(debian_files("fortunes", "1:1.99.1-7.3", "usr/share/games/fortunes/*",
                              "41d0551dc0ff52f875a2ecef7c39da2f672ab468c37e170119f7e0245a9d63c5", work))
    sayings = []
    for name in names:
        text = files[f"usr/share/games/fortunes/{name}"].decode("utf-8", "replace")
        for saying in re.split(r"(?m)^%$", text):
            saying = re.sub(r"(?s)\n\s*--\s.*$", "", saying.replace("\b", ""))  # who said it
            sayings += [[p for p in paragraphs(saying) if is_prose(p)]]
    write_documents(out, grouped(without_repeats(sayings)))


RECIPES = {
    "text/debian_packages": ("descriptions of the packages of Debian 12 (apt's lists, 6 MB)",
                             "terms of the packages described", debian_packages),
    "text/jargon": ("the Jargon File 4.4.7 (Debian's jargon-text)", "public domain", jargon),
    "text/fortunes": ("sayings (Debian's fortunes 1.99.1)", "each its author's; BSD as a collection", fortunes),
}
