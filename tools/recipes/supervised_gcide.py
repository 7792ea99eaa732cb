"""Questions about the words of the Collaborative International Dictionary of English."""
from .supervised_forms import (Draws, ask, balanced, definition_body, some_options, stray_words, with_options,
                               write_rows)
from .supervised_gcide_entries import dictionary

# Label: the dictionary's marks of the field that a sense belongs to.
FIELDS = {
    "zoology": ["Zool.", 'Zo["o]l.', "Zool", "Ornith.", "Ichth.", "Entom."],
    "botany": ["Bot.", "Bot", "Botany"],
    "chemistry": ["Chem.", "Physiol. Chem.", "Org. Chem.", "Chem"],
    "medicine": ["Med.", "Surg.", "Med", "Medicine", "Pathol.", "Pharm."],
    "anatomy": ["Anat.", "Physiol.", "Anat"],
    "law": ["Law", "O. Eng. Law", "Scots Law", "Eng. Law", "Law.", "Civil Law", "Rom. Law", "Old Eng. Law"],
    "sea": ["Naut.", "Shipbuilding", "Naut"],
    "music": ["Mus.", "Music", "Mus"],
    "mineral": ["Min.", "Mining", "Metal.", "Crystallog.", "Min"],
    "building": ["Arch.", "Carp.", "Masonry", "Arch", "Architecture"],
    "war": ["Mil.", "Fort.", "Mil", "Ordnance", "Gun."],
    "church": ["Eccl.", "Eccl. Hist.", "R. C. Ch.", "Theol.", "Ch. of Eng."],
    "earth": ["Geol.", "Paleon.", "Phys. Geog."],
    "physics": ["Physics", "Opt.", "Elec.", "Mech.", "Physics."],
    "mathematics": ["Math.", "Geom.", "Arith.", "Alg.", "Trig."],
    "arms": ["Her."],
    "star": ["Astron.", "Astrol."],
    "grammar": ["Gram.", "Rhet.", "Phon.", "Pros.", "Gr. Gram."],
    "machine": ["Mach.", "Steam Engine", "Steam Eng."],
    "print": ["Print.", "Photog.", "Engraving", "Bookbinding"],
}
# Label: how the dictionary shortens the authors' names.
AUTHORS = {
    "Shakespeare": ["Shak"],
    "Milton": ["Milton"],
    "Dryden": ["Dryden"],
    "Pope": ["Pope"],
    "Spenser": ["Spenser"],
    "Chaucer": ["Chaucer"],
    "Macaulay": ["Macaulay"],
    "Addison": ["Addison"],
    "Bacon": ["Bacon"],
    "Scott": ["Sir W. Scott"],
    "Bible": ["Gen", "Matt", "Acts", "Ps", "Ps.", "Luke", "Ex", "Ex.", "Prov", "Deut", "John", "Job", "Isa", "Mark",
              "Jer"],
}
PARTS = ["noun", "verb", "adjective", "adverb"]


def label_of(groups):
    return {mark: label for label, marks in groups.items() for mark in marks}


def senses(work):
    """(word, part of speech, mark, definition) of all entries; a definition that stands twice stands once."""
    seen = {}
    for entry in dictionary(work):
        word = entry.word.lower()
        if word.isascii() and entry.word.replace("-", "").replace(" ", "").isalpha():
            for mark, definition in entry.senses:
                seen.setdefault((word, definition), (word, entry.part, mark, definition))
    return list(seen.values())


def classify(name, rows, questions, labels, most, out):
    """rows: ((word, definition), label)."""
    draws = Draws(name)
    stray = stray_words(definition for (_, definition), _ in rows)
    made = []
    for (word, definition), label in balanced(draws, rows, most):
        body = definition_body(draws, word, definition)
        made.append((word, ask(draws, questions, body, label, labels, stray), label))
    write_rows(out, made)


def dictionary_subject(work, out):
    labels = label_of(FIELDS)
    rows = [((word, definition), labels[mark]) for word, _, mark, definition in senses(work) if mark in labels]
    classify("dictionary_subject", rows, ["subject", "which subject is this from", "field", "what is this about"],
             list(FIELDS), 1200, out)


def dictionary_part_of_speech(work, out):
    rows = [((word, definition), part) for word, part, _, definition in senses(work) if part]
    questions = ["part of speech", "what part of speech is it", "kind of word",
                 "is this word a noun, a verb, an adjective or an adverb"]
    classify("dictionary_part_of_speech", rows, questions, PARTS, 3500, out)


def word_origin(work, out):
    names = {"Latin", "Greek", "French", "English", "Italian", "Spanish", "Dutch", "German", "Norse", "Arabic"}
    rows = [((entry.word.lower(), entry.senses[0][1]), entry.origin) for entry in dictionary(work)
            if entry.origin in names and entry.senses and entry.word.isascii()]
    draws = Draws("word_origin")
    stray = stray_words(definition for (_, definition), _ in rows)
    questions = ["origin", "which language does the word come from", "language"]
    made = []
    for (word, definition), label in balanced(draws, rows, 3000):
        body = draws.pick(["word: {}", "{}", "word: {} definition: {}"]).format(word, definition)
        made.append((word, ask(draws, questions, body, label, sorted(names), stray), label))
    write_rows(out, made)


def dictionary_word(work, out):
    """Which of the words does the definition define? All options are of one part of speech."""
    draws = Draws("dictionary_word")
    rows = [row for row in draws.shuffled(senses(work)) if row[1] and not stem_in(row[0], row[3])]
    by_part = {part: [row[0] for row in rows if row[1] == part] for part in PARTS}
    stray = stray_words(row[3] for row in rows)
    questions = ["which word is meant", "word", "choose the word with this meaning", "what is defined here"]
    made = []
    for word, part, _, definition in rows[:30000]:
        options = some_options(draws, word, draws.sample(by_part[part], 5), 4)
        body = draws.pick(["definition: {}", "{}", "meaning: {}"]).format(definition)
        made.append((word, with_options(draws, questions, body, options, stray), word))
    write_rows(out, made)


def stem_in(word, text):
    return word[:max(4, len(word) - 3)] in text.lower()


def dictionary_match(work, out):
    """Is this what the word means? Half of the rows have the definition of another word of the same kind."""
    draws = Draws("dictionary_match")
    rows = [row for row in draws.shuffled(senses(work)) if row[1]][:24000]
    by_part = {part: [row for row in rows if row[1] == part] for part in PARTS}
    stray = stray_words(row[3] for row in rows)
    questions = ["is this what the word means", "true or false", "is the definition right"]
    made = []
    for at, (word, part, _, definition) in enumerate(rows):
        answer = ["true", "false"][at % 2]
        other = draws.pick(by_part[part])
        if answer == "false":
            definition = other[3]
        if answer == "true" or other[0] != word:
            body = f"word: {word} definition: {definition}"
            made.append((word, ask(draws, questions, body, answer, ["true", "false"], stray), answer))
    write_rows(out, made)


def synonym_groups(work):
    groups = {}
    for entry in dictionary(work):
        if entry.synonyms and entry.word.isascii() and entry.word.isalpha():
            groups.setdefault(entry.word.lower(), []).extend(entry.synonyms)
    return {word: sorted(set(found) - {word}) for word, found in groups.items() if set(found) - {word}}


def dictionary_synonym(work, out):
    """Which of the words means nearly the same? The others are synonyms of other words."""
    draws = Draws("dictionary_synonym")
    groups = synonym_groups(work)
    everything = sorted({word for found in groups.values() for word in found})
    stray = stray_words(definition for *_, definition in senses(work))
    questions = ["which word means the same", "synonym", "choose the word that is nearest in meaning"]
    made = []
    for word, found in draws.shuffled(groups.items()):
        for answer in draws.sample(found, 5):
            wrong = [other for other in draws.sample(everything, 5) if other not in found and other != word]
            options = some_options(draws, answer, wrong, 4)
            body = draws.pick(["word: {}", "{}"]).format(word)
            made.append((word, with_options(draws, questions, body, options, stray), answer))
    write_rows(out, made)


def odd_word_out(work, out):
    """Three words of one meaning and one of another."""
    draws = Draws("odd_word_out")
    groups = {word: found for word, found in synonym_groups(work).items() if len(found) >= 2}
    everything = sorted({word for found in groups.values() for word in found})
    questions = ["which word is not like the others", "odd one out", "which word has another meaning"]
    made = []
    for word, found in draws.shuffled(groups.items()):
        for _ in range(min(6, len(found))):
            answer = draws.pick(everything)
            if answer not in found and answer != word:
                like = draws.sample([word, *found], 3)
                made.append((word, f"{draws.pick(questions)}: {', '.join(draws.shuffled([*like, answer]))}", answer))
    write_rows(out, list(dict.fromkeys(made)))


def quotation_author(work, out):
    labels = label_of(AUTHORS)
    rows = [((text, ""), labels[author]) for entry in dictionary(work) for text, author in entry.quotations
            if author in labels]
    draws = Draws("quotation_author")
    stray = stray_words(text for (text, _), _ in rows)
    questions = ["author", "who wrote this", "which author is this"]
    made = []
    for (text, _), label in balanced(draws, rows, 1500):
        body = draws.pick(["text: {}", "sentence: {}", "{}"]).format(text)
        made.append((text, ask(draws, questions, body, label, list(AUTHORS), stray), label))
    write_rows(out, made)


LICENCE = "GPL-2 or later: for training weights, not to be passed on with a program under other terms"
PACKAGE = "the GNU Collaborative International Dictionary of English, without WordNet's part (dict-gcide, 15 MB)"
RECIPES = {f"supervised/{function.__name__}": (f"{what}: {PACKAGE}", LICENCE, function) for what, function in [
    ("definitions with one of 20 subjects", dictionary_subject),
    ("definitions with the part of speech", dictionary_part_of_speech),
    ("words with the language they come from", word_origin),
    ("which word has this definition", dictionary_word),
    ("has the word this definition", dictionary_match),
    ("which word means the same", dictionary_synonym),
    ("which word means something else", odd_word_out),
    ("quotations with their author", quotation_author),
]}
