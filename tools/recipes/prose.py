"""Sentences out of pages and wrapped text."""
import re
from html.parser import HTMLParser

INLINE = set("a abbr acronym b bdo big cite code del dfn em font i ins kbd label mark q s samp small span strike "
             "strong sub sup tt u var wbr".split())
UNSEEN = {"head", "script", "style", "title", "template", "textarea", "select"}
# What a page has beside its sentences.
ASIDE = UNSEEN | {"pre", "table", "nav", "header", "footer", "button", "form", "svg", "math"}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}


class Blocks(HTMLParser):
    """The text of a page by its blocks: what stands between two tags that are not inline."""

    def __init__(self, skip_tags, skip_classes):
        super().__init__(convert_charrefs=True)
        self.skip_tags, self.skip_classes = skip_tags, set(skip_classes)
        self.blocks, self.parts = [], []
        self.skipped, self.depth = None, 0  # the tag that is left out, and how many of its kind are open in it

    def flush(self):
        text = " ".join("".join(self.parts).split())
        self.parts = []
        if text:
            self.blocks.append(text)

    def handle_starttag(self, tag, attributes):
        if self.skipped:
            self.depth += tag == self.skipped
            return
        classes = (dict(attributes).get("class") or "").split()
        if tag not in VOID and (tag in self.skip_tags or self.skip_classes.intersection(classes)):
            self.skipped, self.depth = tag, 1
        elif tag == "br":
            self.parts.append(" ")
        if tag not in INLINE and tag != "br":
            self.flush()

    def handle_startendtag(self, tag, attributes):
        if tag in VOID:
            self.handle_starttag(tag, attributes)
        elif tag not in INLINE and not self.skipped:
            self.flush()

    def handle_endtag(self, tag):
        if self.skipped:
            self.depth -= tag == self.skipped
            if self.depth == 0:
                self.skipped = None
        elif tag not in INLINE and tag != "br":
            self.flush()

    def handle_data(self, data):
        if not self.skipped:
            self.parts.append(data)


def html_blocks(page, skip_classes=(), skip_tags=frozenset(ASIDE)):
    parser = Blocks(skip_tags, skip_classes)
    parser.feed(page)
    parser.close()
    parser.flush()
    return parser.blocks


WORD = re.compile(r"""["'“‘(\[]*[A-Za-zÀ-ÿ]+(?:['’./-][A-Za-zÀ-ÿ]+)*[.,;:!?…)\]"'”’—–-]*""")


def is_prose(text):
    """Whether a block is sentences, and not a heading, a menu, a table or code."""
    words = text.split()
    if len(words) < 5 or not re.search(r"""[.!?:;…]["'”’)\]]*$""", text):
        return False
    plain = sum(bool(WORD.fullmatch(word)) for word in words)
    return plain >= 0.75 * len(words)


def html_prose(page, skip_classes=()):
    return [block for block in html_blocks(page, skip_classes) if is_prose(block)]


def without_repeats(documents):
    """Documents (lists of paragraphs) as texts: what stands on several pages stands in the first alone."""
    seen = set()
    for paragraphs in documents:
        fresh = [p for p in dict.fromkeys(paragraphs) if p not in seen]
        seen.update(fresh)
        if fresh:
            yield "\n".join(fresh)


def paragraphs(text):
    """Wrapped lines as paragraphs, which blank lines part."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]


def grouped(texts, size=2000):
    """Short entries put together, so that a document has at least `size` characters."""
    group, length = [], 0
    for text in texts:
        group.append(text)
        length += len(text)
        if length >= size:
            yield "\n".join(group)
            group, length = [], 0
    if group:
        yield "\n".join(group)
