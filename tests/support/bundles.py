"""What tests of bundles do again and again; the sites are in bundle_fixtures."""

from __future__ import annotations

import json
from pathlib import Path

from .mirror import TREE, MirrorSite, Run

ESU = "tuxcare/9.2/esu"


def call(site: MirrorSite, *arguments: str, status: int = 0) -> Run:
    """A command of that site, which has to end with that exit status."""
    done = site.run(*arguments)
    assert done.status == status, done
    return done


def shown(site: MirrorSite, tree: str = TREE, channel: str = "vetted") -> str:
    """The id of the snapshot that a channel shows."""
    [document] = json.loads(call(site, "status", tree, "--json").stdout)["trees"]
    return str(document["channels"][channel]["snapshot"])


def alter(path: Path) -> None:
    """One bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
