"""The document of `tuxctl status` as people read it. Pure."""

import os
from typing import Any, Dict, List

from tuxctl.console import Colours
from tuxctl.fips.status import certificate

_REACH = {"ok": "reachable", "refused": "refused", "missing": "not there"}


def lines(document: Dict[str, Any], colours: Colours) -> List[str]:
    found = ["Registered: {}".format("yes" if document["registered"] else "no")]
    if document["registered"]:
        found += _registration(document, colours)
    found += _release(document)
    found += _fips(document["fips"], colours)
    found += _kernelcare(document["kernelcare"])
    found += _repositories(document["repositories"], colours)
    if document["interrupted"]:
        found.append("Interrupted: {}; the next run undoes it".format(document["interrupted"]))
    found += ["Warning: " + colours.warning(text) for text in document["warnings"]]
    return found


def _registration(document: Dict[str, Any], colours: Colours) -> List[str]:
    expires = document["expires"] or "no end told"
    left = document["expires_in_days"]
    if left is not None and left < 0:
        expires = colours.error("{} (over)".format(expires))
    elif left is not None and left <= 30:
        expires = colours.warning("{} (in {} days)".format(expires, left))
    age = document["token_age_days"]
    token = document["token"] or "unknown"
    said = {"accepted": colours.good, "refused": colours.error}.get(token, str)(token)
    return [
        "Server: {}".format(document["server"] or "unknown"),
        "Content: {}".format(document["content_url"] or "unknown"),
        "Products: {}".format(", ".join(document["products"] or []) or "unknown"),
        "Expires: {}".format(expires),
        "Token: {}{}".format(
            {"unknown": "not asked"}.get(token, said),
            ", {} days old".format(age) if age is not None else "",
        ),
    ]


def _release(document: Dict[str, Any]) -> List[str]:
    release, lifecycle = document["release"], document["lifecycle"]
    found = [
        "Release: AlmaLinux {}, {}; follows {}".format(
            release["installed"], document["arch"], release["followed"]
        )
    ]
    esu = {
        "available": "available, until {} as announced".format(lifecycle["esu_until"]),
        "planned": "planned",
        "none": "none for this minor release",
    }[lifecycle["esu"]]
    found.append("Extended Security Updates of {}: {}".format(release["followed"], esu))
    if lifecycle["community_until"]:
        found.append(
            "Lifecycle: AlmaLinux itself until {}, supported until {}".format(
                lifecycle["community_until"], lifecycle["support_until"]
            )
        )
    return found


def _fips(fips: Dict[str, Any], colours: Colours) -> List[str]:
    found = ["FIPS mode: {}".format(fips["mode"])]
    paint = {"validated": colours.good, "patched": colours.good}
    for module in fips["modules"]:
        state = module["state"]
        instead = ""
        if state != "validated":
            instead = "; validated: {}".format(" or ".join(module["validated"]))
        found.append(
            "  {}: {}, {}{}; {}".format(
                module["source"],
                paint.get(state, colours.error)(state),
                ", ".join(module["installed"]) or "not installed",
                instead,
                certificate(module),
            )
        )
    for check in fips["checks"]:
        said = colours.good(check["found"])
        if not check["ok"]:
            said = colours.error("{} (expected {})".format(check["found"], check["expected"]))
        found.append("  {}: {}".format(check["name"], said))
    over = [text for text in fips["expired"] if " ended on " in text]
    return found + [
        "  Certificate: " + (colours.error if text in over else colours.warning)(text)
        for text in fips["expired"]
    ]


def _kernelcare(kernelcare: Dict[str, Any]) -> List[str]:
    if kernelcare["installed"] is None:
        return []
    if kernelcare["installed"]:
        effective = kernelcare["effective_kernel"] or "not told (run this as root)"
        return ["KernelCare: effective kernel {}".format(effective)]
    return ["KernelCare: not installed; to have kernels patched while they run:"] + [
        "  " + command for command in kernelcare["commands"]
    ]


def _repositories(repositories: List[Dict[str, Any]], colours: Colours) -> List[str]:
    found = ["Repositories:"]
    width = max([len(item["id"]) for item in repositories] or [0])
    for item in repositories:
        if item["enabled"]:
            found.append(
                "  {:{}}  {:9}  {}{}".format(
                    item["id"], width, item["source"], os.path.basename(item["file"]),
                    _reach(item["reach"], colours),
                )
            )
    return found


def _reach(reach: Any, colours: Colours) -> str:
    if not reach:
        return ""
    word = _REACH.get(reach["state"], reach["state"])
    paint = colours.good if reach["state"] == "ok" else colours.warning
    detail = " ({})".format(reach["detail"]) if reach["detail"] else ""
    return "  " + paint(word + detail)
