"""Tasks made from WordNet 3.0's definitions, examples and links."""
from .sources import debian_file
from .tables import write_table

# The files of WordNet's lexicographers for nouns, numbers 03 to 28.
SUPERSENSES = ("Tops act animal artifact attribute body cognition communication event feeling food group location "
               "motive object person phenomenon plant possession process quantity relation shape state substance "
               "time").split()


def wordnet_supersense(work, out):
    data = debian_file("wordnet-base", "usr/share/wordnet/data.noun",
                       "fea17d2f9656611334eac790e5d69e47645fa180c4aa481fb4cd9b3520754ca2", work)
    rows = []
    for line in data.decode("utf-8").splitlines():
        if line.startswith("  "):  # the licence
            continue
        fields, _, gloss = line.partition(" | ")
        synset, file_number, _, _, word = fields.split()[:5]
        definition = gloss.split('; "')[0].strip().rstrip(";").strip()  # without the examples that follow
        # One row a synset, shown by its first word, so that neither a synset nor a word can stand in two splits.
        rows.append([synset, word.lower(), word.replace("_", " "), definition, SUPERSENSES[int(file_number) - 3]])
    write_table(out / "nouns.tsv", ["synset", "lemma", "word", "definition", "supersense"], rows)


RECIPES = {
    "wordnet_supersense": (
        "82,115 definitions of nouns in 26 classes (WordNet 3.0, 6.5 MB)",
        "WordNet 3.0 licence: free, with its notice",
        wordnet_supersense),
}
