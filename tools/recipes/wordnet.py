"""Tasks made from WordNet 3.0's definitions, examples and links."""
import hashlib
import re
from collections import defaultdict

from .sources import debian_file
from .tables import write_table
from .wordnet_lines import glosses

# The files of WordNet's lexicographers for nouns, numbers 03 to 28.
SUPERSENSES = ("Tops act animal artifact attribute body cognition communication event feeling food group location "
               "motive object person phenomenon plant possession process quantity relation shape state substance "
               "time").split()


def drawn(*parts):
    """A number that depends on the parts alone: an order without order, the same everywhere."""
    return hashlib.sha256("\t".join(parts).encode()).digest()


def wordnet_supersense(work, out):
    # One row a synset, shown by its first word, so that neither a synset nor a word can stand in two splits.
    write_table(out / "nouns.tsv", ["synset", "lemma", "word", "definition", "supersense"],
                ([gloss.synset, gloss.words[0].lower().replace(" ", "_"), gloss.words[0], gloss.definition,
                  SUPERSENSES[gloss.file_number - 3]] for gloss in glosses("noun", work)))


# --- word in context ---------------------------------------------------------------------------------------------

EXCEPTIONS = {
    "noun": "2b5d675c380b39ecf595af9fa9d4e7feb1d58c643b0bff08c40ed5bfe41fab7a",
    "verb": "dbbcf9a601b2d77e934e413b91d90e88ec7f933a8b77cfc00602a923b891b42c",
    "adj": "8824cc24bbedd797b9702316b27f07cd4c2b76b629539f0a1276f03926758016",
}
# Endings and what stands in their place in the dictionary, as WordNet's own look-up has them.
ENDINGS = {
    "noun": [("s", ""), ("ses", "s"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"), ("men", "man"),
             ("ies", "y")],
    "verb": [("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")],
    "adj": [("er", ""), ("est", ""), ("er", "e"), ("est", "e")],
    "adv": [],
}


def irregular(part, work):
    """Of a part of speech: {form: lemmas}."""
    if part not in EXCEPTIONS:
        return {}
    data = debian_file("wordnet-base", f"usr/share/wordnet/{part}.exc", EXCEPTIONS[part], work).decode("utf-8")
    return {line.split()[0]: set(line.split()[1:]) for line in data.splitlines()}


def lemmas(token, part, exceptions):
    found = {token} | exceptions.get(token, set())
    return found | {token[:-len(ending)] + other for ending, other in ENDINGS[part]
                    if token.endswith(ending) and len(token) > len(ending) + 1}


def uses(part, work):
    """{word: [(synset, supersense, example)]}: examples of a synset in which its word stands, in whatever form."""
    exceptions = irregular(part, work)
    found = defaultdict(list)
    for gloss in glosses(part, work):
        words = {word for word in gloss.words if re.fullmatch(r"[a-z]{2,}", word)}
        for example in gloss.examples:
            tokens = re.findall(r"[a-z]+", example.lower())
            if len(tokens) < 3:
                continue
            present = set().union(*(lemmas(token, part, exceptions) for token in tokens))
            for word in sorted(words & present):
                found[word].append((gloss.synset, gloss.file_number, example))
    return found


def word_in_context(word, part, found, most=4):
    """As many pairs of one sense as of two, at most `most` each, so that a word does not tell the answer.

    Two senses must be of two supersenses: WordNet tells finer ones apart than people agree on (as in WiC).
    """
    pairs = defaultdict(list)
    for at, (synset, kind, example) in enumerate(found):
        for other_synset, other_kind, other in found[at + 1:]:
            if example == other or (synset != other_synset and kind == other_kind):
                continue
            pair = sorted([example, other], key=lambda text: drawn(word, part, text))
            pairs[synset == other_synset].append(pair)
    count = min(most, len(pairs[True]), len(pairs[False]))
    for same in (True, False):
        for first, second in sorted(pairs[same], key=lambda pair: drawn(word, part, *pair))[:count]:
            yield [word, part, first, second, str(same)]


def connected(rows, keys):
    """Numbers for the rows; rows that share a key have the same, and whatever hangs together over several."""
    parent = {}

    def find(key):
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = key = parent[parent[key]]
        return key

    for row in rows:
        first, *others = keys(row)
        for other in others:
            parent[find(other)] = find(first)
    numbers = {}
    return [str(numbers.setdefault(find(keys(row)[0]), len(numbers))) for row in rows]


def wordnet_wic(work, out):
    rows = [row for part in ENDINGS for word, found in sorted(uses(part, work).items())
            for row in word_in_context(word, part, found)]
    groups = connected(rows, lambda row: [("word", row[0]), ("example", row[2]), ("example", row[3])])
    write_table(out / "pairs.tsv", ["group", "word", "part", "sentence1", "sentence2", "same"],
                ([group, *row] for group, row in zip(groups, rows)))


# --- kinds -------------------------------------------------------------------------------------------------------


def ancestors(synset, parents):
    found, open_ends = set(), [synset]
    while open_ends:
        for parent in parents.get(open_ends.pop(), []):
            if parent not in found:
                found.add(parent)
                open_ends.append(parent)
    return found


def wordnet_hypernym(work, out):
    """Each noun's synset once, with its hypernym or with one that another synset of its supersense has.

    The wrong ones are the right ones of half of the rows in another order: which rows those are is drawn for each row
    alone, so that neither side of a pair tells the answer.
    """
    nouns = {gloss.synset: gloss for gloss in glosses("noun", work)}
    parents = {synset: [other for symbol, other, *_ in gloss.pointers if symbol in ("@", "@i")]
               for synset, gloss in nouns.items()}
    by_kind = defaultdict(list)
    for synset, gloss in nouns.items():
        kinds = [other for symbol, other, *_ in gloss.pointers if symbol == "@"]
        if kinds:
            by_kind[gloss.file_number].append((synset, min(kinds, key=lambda kind: drawn(synset, kind))))
    rows = []
    for pairs in by_kind.values():
        pairs.sort(key=lambda pair: drawn("hypernym", pair[0]))
        half = len(pairs) // 2
        rows += [(synset, kind, "yes") for synset, kind in pairs[:half]]
        rows += [(synset, kind, "no") for synset, kind in strangers(pairs[half:], parents, nouns)]
    rows.sort()
    write_table(out / "kinds.tsv", ["synset", "lemma", "word", "definition", "kind", "answer"],
                ([synset, nouns[synset].words[0].lower(), nouns[synset].words[0], nouns[synset].definition,
                  nouns[kind].words[0], answer] for synset, kind, answer in rows))


def strangers(pairs, parents, nouns):
    """The same synsets and kinds, each with a kind that it is not of; those for which none is left are left out."""
    kinds = [kind for _, kind in pairs]
    above = [ancestors(synset, parents) | {synset} for synset, _ in pairs]
    names = [{word.lower() for kin in line for word in nouns[kin].words} for line in above]

    def fits(at, kind):
        return (kind not in above[at] and pairs[at][0] not in ancestors(kind, parents)
                and nouns[kind].words[0].lower() not in names[at])

    for at in range(len(kinds)):
        for step in range(1, len(kinds)):
            other = (at + step * 7919) % len(kinds)
            if fits(at, kinds[other]) and (other > at or fits(other, kinds[at])):
                kinds[at], kinds[other] = kinds[other], kinds[at]
                break
    return [(synset, kind) for at, ((synset, _), kind) in enumerate(zip(pairs, kinds)) if fits(at, kind)]


RECIPES = {
    "wordnet_supersense": (
        "82,115 definitions of nouns in 26 classes (WordNet 3.0, 6.5 MB)",
        "WordNet 3.0 licence: free, with its notice",
        wordnet_supersense),
    "wordnet_wic": (
        "pairs of example sentences: is a word used in one sense or two (WordNet 3.0, 6.5 MB)",
        "WordNet 3.0 licence: free, with its notice",
        wordnet_wic),
    "wordnet_hypernym": (
        "nouns with their definitions and what they may be kinds of (WordNet 3.0, 6.5 MB)",
        "WordNet 3.0 licence: free, with its notice",
        wordnet_hypernym),
}
