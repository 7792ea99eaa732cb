"""Sentences with the mean of 20 human ratings of how positive they are (Hutto and Gilbert 2014)."""
import io
import tarfile

from .sources import sdist
from .tables import write_table


def movie_sentiment(work, out):
    data = sdist("vaderSentiment", "3.3.2", "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9", work)
    with tarfile.open(fileobj=io.BytesIO(data)) as package:
        inner = package.extractfile("vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz").read()
    with tarfile.open(fileobj=io.BytesIO(inner)) as archive:
        text = archive.extractfile("hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt").read().decode("utf-8")
    # "number TAB mean rating TAB snippet", CRLF. The numbers count the snippets; each is of a review of its own.
    rows = [[part.strip() for part in line.split("\t")] for line in text.splitlines() if line.strip()]
    write_table(out / "movie_reviews.tsv", ["id", "rating", "text"], rows)


RECIPES = {
    "movie_sentiment": (
        "10,605 movie review snippets with the mean of 20 ratings (vaderSentiment 3.3.2, 2.5 MB)",
        "package MIT; the snippets belong to their authors: for study, not to be passed on",
        movie_sentiment),
}
