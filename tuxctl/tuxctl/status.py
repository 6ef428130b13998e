"""`tuxctl status`: the truth about this host, without changing anything.

docs/status.md describes the document that `--json` prints; docs/status.schema.json is its schema.
"""

import json
from typing import Any, Dict, List, Mapping, Optional

from tuxcare.errors import Drift, StorageError, TuxcareError
from tuxcare.host import (
    followed_release,
    read_fips,
    read_registration,
    read_release,
    read_token,
)
from tuxctl import drift, fips_report, kernelcare, lifecycle, repositories, status_text
from tuxctl.context import Context
from tuxctl.repositories import Reach, Repository

SCHEMA = 1


def status(context: Context, as_json: bool = False, offline: bool = False) -> None:
    """Raises Drift where the host is not in the state it was brought into."""
    document = collect(context, offline)
    if as_json:
        context.console.say(json.dumps(document, indent=2))
    else:
        for line in status_text.lines(document, context.console.colours):
            context.console.say(line)
    if document["drift"]:
        raise Drift(
            "this host is not as tuxctl left it: {}".format("; ".join(document["drift"])),
            _way_out(document),
        )


def _way_out(document: Dict[str, Any]) -> str:
    if all(text.startswith(fips_report.PREFIX) for text in document["drift"]):
        return "'tuxctl fips enable' brings it back; 'tuxctl verify' says more."
    return "Run 'tuxctl --force' with the licence key to bring it back; 'tuxctl verify' says more."


def collect(context: Context, offline: bool = False) -> Dict[str, Any]:
    """The document. `offline`: without asking any server."""
    paths = context.paths
    now = context.now()
    registration = read_registration(paths)
    registered = is_registered(context, registration)
    found = repositories.read(context)
    answers = repositories.reach(context, found) if registered and not offline else {}
    followed = followed_release(paths)
    choice = read_fips(paths)
    differences: List[str] = []
    warnings: List[str] = []
    if registered:
        differences = drift.find(context, registration, found)
        if drift.is_turned_away(found, answers):
            differences.append(drift.of_service(context, registration, followed))
        warnings = drift.warnings(registration, now)
    fips = fips_report.describe(context, choice)
    differences += fips.drift
    warnings += fips.warnings
    return {
        "schema": SCHEMA,
        "checked_at": now.isoformat(),
        "registered": registered,
        "server": registration.get("server"),
        "content_url": registration.get("content_url"),
        "products": registration.get("products"),
        "expires": registration.get("expires"),
        "expires_in_days": drift.days_left(registration.get("expires"), now),
        "registered_at": registration.get("registered_at"),
        "token_age_days": drift.age_in_days(registration, now) if registered else None,
        "token": _token_state(found, answers) if registered else None,
        "release": {"installed": read_release(paths).version, "followed": followed},
        "lifecycle": lifecycle.describe(followed),
        "arch": context.system.machine(),
        "fips": fips.document,
        "kernelcare": kernelcare.describe(context),
        "repositories": [item.document(answers.get(item.id)) for item in found],
        "interrupted": _interrupted(context),
        "warnings": warnings,
        "drift": differences,
    }


def is_registered(context: Context, registration: Mapping[str, Any]) -> bool:
    try:
        return read_token(context.paths) is not None
    except PermissionError:
        # Only root reads the token; that there is a registration everybody may know.
        return bool(registration)
    except TuxcareError:
        return True  # damaged; drift says so


def _token_state(found: List[Repository], answers: Mapping[str, Reach]) -> str:
    """accepted, refused, or unknown where no server told."""
    states = {answers[item.id].state for item in found if item.needs_token and item.id in answers}
    if repositories.OK in states:
        return "accepted"
    return "refused" if repositories.REFUSED in states else "unknown"


def _interrupted(context: Context) -> Optional[str]:
    try:
        return context.journal.pending()
    except StorageError:
        return None  # not root: the journal is closed
