"""Sentences of four kinds of text with the mean of 20 human ratings (Hutto and Gilbert 2014); food reviews."""
import html
import io
import re
import tarfile

from .prose import html_blocks
from .rdata import load
from .sources import debian_files, sdist
from .tables import write_table


def rated(work, name):
    """The rows "id TAB mean rating TAB text" of one kind."""
    data = sdist("vaderSentiment", "3.3.2", "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9", work)
    with tarfile.open(fileobj=io.BytesIO(data)) as package:
        inner = package.extractfile("vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz").read()
    with tarfile.open(fileobj=io.BytesIO(inner)) as archive:
        text = archive.extractfile(f"hutto_ICWSM_2014/{name}_GroundTruth.txt").read().decode("utf-8")
    return [[part.strip() for part in line.split("\t")] for line in text.splitlines() if line.strip()]


def movie_sentiment(work, out):
    # The ids count the snippets; each is of a review of its own.
    write_table(out / "movie_reviews.tsv", ["id", "rating", "text"], rated(work, "movieReviewSnippets"))


def with_documents(rows):
    """`258_3` is the third sentence of document 258; a plain number is a text of its own."""
    for number, rating, text in rows:
        yield [number, number.partition("_")[0], rating, " ".join(html.unescape(text).split())]


def sentiment(source, file):
    def prepare(work, out):
        write_table(out / file, ["id", "document", "rating", "text"], with_documents(rated(work, source)))
    return prepare


def plain_review(text):
    return " ".join(html_blocks(text))


def food_reviews(work, out):
    files = debian_files("r-cran-modeldata", "1.1.0-1", "usr/lib/R/site-library/modeldata/data/Rdata.*",
                         "66c2e08bb4bf695d972b1e72ea44d5af9ada3c42841793d3871017f7b896bf95", work)
    database, index = (next(data for name, data in files if name.endswith(ending)) for ending in (".rdb", ".rdx"))
    for split, name in (("train", "training_data"), ("test", "testing_data")):
        frame = load(index, database, name).named()
        columns = [frame[column].words() for column in ("product", "score", "review")]
        write_table(out / f"{split}.tsv", ["product", "score", "review"],
                    ([product, score, plain_review(re.sub(r"[\t\r\n]+", " ", review))]
                     for product, score, review in zip(*columns)))


STUDY = "package MIT; the texts belong to their authors: for study, not to be passed on"
RECIPES = {
    "movie_sentiment": (
        "10,605 movie review snippets with the mean of 20 ratings (vaderSentiment 3.3.2, 2.5 MB)", STUDY,
        movie_sentiment),
    "tweet_sentiment": (
        "4,200 tweets with the mean of 20 ratings (vaderSentiment 3.3.2, 2.5 MB)", STUDY,
        sentiment("tweets", "tweets.tsv")),
    "product_sentiment": (
        "3,708 sentences of 300 Amazon reviews with the mean of 20 ratings (vaderSentiment 3.3.2, 2.5 MB)", STUDY,
        sentiment("amazonReviewSnippets", "product_reviews.tsv")),
    "editorial_sentiment": (
        "5,190 sentences of 500 New York Times editorials with the mean of 20 ratings (vaderSentiment 3.3.2, 2.5 MB)",
        STUDY, sentiment("nytEditorialSnippets", "editorials.tsv")),
    "food_reviews": (
        "5,000 reviews of food, great or other (Debian's r-cran-modeldata 1.1.0, 4 MB)", STUDY, food_reviews),
}
