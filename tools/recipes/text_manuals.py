"""Plain text for pre-training: modern English of essays and manuals, pages of HTML of which only prose is kept."""
import re

from .prose import html_prose, without_repeats
from .sources import debian_files
from .tables import write_documents


def pages(package, version, sha256, pattern, skip_classes=(), leave_out=r"(?!)"):
    """A recipe: each page of the package is a document of its paragraphs."""
    def prepare(work, out):
        files = debian_files(package, version, pattern, sha256, work)
        wanted = (data.decode("utf-8", "replace") for name, data in files if not re.search(leave_out, name))
        write_documents(out, without_repeats(html_prose(page, skip_classes) for page in wanted))
    return prepare


RECIPES = {
    "text/anarchism": (
        "essays of An Anarchist FAQ (Debian's anarchism 15.3, 7 MB)", "GPL-2 or later, or GFDL",
        pages("anarchism", "15.3-3", "cf21c10948b00e923c62eb31c39a3390413fa26c5ee0e3b925feb0ec7fe42948",
              "usr/share/doc/anarchism/html/*.html",
              leave_out=r"links|biblio|contact|index|translations|pdf|new\.html")),
    "text/debian_handbook": (
        "The Debian Administrator's Handbook (Debian's debian-handbook 11.20220922, 35 MB)",
        "CC-BY-SA-3.0, or GPL-2 or later",
        pages("debian-handbook", "11.20220922", "3d5dbeac1f1afc9c094eab9d0f701f6ecff99c4927d5a4794cf6c85678134faa",
              "usr/share/doc/debian-handbook/html/en-US/*.html", ["docnav"])),
    "text/python_doc": (
        "Python 3.11's documentation (Debian's python3.11-doc, 13 MB)", "PSF licence",
        pages("python3.11-doc", "3.11.2-6+deb12u9", "5b3594189d6ef9a6963ce0347fd307a1cc67620ad697e144db366070e2e146be",
              "usr/share/doc/python3.11/html/**/*.html",
              ["related", "sphinxsidebar", "footer", "highlight", "headerlink"],
              leave_out=r"genindex|modindex|/search\.html")),
    "text/postgresql_doc": (
        "PostgreSQL 15's manual (Debian's postgresql-doc-15, 2 MB)", "PostgreSQL licence",
        pages("postgresql-doc-15", "15.20-0+deb12u1",
              "4c44bf2c599f208b3f46454a6cf7a72e25ec46ff74d37b59dd31ad76b00eebb7",
              "usr/share/doc/postgresql-doc-15/html/*.html", ["navheader", "navfooter", "toc", "synopsis"],
              leave_out=r"bookindex|/release-")),
    "text/debian_faq": (
        "questions and answers on Debian (Debian's debian-faq 11.1)", "GPL-2 or later",
        pages("debian-faq", "11.1", "427426e0cfa6888622fc1d72631071cb4b5a1f86ccde722e7820bcef284de5d0",
              "usr/share/doc/debian/FAQ/*.en.html", ["navheader", "navfooter", "toc"])),
    "text/debian_policy": (
        "Debian's policy manuals (Debian's debian-policy 4.6.2)", "GPL-2 or later",
        pages("debian-policy", "4.6.2.0", "ef9d01b625c3b87c3a845c2cd1b66f1a16e9240b2b9e5bee53472a00e8457a39",
              "usr/share/doc/debian-policy/**/*.html", ["navheader", "navfooter", "toc", "sphinxsidebar", "related"],
              leave_out=r"-1\.html|genindex|search\.html")),
    "text/developers_reference": (
        "how Debian's developers work (Debian's developers-reference 12.18)", "GPL-2 or later",
        pages("developers-reference", "12.18", "0dba82f6fa16e373f2a84ad07e7971aa9264ad2e7d2ae46b37edbc9c5fd57e2e",
              "usr/share/developers-reference/*.html", ["sphinxsidebar", "related", "footer", "headerlink"],
              leave_out=r"genindex|search\.html|developers-reference\.html")),
}
