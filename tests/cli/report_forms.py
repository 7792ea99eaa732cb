"""What `peft-bench report` writes for a browser and for TeX, of records whose names are markup: read by other programs.

    report_forms.py html|latex SOURCE PROGRAM

html: Python's parser finds only the elements and attributes that the page is made of, all of them closed, the names
as text, and no scripts but those whose hashes the page's policy has. latex: pdfLaTeX compiles a document with the tables; exit 77 where it or booktabs is absent.
"""
import base64
import hashlib
import html.parser
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

form, source, program = sys.argv[1], *(pathlib.Path(a).resolve() for a in sys.argv[2:4])
NAMES = ["<script>alert(1)</script>", "\" onmouseover='x' y=\"", "&lt;b&gt; &amp;", "[2pt] 50% _a^b ~c $d$ #1 {e} |f|",
         "\\end{table} \\input{/etc/passwd} \\\\", "*starred -- `quoted' ''", "<!-- é ± – -->", "=1+1",
         "]]>\n\n\\par \x1b[31m", "'>\"><style>*{}</style>"]
TASKS = ["films & <i>tweets</i>", "[50%_of] \\tasks{"]


def write_records(folder):
    like = json.loads((source / "tests/hostile/corpus/record/lora.json").read_text(encoding="utf-8"))
    number = 0
    for n, name in enumerate(NAMES):
        for task in TASKS if n else TASKS[:1]:  # the first method lacks a task: it is named in a note
            number += 1
            record = dict(like, id=f"run-{number}", tasks=[], warnings=[f"a warning of {name}"],
                          config={"seed": 1, "method": {"name": name}})
            record["method"] = dict(like["method"], name=name)
            record["task"] = dict(like["task"], name=task)
            record["metrics"] = [dict(like["metrics"][0], value=0.5 + n / 100)]
            if n == 2:
                record.update(status="failed", message=f"cannot read {name}", metrics=[])
            (folder / record["id"]).mkdir(parents=True)
            (folder / record["id"] / "record.json").write_text(json.dumps(record), encoding="utf-8")
    for record in sorted(folder.glob("run-*/record.json"))[:2]:  # with metrics and costs of other columns
        fields = json.loads(record.read_text(encoding="utf-8"))
        fields["metrics"].append(dict(fields["metrics"][0], name="macro_f1"))
        fields["forgetting"] = {"task": "", "text": NAMES[4], "text_hash": "", "examples": 0, "max_tokens": 256,
                                "pieces": 1, "tokens": 10, "loss_frozen": 3.0, "loss_with_method": 3.5}
        record.write_text(json.dumps(fields), encoding="utf-8")
    (folder / "damaged <b>").mkdir()
    (folder / "damaged <b>" / "record.json").write_text("{", encoding="utf-8")


def write_published(file):
    """As JSON, which is YAML."""
    scores = [{"method": name, "task": TASKS[0], "metric": "accuracy", "score": 0.9, "backbone": "T5 & <XXL>",
               "citation": f"a paper of {name}"} for name in NAMES if "\x1b" not in name]
    file.write_text(json.dumps({"scores": scores}), encoding="utf-8")


def as_shown(text):
    """Control characters are written out in every form."""
    return "".join(c if ord(c) >= 32 else "\\n" if c == "\n" else f"\\x{ord(c):02x}" for c in text)


class Page(html.parser.HTMLParser):
    VOID = {"meta"}
    ALLOWED = {"html": {"lang"}, "head": set(), "meta": {"charset", "http-equiv", "content", "name"}, "title": set(),
               "style": set(), "body": set(), "h1": set(), "h2": set(), "section": {"id"}, "table": set(), "caption": set(),
               "div": {"class", "tabindex", "role", "aria-label", "data-group"}, "thead": set(), "tbody": set(),
               "tr": set(), "th": {"scope", "class"}, "td": {"class"}, "strong": set(), "sup": set(), "p": {"class"},
               "ul": set(), "li": set(), "header": set(), "nav": {"aria-label"}, "main": set(), "footer": set(),
               "a": {"href"}, "code": set(), "pre": set(), "details": set(), "summary": set(), "noscript": set(),
               "script": {"type", "id"}, "svg": {"xmlns", "class", "role", "viewbox", "width", "height"}, "desc": set(),
               "path": {"class", "d", "stroke-width", "stroke-linecap"},
               "text": {"x", "y", "class", "text-anchor", "transform"}}
    VALUES = {"class": r"scroll|notes|text|soft|tools|plots|pb|[a-z0-9 ]*\b(c\d|d\dt?|front|dashed|grid|axis|title|small)( again)?",
              "scope": "row|col", "role": "region|img", "tabindex": "0", "lang": "en", "data-group": r"\d+",
              "href": r"#\w+", "type": "application/json", "id": r"[a-z]+", "d": r"[MLHVhvz\d. -]*",
              "transform": r"translate\([\d. ]+\) rotate\(-90\)", "xmlns": r"http://www\.w3\.org/2000/svg"}

    def __init__(self):
        super().__init__()
        self.open, self.faults, self.texts, self.seen, self.labels = [], [], [], {}, []

    def handle_starttag(self, tag, attributes):
        self.seen[tag] = self.seen.get(tag, 0) + 1
        if tag == "td":
            self.end_cell()
        if tag not in self.ALLOWED:
            self.faults.append(f"<{tag}>")
        for key, value in attributes:
            if key not in self.ALLOWED.get(tag, ()) or not re.fullmatch(self.VALUES.get(key, ".*"), value or "", re.DOTALL):
                self.faults.append(f"<{tag} {key}={value!r}>")
            if key == "aria-label":
                self.labels.append(value)
        if tag not in self.VOID:
            self.open.append(tag)
            self.texts.append("")

    def end_cell(self):
        """The end of a <td> may be left out."""
        if self.open and self.open[-1] == "td":
            self.open.pop()

    def handle_endtag(self, tag):
        if tag == "tr":
            self.end_cell()
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")

    def handle_data(self, data):
        if self.texts:
            self.texts[-1] += data

    def handle_comment(self, data):
        self.faults.append(f"comment {data!r}")

    def unknown_decl(self, data):
        self.faults.append(f"declaration {data!r}")


def check_html(text):
    page = Page()
    page.feed(text)
    markup = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    policy = re.search(r"script-src ([^;\"]*)", text).group(1).split()
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts]
    if policy != hashes:
        page.faults.append(f"the policy allows {policy}, the scripts are {hashes}")
    json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL).group(1))
    page.close()
    faults = page.faults + [f"<{tag}> is not closed" for tag in page.open]
    for name in NAMES[1:]:
        if as_shown(name) not in page.texts:
            faults.append(f"{name!r} is not the text of an element")
    for words in ("a warning of ", "no run on ", "a paper of ", "rise of the loss"):
        if not any(words in t for t in page.texts):
            faults.append(f"no note has {words!r}")
    if not any(as_shown(TASKS[0]) in label for label in page.labels):
        faults.append("no table is labelled with its task")
    for tag, least in (("table", 3), ("caption", 3), ("strong", 4), ("title", 1), ("h2", 1)):
        if page.seen.get(tag, 0) < least:
            faults.append(f"{page.seen.get(tag, 0)} <{tag}> where at least {least} are expected")
    if "default-src 'none'; style-src 'unsafe-inline'" not in text or re.search(r"url\(|@import|src=", markup):
        faults.append("the page may load something")
    return faults


def check_latex(text, folder):
    def has(file):
        return subprocess.run(["kpsewhich", file], capture_output=True).returncode == 0

    if not (shutil.which("pdflatex") and shutil.which("kpsewhich") and has("booktabs.sty")):
        print("skipped: pdflatex or its package booktabs is not here")
        sys.exit(77)
    # Without lmodern, a sign such as the plus-minus may have no font that can be put into a PDF: then none is written.
    fonts, options = ("\\usepackage{lmodern}\n", []) if has("lmodern.sty") else ("", ["-draftmode"])
    (folder / "tables.tex").write_text(text, encoding="utf-8")
    (folder / "paper.tex").write_text("\\documentclass[a4paper]{article}\n\\usepackage{booktabs}\n" + fonts +
                                      "\\begin{document}\n\\listoftables\n\\input{tables}\n\\end{document}\n",
                                      encoding="utf-8")
    for _ in range(2):  # captions are read again from the list of tables
        made = subprocess.run(["pdflatex", *options, "-no-shell-escape", "-halt-on-error", "-interaction=nonstopmode",
                               "paper.tex"], cwd=folder, capture_output=True, text=True, errors="replace")
        if made.returncode:
            return ["pdflatex fails:\n" + made.stdout[-2000:]]
    log = (folder / "paper.log").read_text(encoding="utf-8", errors="replace")
    # So long names do not fit their columns; a sign or a label that is lost is a fault.
    return [line for line in log.splitlines() if "Missing character" in line or "multiply defined" in line]


with tempfile.TemporaryDirectory() as work:
    folder = pathlib.Path(work)
    write_records(folder / "runs")
    write_published(folder / "published.yaml")
    result = subprocess.run([program, "report", folder / "runs", "--format", form, "--columns", "+metrics,+energy,+flops",
                             "--published", folder / "published.yaml"], capture_output=True,
                            env=dict(os.environ, PEFTBENCH_HOME=str(source)))
    if result.returncode:
        print(f"exit {result.returncode}: {result.stderr.decode(errors='replace')}")
        sys.exit(1)
    output = result.stdout.decode("utf-8")
    found = check_html(output) if form == "html" else check_latex(output, folder)
print("\n".join(found) or f"{len(output)} bytes of {form} are well-formed")
sys.exit(1 if found else 0)
