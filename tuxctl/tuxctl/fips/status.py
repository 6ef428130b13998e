"""`tuxctl fips status`: whether FIPS mode is what was chosen, module by module."""

import json
from typing import Any, Dict, List

from tuxcare.errors import Drift
from tuxcare.host import read_fips
from tuxctl.context import Context
from tuxctl.fips import attest


def status(context: Context, as_json: bool = False) -> None:
    """Raises Drift where a host whose mode is on is not in FIPS mode as chosen."""
    choice = read_fips(context.paths)
    if not choice.is_on or choice.release is None:
        off = {"schema": attest.SCHEMA, "mode": choice.mode, "release": choice.release}
        context.console.say(json.dumps(off) if as_json else "FIPS mode: {}".format(choice.mode))
        return
    document = attest.collect(context, choice)
    if as_json:
        context.console.say(json.dumps(document, indent=2))
    else:
        for line in lines(document):
            context.console.say(line)
    if document["reboot_pending"]:
        raise Drift("FIPS mode takes effect with the next boot", "Reboot, then ask again.")
    if document["drift"]:
        raise Drift(
            "this host is not in FIPS mode as chosen: {}".format("; ".join(document["drift"])),
            "'tuxctl fips enable' brings it there; --dry-run shows what is lacking.",
        )


def lines(document: Dict[str, Any]) -> List[str]:
    """The document as people read it."""
    text = [
        "FIPS mode: {}".format(document["mode"]),
        "Release: AlmaLinux {}".format(document["release"]),
    ]
    for module in document["modules"]:
        text.append("{}: {}".format(module["source"], ", ".join(module["installed"]) or "-"))
        text.append(
            "  {}: {} ({})".format(
                module["state"], " or ".join(module["validated"]), certificate(module)
            )
        )
    for check in document["checks"]:
        text.append(
            "{}: {}{}".format(
                check["name"],
                check["found"],
                "" if check["ok"] else "  (expected {})".format(check["expected"]),
            )
        )
    return text + document["expired"]


def certificate(module: Dict[str, Any]) -> str:
    """The certificate of a module's item in the attestation, in words."""
    if module["certificate"] is None:
        return "CMVP certificate pending"
    return "CMVP certificate {}, {}, until {}".format(
        module["certificate"], module["status"], module["sunset"]
    )
