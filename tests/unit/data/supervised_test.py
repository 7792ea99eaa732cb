"""Questions of the supervised mixture, made of invented texts. usage: supervised_test.py PROJECT_ROOT"""
import collections
import gzip
import re
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(sys.argv.pop(1))
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tools"))

from recipes import (collect, supervised_forms, supervised_gcide, supervised_gcide_entries,  # noqa: E402
                     supervised_sentences, supervised_sentiment, supervised_text, supervised_topics,
                     supervised_wordnet, wordnet_lines)

DICTIONARY = r"""
Brindlewort \Brin"dle*wort`\, n. [L. brindula, dim. of brinda a
   stalk. See {Brind}.] (Bot.)
   A tall herb with {spotted} leaves, once grown in kitchen
   gardens; as, the brindlewort of the fens.
   [1913 Webster]

   2. (Naut.) A rope that holds the lower sail. [Obs.] --Marlow.
      [1913 Webster]

            The brindlewort did sway beneath the silver moon and
            slept.                                --Marlow.
      [1913 Webster]

   3. a kind of borrowed meaning
      [WordNet 1.5]

   Syn: Speckleherb; dotleaf; fenstalk.
        [1913 Webster]

Grommish \Grom"mish\, a.
   Having the temper of an old mule.
   [1913 Webster]

   2. Slow to answer a plain question.
      [1913 Webster]

   Syn: Mulish; dour.
        [WordNet 1.5]

Quennel \Quen"nel\, v. t.
   A thing that the other lexicon explains in these words.
   [1913 Webster]

Zarp \zarp\ n.
   a small borrowed animal.
   [WordNet 1.5]
"""


def read_rows(out):
    return [line.split("\t") for line in (out / "rows.tsv").read_text(encoding="utf-8").splitlines()][1:]


class Recipe(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def make(self, recipe):
        """The rows; made twice, they are the same."""
        tables = []
        for name in ("first", "second"):
            (self.folder / name).mkdir(exist_ok=True)
            recipe(self.folder, self.folder / name)
            tables.append(read_rows(self.folder / name))
        self.assertEqual(*tables)
        self.assertGreater(len(tables[0]), 0)
        for key, question, answer in tables[0]:
            self.assertTrue(key and question and answer)
        return tables[0]


class Forms(unittest.TestCase):
    def test_draws_are_the_same_everywhere(self):
        draws = supervised_forms.Draws("seed")
        self.assertEqual(draws.shuffled("abcdef"), ["e", "c", "f", "d", "b", "a"])
        self.assertEqual(len(set(draws.sample(range(50), 20))), 20)
        self.assertEqual(sorted(draws.sample([3, 4], 9)), [3, 4])

    def test_balanced_rows_have_one_label_each_and_no_label_too_often(self):
        rows = [(f"good {n}", "good") for n in range(50)] + [(f"bad {n}", "bad") for n in range(8)]
        rows += [("both", "good"), ("both", "bad"), ("bad 0", "bad")]
        kept = supervised_forms.balanced(supervised_forms.Draws("x"), rows, 10)
        self.assertEqual(collections.Counter(label for _, label in kept), {"good": 10, "bad": 8})
        self.assertEqual(len({text for text, _ in kept}), len(kept))
        self.assertNotIn("both", [text for text, _ in kept])
        self.assertNotEqual(kept, sorted(kept))

    def test_options_hold_the_answer_wherever_they_stand(self):
        draws = supervised_forms.Draws("options")
        labels = [f"label{n}" for n in range(12)]
        places, sizes = collections.Counter(), collections.Counter()
        for _ in range(600):
            options = supervised_forms.some_options(draws, "label3", labels)
            text = supervised_forms.with_options(draws, ["which"], "body text", options, ["stray"])
            self.assertIn("body text", text)
            self.assertEqual(set(re.findall(r"label\d+", text)), set(options))
            self.assertEqual(len(set(options)), len(options))
            places[options.index("label3")] += 1
            sizes[len(options)] += 1
        self.assertEqual(set(sizes), set(range(2, 9)))
        self.assertGreater(min(places[0], places[1], places[2]), 60, "the answer is not always at one place")

    def test_a_question_without_options_names_none(self):
        draws = supervised_forms.Draws("plain")
        texts = [supervised_forms.ask(draws, ["which"], "body", "red", ["red", "blue"], ["stray"]) for _ in range(500)]
        without = [text for text in texts if "red" not in text]
        self.assertEqual(set(without), {"which: body"})
        self.assertAlmostEqual(len(without) / len(texts), 0.3, delta=0.06)


class Dictionary(Recipe):
    def entries(self):
        gloss = wordnet_lines.read_gloss(
            "00000001 03 n 01 quennel 0 000 | a thing that the other lexicon explains, in these words; \"so\"  \n")
        with mock.patch.object(supervised_gcide_entries, "debian_file",
                               return_value=gzip.compress(DICTIONARY.encode())), \
                mock.patch.object(supervised_gcide_entries, "glosses", return_value=[gloss]):
            return {entry.word: entry for entry in supervised_gcide_entries.read_dictionary(self.folder)}

    def test_reads_an_entry(self):
        entry = self.entries()["Brindlewort"]
        self.assertEqual((entry.part, entry.origin), ("noun", "Latin"))
        self.assertEqual(entry.senses, [("Bot.", "a tall herb with spotted leaves, once grown in kitchen gardens"),
                                        ("Naut.", "a rope that holds the lower sail")])
        self.assertEqual(entry.synonyms, ["dotleaf", "fenstalk"])  # the first has a capital
        self.assertEqual(entry.quotations,
                         [("The brindlewort did sway beneath the silver moon and slept.", "Marlow")])

    def test_leaves_out_what_is_of_wordnet(self):
        entries = self.entries()
        self.assertNotIn("Zarp", entries)
        self.assertEqual(entries["Grommish"].synonyms, [])
        self.assertEqual(len(entries["Grommish"].senses), 2)
        self.assertEqual(entries["Quennel"].senses, [], "a noun's definition word for word, under any word")

    def test_a_bracket_without_an_end_is_no_entry(self):
        self.assertIsNone(supervised_gcide_entries.read_head(r"Word \Word\, n. [L. verbum A thing said."))
        self.assertIsNone(supervised_gcide_entries.read_head("No backslashes, n. A thing."))

    def test_choosing_and_matching_words(self):
        entry = supervised_gcide_entries.Entry
        letters = "abcdefghij"
        found = [entry(f"{one}{other}quor", "noun", senses=[("", f"the {one} thing beside the {other} thing")])
                 for one in letters for other in letters]
        meaning = {entry.word: entry.senses[0][1] for entry in found}
        with mock.patch.object(supervised_gcide, "dictionary", return_value=found):
            for _, question, answer in self.make(supervised_gcide.dictionary_word):
                self.assertIn(answer, question)
                self.assertIn(meaning[answer], question)
                self.assertIn(len(set(re.findall(r"\w+quor", question))), (2, 3, 4))
            answers = collections.Counter()
            for word, question, answer in self.make(supervised_gcide.dictionary_match):
                self.assertEqual(meaning[word] in question, answer == "true", question)
                answers[answer] += 1
            self.assertLess(max(answers.values()), 0.6 * sum(answers.values()))


class WordNet(Recipe):
    def test_reads_a_line(self):
        gloss = wordnet_lines.read_gloss(
            "00000017 29 v 02 fly_high 0 soar(a) 1 002 ! 00000023 v 0201 + 00000099 n 0101 01 + 08 00 | "
            "rise up; go; \"they soar\"  \n")
        self.assertEqual(gloss.words, ["fly high", "soar"])
        self.assertEqual(gloss.pointers[0], ("!", "00000023", "v", 2, 1))
        self.assertEqual(gloss.definition, "rise up; go")

    def test_opposites_are_no_options_that_mean_the_same(self):
        def gloss(number, words, pointers=()):
            return mock.Mock(synset=f"{number:08}", words=words, pointers=list(pointers))

        adjectives = [gloss(1, ["hot", "torrid"], [("!", "00000002", "a", 1, 1)]),
                      gloss(2, ["cold", "icy"], [("!", "00000001", "a", 1, 1)]),
                      gloss(3, ["wet"], [("!", "00000004", "a", 1, 1)]), gloss(4, ["dry"]),
                      gloss(5, ["up"], [("!", "00000006", "n", 1, 1)])]
        with mock.patch.object(supervised_wordnet, "glosses", lambda part, work: adjectives if part == "adj" else []):
            self.assertEqual(supervised_wordnet.opposites(self.folder), [("cold", "hot"), ("dry", "wet")])
            rows = self.make(supervised_wordnet.antonym)
            self.assertEqual({(key, answer) for key, _, answer in rows},
                             {("cold", "hot"), ("hot", "cold"), ("dry", "wet"), ("wet", "dry")})
            for _, question, answer in rows:
                self.assertIn(answer, question)
                self.assertRegex(question, "opposite|antonym")
            kinds = collections.defaultdict(set)
            for _, question, answer in self.make(supervised_wordnet.same_or_opposite):
                kinds[answer].add(frozenset(re.findall(r"(?<=words: )(\w+), (\w+)|(\w+) and (\w+)|(\w+) (\w+)$",
                                                       question)[-1]) - {""})
            self.assertEqual(kinds, {"opposite": {frozenset(["cold", "hot"]), frozenset(["wet", "dry"])},
                                     "same": {frozenset(["cold", "icy"]), frozenset(["hot", "torrid"])}})


class Sentences(Recipe):
    def setUp(self):
        super().setUp()
        nouns, verbs = ("river", "garden", "captain", "winter"), ("crosses", "watches", "answers", "follows")
        texts = [f"The {one} of the {other} {verb} every quiet {last} before morning{end}"
                 for one in nouns for other in nouns for verb in verbs for last in nouns for end in ".?!"
                 if len({one, other, last}) == 3]
        self.sentences = [supervised_sentences.Sentence(text, source, 0, place)
                          for place, text in enumerate(dict.fromkeys(texts))
                          for source in [list(supervised_text.SOURCE_LABELS)[place % 9]]]
        for module in (supervised_text, supervised_sentiment, supervised_sentences):
            patch = mock.patch.object(module, "sentences", lambda work: self.sentences)
            patch.start()
            self.addCleanup(patch.stop)

    def test_splits_paragraphs_and_knows_neighbours(self):
        found = list(supervised_sentences.document_sentences(
            ["Mr. Brown of St. Ives walked home by the river. He said: “It will rain before the evening.”\n"
             "A NEW PARAGRAPH BEGINS HERE IN CAPITALS.", "He was seen there by K. Marlow on that day."], "austen"))
        self.assertEqual([sentence.text for sentence in found],
                         ["Mr. Brown of St. Ives walked home by the river.",
                          "He was seen there by K. Marlow on that day."])
        self.assertEqual([sentence.document for sentence in found], [0, 1])
        self.assertGreater(found[1].place, found[0].place + 1)

    def test_the_missing_word_is_an_option_and_not_in_the_sentence(self):
        for original, question, answer in self.make(supervised_text.missing_word):
            self.assertEqual(question.count("<extra_id_0>"), 1)
            self.assertIn(original, question.replace("<extra_id_0>", answer))
            self.assertIn(answer, question.replace(original.replace(answer, "<extra_id_0>", 1), ""))

    def test_the_order_of_words(self):
        answers = collections.Counter()
        for original, question, answer in self.make(supervised_text.word_order):
            self.assertEqual(original in question, answer == "right")
            answers[answer] += 1
        self.assertLess(max(answers.values()), 0.6 * sum(answers.values()))

    def test_words_are_found_where_the_question_says(self):
        for original, question, answer in self.make(supervised_text.find_word):
            words = original.rstrip(".?!").split()
            asked = question.split(":")[0]
            places = {"first word": words[0], "second word": words[1], "third word": words[2], "last word": words[-1]}
            if asked in places:
                self.assertEqual(answer, places[asked])
            elif asked == "longest word":
                self.assertEqual([word for word in words if len(word) >= len(answer)], [answer])
            else:
                self.assertEqual(words[words.index(asked.removeprefix("word after ")) + 1], answer)

    def test_a_word_is_in_the_sentence_or_not(self):
        for original, question, answer in self.make(supervised_text.contains_word):
            word = re.search(r"(?:hold the word|is|word:) (\w+)", question)[1]
            self.assertEqual(word in original.lower().rstrip(".?!").split(), answer == "yes", question)

    def test_spelling_asks_for_the_word_that_stood_there(self):
        for original, question, answer in self.make(supervised_text.spelling):
            changed = question.split(": ", 1)[1]
            (before, after), = [pair for pair in zip(original.split(), changed.split()) if pair[0] != pair[1]]
            self.assertEqual(before.rstrip(".?!"), answer)
            self.assertNotEqual(after.rstrip(".?!"), answer)

    def test_the_next_sentence_is_the_next_one(self):
        for place, sentence in enumerate(self.sentences):  # one source: neighbours are neighbours
            self.sentences[place] = supervised_sentences.Sentence(sentence.text, "austen", 0, place)
        follower = {one.text: other.text for one, other in zip(self.sentences, self.sentences[1:])}
        answers = collections.Counter()
        for original, question, answer in self.make(supervised_text.next_sentence):
            self.assertEqual(follower[original] in question, answer == "yes")
            answers[answer] += 1
        self.assertLess(max(answers.values()), 0.6 * sum(answers.values()))

    def test_sentences_of_one_side_and_without_a_negation(self):
        texts = {"The kind captain brought us great joy.": 0, "The cruel winter brought us pain and death.": 1,
                 "The kind captain brought us great pain.": None, "The kind captain brought no great joy.": None}
        self.sentences = [supervised_sentences.Sentence(text, "austen", 0, 2 * n) for n, text in enumerate(texts)]
        sides = {"kind": 0, "great": 0, "joy": 0, "cruel": 1, "pain": 1, "death": 1}
        with mock.patch.object(supervised_sentiment, "word_sides", lambda work: sides):
            rows = self.make(supervised_sentiment.sentence_sentiment)
        self.assertEqual({key: next(side for pair in supervised_sentiment.PAIRS for side in (0, 1)
                                    if pair[side] == answer) for key, _, answer in rows},
                         {text: side for text, side in texts.items() if side is not None})


class Other(Recipe):
    def test_terms_of_computing(self):
        text = "00-database\n\n   no term\n\nframzle\nFZ\n\n   <language, tool> (FZ) A {language} for small robots.  " \
               "It has\n   no loops.\n\n   More.\n\nquib\n\n   <storage> A tape of paper\n\n"
        self.assertEqual(list(supervised_topics.computing_terms(text)),
                         [("framzle", "language", "A language for small robots"),
                          ("quib", "storage", "A tape of paper")])


class Tasks(unittest.TestCase):
    def test_each_set_has_its_task_and_each_task_its_set(self):
        recipes = {name.removeprefix("supervised/") for name in collect() if name.startswith("supervised/")}
        folder = ROOT / "configs" / "pretrain" / "tasks"
        self.assertEqual(recipes, {path.stem for path in folder.glob("*.yaml")})
        table = (ROOT / "docs" / "pretraining-tasks.md").read_text(encoding="utf-8")
        for name in recipes:
            text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
            self.assertIn(f"\nname: {name}\n", text)
            self.assertIn(f"\nfetch: supervised/{name}\n", text)
            self.assertIn(f"| `{name}` |", table)

    def test_label_words_are_those_of_the_rows(self):
        labels = {"dictionary_subject": supervised_gcide.FIELDS, "quotation_author": supervised_gcide.AUTHORS,
                  "dictionary_part_of_speech": supervised_gcide.PARTS, "verb_class": supervised_wordnet.VERB_CLASSES,
                  "saying_topic": supervised_topics.SAYINGS, "computing_subject": supervised_topics.TERMS,
                  "passage_source": supervised_text.SOURCE_LABELS.values(), "speech_age": supervised_text.AGES}
        for name, words in labels.items():
            text = (ROOT / "configs" / "pretrain" / "tasks" / f"{name}.yaml").read_text(encoding="utf-8")
            listed = re.search(r"labels: \[([^\]]*)\]", text)[1]
            self.assertEqual([word.strip() for word in listed.split(",")], list(words), name)

    def test_no_label_of_the_evaluated_noun_classes(self):
        evaluated = re.findall(r"^  \w+: (\w+)", (ROOT / "configs/tasks/wordnet_supersense.yaml").read_text(), re.M)
        self.assertGreater(len(evaluated), 9)
        tasks = sorted((ROOT / "configs" / "pretrain" / "tasks").glob("*.yaml"))
        checked = 0
        for task in tasks:
            listed = re.search(r"(?m)^labels: \[([^\]]*)\]", task.read_text(encoding="utf-8"))
            words = {word.strip(" \n'\"") for word in listed[1].split(",")} if listed else set()
            self.assertEqual(words & set(evaluated), set(), task.stem)
            checked += bool(words)
        self.assertGreater(checked, 12)


if __name__ == "__main__":
    unittest.main()
