"""Syncs that are refused for their metadata, and harm nothing."""

import re

from tests.support.mirror import TREE

REPOSITORY = "BaseOS/x86_64"
REPO = ("BaseOS", "x86_64")
REPOMD = "repodata/repomd.xml"


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
