"""Questions about the verbs, adjectives and adverbs of WordNet 3.0. Nothing of its nouns, their classes or links."""
from .supervised_forms import (Draws, ask, balanced, definition_body, some_options, stray_words, with_options,
                               write_rows)
from .wordnet_lines import glosses

# The files of WordNet's lexicographers for verbs, 29 to 43, in plain words.
VERB_CLASSES = ("body change thought speech contest food touch making feeling motion sense society owning being "
                "weather").split()
FIRST_VERB_FILE = 29
PARTS = {"verb": "verb", "adj": "adjective", "adv": "adverb"}


def single(words):
    return [word for word in words if word.isalpha() and word.isascii() and word.islower()]


def all_glosses(work):
    return {part: glosses(part, work) for part in PARTS}


def defined_nouns(work):
    """Definitions that no row may have: backbones are evaluated on nouns, and a few adjectives share theirs."""
    return {gloss.definition for gloss in glosses("noun", work)}


def verb_class(work, out):
    draws = Draws("verb_class")
    rows = [((gloss.words[0], gloss.definition), VERB_CLASSES[gloss.file_number - FIRST_VERB_FILE])
            for gloss in glosses("verb", work)]
    stray = stray_words(definition for (_, definition), _ in rows)
    questions = ["kind of action", "what kind of verb is it", "what is it about", "verb"]
    made = []
    for (word, definition), label in balanced(draws, rows, 1200):
        body = draws.pick([definition_body(draws, word, definition), f"to {word}: {definition}"])
        made.append((word, ask(draws, questions, body, label, VERB_CLASSES, stray), label))
    write_rows(out, made)


def gloss_part_of_speech(work, out):
    draws, nouns = Draws("gloss_part_of_speech"), defined_nouns(work)
    rows = [((gloss.words[0], gloss.definition), PARTS[part])
            for part, found in all_glosses(work).items() for gloss in found]
    stray = stray_words(definition for (_, definition), _ in rows)
    questions = ["part of speech", "what part of speech is it", "kind of word", "verb, adjective or adverb"]
    made = []
    for (word, definition), label in balanced(draws, rows, 3600):
        body = definition_body(draws, word, definition)
        question = ask(draws, questions, body, label, list(PARTS.values()), stray)
        made += [(word, question, label)] if definition not in nouns else []
    write_rows(out, made)


def gloss_word(work, out):
    """Which of the words does the definition define? All options are of one part of speech."""
    draws, nouns = Draws("gloss_word"), defined_nouns(work)
    found = all_glosses(work)
    words = {part: sorted({word for gloss in found[part] for word in single(gloss.words)}) for part in PARTS}
    rows = [(part, gloss, word) for part in PARTS for gloss in found[part] for word in single(gloss.words)[:1]]
    stray = stray_words(gloss.definition for _, gloss, _ in rows)
    questions = ["which word is meant", "word", "choose the word with this meaning", "what is defined here"]
    made = []
    for part, gloss, word in draws.shuffled(rows)[:24000]:
        wrong = [other for other in draws.sample(words[part], 4) if other not in gloss.words]
        body = draws.pick(["definition: {}", "{}", "meaning: {}"]).format(gloss.definition)
        question = with_options(draws, questions, body, some_options(draws, word, wrong, 4), stray)
        made += [(word, question, word)] if gloss.definition not in nouns else []
    write_rows(out, made)


def opposites(work):
    """Pairs of words that WordNet sets against each other, each pair once."""
    pairs = set()
    for part, found in all_glosses(work).items():
        by_synset = {gloss.synset: gloss for gloss in found}
        for gloss in found:
            for symbol, synset, _, here, there in gloss.pointers:
                if symbol == "!" and synset in by_synset:
                    pair = single([gloss.words[here - 1], by_synset[synset].words[there - 1]])
                    pairs |= {tuple(sorted(pair))} if len(set(pair)) == 2 else set()
    return sorted(pairs)


def alike(work):
    """Pairs of words of one synset, each pair once."""
    pairs = set()
    for found in all_glosses(work).values():
        for gloss in found:
            words = sorted(set(single(gloss.words)))
            pairs |= {(one, other) for one in words for other in words if one < other}
    return sorted(pairs)


def antonym(work, out):
    draws = Draws("antonym")
    pairs = opposites(work)
    against, like = {}, {}
    for one, other in pairs:
        against.setdefault(one, []).append(other)
        against.setdefault(other, []).append(one)
    for one, other in alike(work):
        like.setdefault(one, []).append(other)
        like.setdefault(other, []).append(one)
    everything = sorted(against)
    questions = ["opposite", "which word means the opposite", "antonym", "choose the opposite"]
    made = []
    for word in draws.shuffled(everything):
        for answer in against[word][:2]:
            near = [other for other in like.get(word, []) if other not in against[word]][:1]
            wrong = [*near, *(other for other in draws.sample(everything, 3) if other not in (word, *against[word]))]
            body = draws.pick(["the opposite of {}", "word: {}", "{}"]).format(word)
            # A word alone is no question: only where the wording asks may the options stand bare.
            options = some_options(draws, answer, wrong, 4)
            text = with_options(draws, questions, body, options, everything)
            text = text if any(sign in text for sign in ("opposite", "antonym")) else f"opposite: {text}"
            made.append((word, text, answer))
    write_rows(out, made)


def same_or_opposite(work, out):
    """Do two words mean the same or the opposite?"""
    draws = Draws("same_or_opposite")
    against = opposites(work)
    words = {word for pair in against for word in pair}
    like = [pair for pair in alike(work) if words.intersection(pair) and pair not in set(against)]
    rows = [(pair, "opposite") for pair in against]
    rows += [(pair, "same") for pair in draws.shuffled(like)[:len(against)]]
    stray = stray_words(sorted(words))
    questions = ["same or opposite", "do the words mean the same or the opposite", "meaning"]
    made = []
    for pair, label in balanced(draws, rows, len(against)):
        one, other = draws.shuffled(pair)
        body = draws.pick(["{} and {}", "words: {}, {}", "{} {}"]).format(one, other)
        made.append((one, ask(draws, questions, body, label, ["same", "opposite"], stray), label))
    write_rows(out, made)


LICENCE = "WordNet 3.0 licence: free, with its notice"
PACKAGE = "WordNet 3.0 (wordnet-base, 6.5 MB)"
RECIPES = {f"supervised/{function.__name__}": (f"{what}: {PACKAGE}", LICENCE, function, *version)
           for what, function, *version in [
    ("verbs in 15 classes", verb_class),
    ("definitions of verbs, adjectives and adverbs with the part of speech", gloss_part_of_speech, 2),
    ("which verb, adjective or adverb has this definition", gloss_word, 2),
    ("which word means the opposite", antonym),
    ("do two words mean the same or the opposite", same_or_opposite),
]}
