"""Syncs that are refused for their metadata, and harm nothing; for `pytest_plugins`."""

import re

import pytest

from tests.support.mirror import TREE
from tests.support.repodata import Advisory
from tests.support.rpms import RpmSpec

REPOSITORY = "BaseOS/x86_64"
REPO = ("BaseOS", "x86_64")
REPOMD = "repodata/repomd.xml"


@pytest.fixture
def news(tiny_upstream):
    """An upstream that has moved on, all in order."""
    delta = RpmSpec("delta")
    tiny_upstream.add(*REPO, [delta])
    tiny_upstream.add_advisories(*REPO, [Advisory("ALSA-2023:0002", "delta update", (delta,))])
    tiny_upstream.publish()
    return tiny_upstream


def refused(site, *words, path=None, status=4, arguments=()):
    """One sync that is refused for its metadata; returns its error event.

    Args:
        words: what the whole of the error says, as regular expressions.
        path: the file it names, a regular expression.
    """
    with site.harmless():
        run = site.sync("--json", *arguments)
    assert run.status == status, run
    error = run.error
    assert error["tree"] == TREE, run
    assert error["repository"] == REPOSITORY, run
    assert re.search(path or r"^repodata/", error["path"]), run
    assert error.get("expected") or error.get("found") or "127.0.0.1" in error["message"], run
    assert error["way_out"], run
    said = "\n".join(str(value) for value in error.values())
    for word in words:
        assert re.search(word, said), run
    return error


def replace(path, content):
    path.unlink()
    path.write_bytes(content)
