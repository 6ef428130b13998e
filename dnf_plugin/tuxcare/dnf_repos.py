"""Repositories and downloads of a dnf Base: what the variables and the redaction touch.

Apart from the pins, because every dnf command pays for this module.
"""

import os

from tuxcare import variables
from tuxcare.hostfiles import HostPaths

TYPE_CHECKING = False  # dnf does without typing
if TYPE_CHECKING:
    from typing import Any, List, Tuple


def repository_urls(repo: "Any") -> "Tuple[str, ...]":
    """Everything a repository may be fetched from, as dnf will use it."""
    urls = tuple(repo.baseurl or ())
    return urls + tuple(url for url in (repo.mirrorlist, repo.metalink) if url)


def disable_unset(base: "Any") -> "Tuple[List[str], List[str]]":
    """Disables enabled repositories whose URLs lack a variable: their ids, and the variables."""
    disabled = []  # type: List[str]
    names = set()
    for repo in base.repos.iter_enabled():
        unset = variables.unset_variables(repository_urls(repo))
        if unset:
            repo.disable()
            disabled.append(repo.id)
            names.update(unset)
    return disabled, sorted(names)


def clean_progress(base: "Any", redactor: "Any") -> None:
    """Redacts what a download prints. Again after command.configure(), which may replace it."""
    output = getattr(base, "output", None)
    if output is not None and output.progress is not None:
        output.progress = redactor.wrap_progress(output.progress)


def variable_roots(base: "Any") -> "List[HostPaths]":
    """Where token and release are read: the installroot, then the host that lends repositories.

    dnf, too, takes repository files and variables of the host for a root that has none.
    """
    root = HostPaths(base.conf.installroot)
    if root.root == "/" or any(
        os.path.abspath(path).startswith(root.root + "/") for path in base.conf.reposdir
    ):
        return [root]
    return [root, HostPaths("/")]
