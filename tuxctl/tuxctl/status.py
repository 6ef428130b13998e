"""`tuxctl status`: the truth about this host, without a network and without changing anything.

The document (`--json`), schema 1:

    schema         1
    registered     bool
    server, content_url, products, expires, registered_at      as the service told, or null
    release        {"installed": "9.2", "followed": "9.2"}
    arch           "x86_64"
    fips           {"mode": "off|patched|strict", "release": "9.2" or null}
    repositories   [{"id", "file", "enabled", "source": "vetted|tuxcare|elsewhere"}]
    interrupted    the command of a run that was cut off, or null
    drift          sentences: what is not as tuxctl left it; empty is good
"""

import json
import os
from typing import Any, Dict, List, NamedTuple, Optional

from tuxcare.errors import Drift, StorageError, TuxcareError
from tuxcare.host import (
    followed_release,
    read_content_url,
    read_fips,
    read_registration,
    read_release,
    read_token,
)
from tuxcare.repofile import RepoFile
from tuxctl import preflight, repos
from tuxctl.context import Context
from tuxctl.licence import ESU, FIPS

SCHEMA = 1


class Repository(NamedTuple):
    """One section of a repository file. `source`: vetted, tuxcare or elsewhere."""

    id: str
    file: str
    enabled: bool
    source: str


def status(context: Context, as_json: bool = False) -> None:
    """Raises Drift where the host is not in the state it was brought into."""
    document = collect(context)
    if as_json:
        context.console.say(json.dumps(document, indent=2))
    else:
        for line in _lines(document):
            context.console.say(line)
    if document["drift"]:
        raise Drift(
            "this host is not as tuxctl left it: {}".format("; ".join(document["drift"])),
            "Run 'tuxctl --force' with the licence key to bring it back.",
        )


def collect(context: Context) -> Dict[str, Any]:
    """The document above."""
    paths = context.paths
    registration = read_registration(paths)
    registered = _is_registered(context, registration)
    choice = read_fips(paths)
    repositories = _repositories(context)
    return {
        "schema": SCHEMA,
        "registered": registered,
        "server": registration.get("server"),
        "content_url": registration.get("content_url"),
        "products": registration.get("products"),
        "expires": registration.get("expires"),
        "registered_at": registration.get("registered_at"),
        "release": {
            "installed": read_release(paths).version,
            "followed": followed_release(paths),
        },
        "arch": context.system.machine(),
        "fips": {"mode": choice.mode, "release": choice.release},
        "repositories": [dict(repository._asdict()) for repository in repositories],
        "interrupted": _interrupted(context),
        "drift": _drift(context, registration, repositories) if registered else [],
    }


def _is_registered(context: Context, registration: Dict[str, Any]) -> bool:
    try:
        return read_token(context.paths) is not None
    except PermissionError:
        # Only root reads the token; that there is a registration everybody may know.
        return bool(registration)
    except TuxcareError:
        return True  # damaged; drift says so


def _repositories(context: Context) -> List[Repository]:
    found: List[Repository] = []
    files = preflight.almalinux_files(context) + [context.paths.tuxcare_repo]
    for path in files:
        file = RepoFile(context.system.read(path) or b"")
        for section in file.sections():
            if path == context.paths.tuxcare_repo:
                source = "tuxcare"
            else:
                source = "vetted" if repos.is_switched(file, section) else "elsewhere"
            name = context.paths.inside(path)
            found.append(Repository(section, name, file.is_enabled(section), source))
    return found


def _interrupted(context: Context) -> Optional[str]:
    try:
        return context.journal.pending()
    except StorageError:
        return None  # not root: the journal is closed


def _drift(
    context: Context, registration: Dict[str, Any], repositories: List[Repository]
) -> List[str]:
    drift = _token_drift(context)
    content_url = read_content_url(context.paths)
    for path in preflight.almalinux_files(context):
        data = context.system.read(path) or b""
        if repos.switch(data, content_url).data != data:
            drift.append(
                "{} does not follow the vetted repositories".format(context.paths.inside(path))
            )
    enabled = {repository.id for repository in repositories if repository.enabled}
    products = registration.get("products") or []
    if {ESU, FIPS} & set(products) and repos.ESU not in enabled:
        drift.append("{} is not enabled".format(repos.ESU))
    return drift


def _token_drift(context: Context) -> List[str]:
    path = context.paths.token
    try:
        read_token(context.paths)
        content = context.system.capture(path)
    except (PermissionError, StorageError):
        return []
    except TuxcareError as error:
        return [error.message]
    if content and content.attributes.mode & 0o077:
        name = context.paths.inside(path)
        return ["{} has mode {:04o}, expected 0600".format(name, content.attributes.mode)]
    return []


def _lines(document: Dict[str, Any]) -> List[str]:
    release = document["release"]
    lines = ["Registered: {}".format("yes" if document["registered"] else "no")]
    if document["registered"]:
        lines += [
            "Server: {}".format(document["server"] or "unknown"),
            "Content: {}".format(document["content_url"] or "unknown"),
            "Products: {}".format(", ".join(document["products"] or []) or "unknown"),
            "Expires: {}".format(document["expires"] or "unknown"),
        ]
    lines += [
        "Release: AlmaLinux {}, {}; follows {}".format(
            release["installed"], document["arch"], release["followed"]
        ),
        "FIPS mode: {}".format(document["fips"]["mode"]),
        "Repositories:",
    ]
    width = max([len(item["id"]) for item in document["repositories"]] or [0])
    for item in document["repositories"]:
        if item["enabled"]:
            name = os.path.basename(item["file"])
            lines.append("  {:{}}  {:9}  {}".format(item["id"], width, item["source"], name))
    if document["interrupted"]:
        lines.append("Interrupted: {}; the next run undoes it".format(document["interrupted"]))
    return lines
