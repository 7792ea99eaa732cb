"""Lines of WordNet 3.0's data files."""
import dataclasses

from .sources import debian_file

SHA256 = {
    "noun": "fea17d2f9656611334eac790e5d69e47645fa180c4aa481fb4cd9b3520754ca2",
    "verb": "adcf43e35b581e8036d8b5a52d63d9cd3d3b4870b2720d3c03c799df44777bc2",
    "adj": "c89120dfc1f046ddff4a631bf9b7e9fa1a36b5e86565a23bf82dbe14f30b88a7",
    "adv": "444a63bf3955080ab7524f5079cfc07ff9bc682cb98bdb1db73b0fb9829f1139",
}


@dataclasses.dataclass
class Gloss:
    synset: str
    file_number: int  # of the lexicographer
    words: list
    pointers: list  # (symbol, synset, part of speech, number of the word here, number of the word there)
    definition: str  # without the examples
    examples: list


def read_gloss(line):
    data, _, text = line.partition(" | ")
    fields = data.split()
    count = int(fields[3], 16)
    words = [word.split("(")[0].replace("_", " ") for word in fields[4:4 + 2 * count:2]]
    at = 4 + 2 * count
    pointers = []
    for start in range(at + 1, at + 1 + 4 * int(fields[at]), 4):
        symbol, synset, part, ends = fields[start:start + 4]
        pointers.append((symbol, synset, part, int(ends[:2], 16), int(ends[2:], 16)))
    definition, *examples = text.split('; "')
    return Gloss(fields[0], int(fields[1]), words, pointers, definition.strip().rstrip(";").strip(),
                 [example.partition('"')[0].strip() for example in examples])


def glosses(part, work):
    data = debian_file("wordnet-base", f"usr/share/wordnet/data.{part}", SHA256[part], work)
    return [read_gloss(line) for line in data.decode("utf-8").splitlines() if not line.startswith("  ")]
