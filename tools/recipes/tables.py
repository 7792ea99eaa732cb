"""The files that recipes write."""
import json


def write_table(path, names, rows):
    """Tab-separated, with a header, no quotes: a value holds neither tabs nor line breaks."""
    with open(path, "w", encoding="utf-8", newline="\n") as out:
        for row in [names, *rows]:
            assert not any(c in value for value in row for c in "\t\r\n"), row
            out.write("\t".join(row) + "\n")


def write_jsonl(path, rows):
    with open(path, "w", encoding="utf-8", newline="\n") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_documents(folder, texts):
    """Plain text for pre-training: a document a line."""
    write_jsonl(folder / "documents.jsonl", ({"text": text} for text in texts))
