"""Files of GLUE, SQuAD 1.1 and MRQA in the forms of the official archives, of rows that are made to be misread: marks
of every kind, quotes, HTML, words that look like tokens or patterns, white space inside and at the ends, empty texts,
several answers, lines with too few or too many columns. `write(folder, seed)` writes them all."""

import gzip
import json
import random

ROWS = 200  # of each split of each task
WORDS = ("the a an The it IT he his don't can’t cat Cat's dogs' U.S. e.g. $1,000.50 3.5% -1 0 1 <unk> </s> <pad> "
         "<extra_id_0> <br> <b> </b> <i>x</i> &amp; &#39; {label} {{x}} }} \\1 \\n \\ a\\tb C:\\x # ## @ @-@ ~ ^ ` `` "
         "'' \" \"\" \"quoted\" 'single' “curly” ‘x’ « » — … ... ! ? ?! (a) [b] {c} |x| a/b a_b _ * ** + = ; : , . "
         "¿qué? naïve ÜBER straße İzmir Σίσυφος ЖУК 東京 １２ ½ ﬁ e\u0301 \u200b 🙂 👩‍🚀 hypothesis: premise: question: "
         "context: entailment True False NULL None nan [TLE] [PAR] [SEP] sentence1: label").split()
# What lies between words; the last ones are white space to some programs and not to others.
GAPS = [" "] * 12 + ["", "  ", "   ", "\u00a0", "\u3000", "\u2028", "\u0085", "\x0b", "\x0c", "\x1c"]
BREAKS = ["\n", "\t", "\r\n", "\n\n"]  # only where the form of the file lets a text hold them

HEADERS = {
    "SST-2": "sentence label",
    "MRPC": "Quality #1_ID #2_ID #1_String #2_String",
    "STS-B": "index genre filename year old_index source1 source2 sentence1 sentence2 score",
    "QQP": "id qid1 qid2 question1 question2 is_duplicate",
    "MNLI": "index promptID pairID genre sentence1_binary_parse sentence2_binary_parse sentence1_parse sentence2_parse "
            "sentence1 sentence2 label1 gold_label",
    "MNLI dev": "index promptID pairID genre sentence1_binary_parse sentence2_binary_parse sentence1_parse "
                "sentence2_parse sentence1 sentence2 label1 label2 label3 label4 label5 gold_label",
    "QNLI": "index question sentence label",
    "RTE": "index sentence1 sentence2 label",
    "WNLI": "index sentence1 sentence2 label",
    "diagnostic": "index sentence1 sentence2",
    "diagnostic-full": "Lexical_Semantics Predicate-Argument_Structure Logic Knowledge Domain Premise "
                       "Hypothesis Label",
}
LABELS = {"SST-2": "01", "MRPC": "01", "QQP": "01", "WNLI": "01", "QNLI": ["entailment", "not_entailment"],
          "RTE": ["entailment", "not_entailment"], "MNLI": ["entailment", "neutral", "contradiction"]}
MRQA = {"bio_asq": "BioASQ", "drop": "DROP", "duo_rc": "DuoRC.ParaphraseRC", "race": "RACE",
        "relation_extraction": "RelationExtraction", "textbook_qa": "TextbookQA"}
NAMES = ("Bob|Ann|the old man|The cat|a vase|an owl|Jane's aunt|the trophy|Mr. Fox|Ann and Joe|the town councilors|"
         "Dr. Lee's dog|the boys'|the U.S. team").split("|")
PRONOUNS = "he she they it her his their them him".split()
PLAIN = ("put gave it saw because since though was were tall too heavy angry, said \"No!\" - so left; ran: away's "
         "don't the a The However, over 3.5 went Yes, the-end of").split()


def text(rand, most=9, breaks=False):
    """Words with gaps between them; empty now and then, with white space at the ends now and then."""
    gaps = GAPS + (BREAKS if breaks else [])
    made = rand.choice(gaps) if rand.random() < 0.15 else ""
    for number in range(rand.randint(0, most)):
        made += (rand.choice(gaps) if number else "") + rand.choice(WORDS)
    return made + (rand.choice(gaps) if rand.random() < 0.15 else "")


def sentence(rand, least, most):
    return [rand.choice(PLAIN) for _ in range(rand.randint(least, most))]


def schema(rand):
    """A premise with a pronoun, and a hypothesis that has a name in its place, with less around it."""
    before, after = sentence(rand, 2, 8), sentence(rand, 2, 8)
    if rand.random() < 0.3:  # another pronoun, elsewhere
        before.insert(rand.randint(0, len(before)), rand.choice(PRONOUNS))
    pronoun, name = rand.choice(PRONOUNS), rand.choice(NAMES)
    kept, end = before[rand.randint(0, len(before)):], rand.choice([".", "!", "?", ""])
    pronoun += rand.choice(["", "", "", ",", "."])
    hypothesis = kept + [name if kept else name[0].upper() + name[1:]] + after[:rand.randint(1, len(after))]
    first = rand.choice([str.capitalize, str])
    return first(" ".join([*before, pronoun, *after])) + end, " ".join(hypothesis) + rand.choice([".", "", "!"])


def columns(rand, archive, header, number):
    """The values of a row by the header's names."""
    row = {}
    pair = schema(rand) if archive == "WNLI" else None
    for name in header:
        if name in ("label", "gold_label", "is_duplicate", "Quality", "Label"):
            row[name] = rand.choice(LABELS["MNLI" if archive.startswith("diagnostic") else archive])
        elif name == "score":
            row[name] = rand.choice([f"{rand.uniform(0, 5):.{rand.randint(0, 4)}f}", rand.choice("012345"), "0.000",
                                     "5", f"{rand.randint(0, 49) / 10 + 0.1:.3f}", " 2.5"])
        elif name.startswith(("index", "#1_ID", "id")):
            row[name] = str(number)
        elif pair and name.startswith("sentence"):
            row[name] = pair[name == "sentence2"]
        else:
            row[name] = text(rand)
    return row


def table(rand, archive, header, rows, end="\n", ragged=True):
    """A TSV with its header, some of its lines too short, some too long, some empty."""
    header = header.split()
    lines = ["\t".join(header).replace("_", " ") if "#1_ID" in header or "Logic" in header else "\t".join(header)]
    for number, row in enumerate(rows):
        values = [row[name] for name in header]
        if ragged and rand.random() < 0.04:
            # Of STS-B the score is not all that lacks: TensorFlow Datasets keeps such a row, with NaN.
            values = values[:rand.randint(1, len(values) - (2 if archive == "STS-B" else 1))]
        elif ragged and rand.random() < 0.04:
            values += ["surplus"] * rand.randint(1, 3)
        lines.append("\t".join(values))
        if ragged and rand.random() < 0.02:
            lines.append("")
    return end.join(lines) + (end if rand.random() < 0.5 else "")


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(content.encode("utf-8"), mtime=0))
    else:
        path.write_bytes(content.encode("utf-8"))


def write_glue(folder, rand):
    for archive, splits in {"SST-2": ("train", "dev"), "STS-B": ("train", "dev"), "QQP": ("train", "dev"),
                            "MNLI": ("train", "dev_matched", "dev_mismatched"), "QNLI": ("train", "dev"),
                            "RTE": ("train", "dev"), "WNLI": ("train", "dev"), "MRPC": ("train", "dev")}.items():
        for place, split in enumerate(splits):
            header = HEADERS.get(f"{archive} {split[:3]}", HEADERS[archive])
            rows = [columns(rand, archive, header.split(), place * 10 * ROWS + i) for i in range(ROWS)]
            # MRPC's text is Microsoft's: it begins with a byte order mark and has other line ends.
            microsoft = archive == "MRPC"
            content = table(rand, archive, header, rows, "\r\n" if microsoft else "\n", ragged=not microsoft)
            put(folder / archive / f"{split}.tsv", ("\ufeff" if microsoft else "") + content)
    for split in ("train", "dev"):  # no header; the third column marks what its source calls wrong
        put(folder / "CoLA" / f"{split}.tsv", "".join(
            "\t".join(["gj04", rand.choice("01"), rand.choice(["", "*"]), text(rand)]) + "\n" for _ in range(ROWS)))
    full = [columns(rand, "diagnostic-full", HEADERS["diagnostic-full"].split(), i) for i in range(ROWS)]
    put(folder / "MNLI" / "diagnostic-full.tsv", table(rand, "", HEADERS["diagnostic-full"], full, ragged=False))
    # The same rows as they stand in the file without labels.
    bare = [{"index": str(number), "sentence1": row["Premise"], "sentence2": row["Hypothesis"]}
            for number, row in enumerate(full)]
    put(folder / "MNLI" / "diagnostic.tsv", table(rand, "", HEADERS["diagnostic"], bare, ragged=False))


def answers(rand, most):
    given = [text(rand, 4, breaks=True) for _ in range(rand.randint(1, most))]
    return given + rand.choices(given, k=rand.randint(0, 2) if most > 1 else 0)  # annotators agree


def write_squad(folder, rand):
    for split, most in (("train", 1), ("dev", 4)):
        count, articles = 0, []
        while count < ROWS:
            paragraphs = []
            for _ in range(rand.randint(1, 3)):
                questions = []
                for _ in range(rand.randint(0, 5)):
                    texts = [{"answer_start": rand.randint(0, 50), "text": one} for one in answers(rand, most)]
                    questions.append({"id": f"{split}{count}", "question": text(rand, breaks=True), "answers": texts})
                    count += 1
                paragraphs.append({"context": text(rand, 40, breaks=True), "qas": questions})
            articles.append({"title": text(rand), "paragraphs": paragraphs})
        put(folder / f"{split}-v1.1.json", json.dumps({"data": articles, "version": "1.1"},
                                                      ensure_ascii=rand.random() < 0.5))


def write_mrqa(folder, rand):
    for name in MRQA.values():
        lines = [{"header": {"dataset": name.split(".")[0], "split": "dev"}}]
        for number in range(ROWS // 2):
            questions = []
            for place in range(rand.randint(1, 3)):
                given = answers(rand, 4)
                found = [{"text": one, "char_spans": [[0, 1]], "token_spans": [[0, 0]]} for one in sorted(set(given))]
                questions.append({"qid": f"{number}-{place}", "question": text(rand, breaks=True), "answers": given,
                                  "question_tokens": [["x", 0]], "detected_answers": found})
            lines.append({"id": rand.choice(["", str(number)]), "context": text(rand, 40, breaks=True),
                          "context_tokens": [["x", 0]], "qas": questions})
        put(folder / f"{name}.jsonl.gz", "".join(json.dumps(line) + "\n" for line in lines))


def write(folder, seed=0):
    rand = random.Random(seed)
    write_glue(folder / "glue", rand)
    write_squad(folder / "squad", rand)
    write_mrqa(folder / "mrqa", rand)
