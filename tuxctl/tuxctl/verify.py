"""`tuxctl verify`: every part of a registered host against what was set up, row by row.

docs/verify.md describes the rows and the document that `--json` prints. Nothing is changed and no
server is asked.
"""

import json
from typing import Any, Dict, List

from tuxcare.errors import Drift, NotRegistered
from tuxcare.host import read_fips, read_registration, read_release
from tuxctl import repositories as repository_files
from tuxctl.console import Colours
from tuxctl.context import Context
from tuxctl.fips import attest
from tuxctl.status import is_registered
from tuxctl.verifying import FAIL, SKIP, Row, crypto, keys, packages, repositories

SCHEMA = 1
_OFF = "FIPS mode is off"
# What a scanner that knows the STIG looks for on every host.
_FIPS_ROWS = (
    ("tuxcare-builds", "V-269126", "No package of the validated sources is a community build"),
    ("fips-mode", "V-269127", "FIPS mode is enabled"),
    ("crypto-policy-overridden", "V-283453", "The crypto policy is not overridden"),
)


def verify(context: Context, as_json: bool = False) -> None:
    """Raises NotRegistered, UsageError without root, Drift where a row fails."""
    context.require_root("this reads what root alone may read")
    document = collect(context)
    if as_json:
        context.console.say(json.dumps(document, indent=2))
    else:
        for line in lines(document, context.console.colours):
            context.console.say(line)
    failed = [row["id"] for row in document["rows"] if row["state"] == FAIL]
    if failed:
        raise Drift(
            "{} of {} checks failed: {}".format(
                len(failed), len(document["rows"]), ", ".join(failed)
            ),
            "Each failed line says what brings it back.",
        )


def collect(context: Context) -> Dict[str, Any]:
    """The document. Raises NotRegistered, ConfigError, StorageError."""
    registration = read_registration(context.paths)
    if not is_registered(context, registration):
        raise NotRegistered("Server is not registered")
    conf, choice = context.conf(), read_fips(context.paths)
    found: List[Row] = []
    files = repository_files.read(context)
    found += repositories.rows(context, registration, files, choice)
    found += keys.rows(context, conf, read_release(context.paths).version)
    if choice.is_on:
        found += packages.rows(context, conf, choice)
        found += crypto.rows(context, attest.collect(context, choice))
    else:
        found += [Row(id, stig, title, SKIP, _OFF) for id, stig, title in _FIPS_ROWS]
    return {
        "schema": SCHEMA,
        "checked_at": context.now().isoformat(),
        "result": FAIL if any(row.state == FAIL for row in found) else "pass",
        "fips_mode": choice.mode,
        "rows": [row.document() for row in found],
    }


def lines(document: Dict[str, Any], colours: Colours) -> List[str]:
    """The document as people read it."""
    paint = {"pass": colours.good, "fail": colours.error, "warn": colours.warning}
    text = []
    for row in document["rows"]:
        state = paint.get(row["state"], str)("{:4}".format(row["state"]))
        stig = " ({})".format(row["stig"]) if row["stig"] else ""
        detail = ": {}".format(row["detail"]) if row["detail"] else ""
        text.append("{}  {}{}{}".format(state, row["title"], stig, detail))
        if row["state"] in ("fail", "warn") and row["hint"]:
            text.append("      " + row["hint"])
    return text
