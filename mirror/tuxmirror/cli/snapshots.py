"""`tuxmirror snapshot list|show` and `tuxmirror diff`."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from ..core.config import Config

_MEANT = "an id, the beginning of one, or a channel that shows it"


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("snapshot", help="look at the states of a tree that are kept")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    command = actions.add_parser("list", help="the snapshots of a tree, oldest first")
    command.add_argument("tree", nargs="*", metavar="TREE", help="such as almalinux/9.2")
    _finish(command, run_list)
    command = actions.add_parser("show", help="what is recorded of one")
    command.add_argument("tree", metavar="TREE", help="such as almalinux/9.2")
    command.add_argument("id", metavar="ID", help=_MEANT)
    command.add_argument(
        "--packages",
        action="store_true",
        help="also what its policy kept out, pulled in or kept, and why",
    )
    _finish(command, run_show)
    command = commands.add_parser(
        "diff", help="packages, advisories and CVEs between two snapshots of a tree"
    )
    command.add_argument("tree", metavar="TREE", help="such as almalinux/9.2")
    command.add_argument("old", metavar="A", help=_MEANT)
    command.add_argument("new", metavar="B", help="the same")
    _finish(command, run_diff)


def _finish(command: argparse.ArgumentParser, handler: Any) -> None:
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(handler=handler)


def _mirror(config: Config) -> Any:
    from ..adapters.reporters import JsonReporter
    from .wiring import make_mirror

    return make_mirror(config, JsonReporter())


def run_list(config: Config, args: argparse.Namespace) -> int:
    from ..usecases.catalogue import snapshots

    trees = [config.tree(name) for name in args.tree] or list(config.trees.values())
    found = snapshots(_mirror(config), trees)
    if args.json:
        print(json.dumps({"trees": found}, indent=2))
    else:
        print("\n".join(line for tree in found for line in _list_lines(tree)))
    return 0


def _list_lines(tree: dict[str, Any]) -> list[str]:
    lines = [tree["tree"]]
    for snapshot in tree["snapshots"]:
        lines.append(f"  {snapshot['id']}  {_facts(snapshot)}{_marks(snapshot)}")
    return lines if tree["snapshots"] else [*lines, "  none was made yet"]


def _facts(snapshot: dict[str, Any]) -> str:
    from ..adapters.reporters import human_bytes

    if "error" in snapshot:
        return str(snapshot["message"])
    size = human_bytes(snapshot["bytes"])
    return f"{_when(snapshot['created'])}  {snapshot['packages']} packages, {size}"


def _marks(snapshot: dict[str, Any]) -> str:
    marks = [*snapshot["channels"], *(["last verified"] if snapshot["last_verified"] else [])]
    return f"  ({', '.join(marks)})" if marks else ""


def _when(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def run_show(config: Config, args: argparse.Namespace) -> int:
    from ..usecases.catalogue import snapshot

    found = snapshot(_mirror(config), config.tree(args.tree), args.id, args.packages)
    if args.json:
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(_show_lines(found)))
    return 0


def _show_lines(found: dict[str, Any]) -> list[str]:
    from ..adapters.reporters import human_bytes
    from . import plan_text

    lines = [
        f"{found['tree']} {found['id']}",
        f"  {'made':<12}{_when(found['created'])} by {found['tool']}",
        f"  {'shown by':<12}{', '.join(found['channels']) or 'no channel'}",
        f"  {'holds':<12}{found['packages']} packages, {human_bytes(found['bytes'])}",
    ]
    vetting = found["vetting"]
    if vetting:
        counts = [f"{n} {what.replace('_', ' ')}" for what, n in vetting["packages"].items()]
        lines.append(f"  {'chosen from':<12}{vetting['upstream']} for {vetting['channel']}")
        lines.append(f"  {'by policy':<12}{vetting['policy'] or 'none'}: {', '.join(counts)}")
        if found.get("reasons", {}) is None:
            lines.append(f"  {'reasons':<12}were not written down here")
        lines += plan_text.reasons(found.get("reasons") or {})
    if found["signed"]:
        lines.append(f"  {'record':<12}signed by the operator")
    for name, repository in found["repositories"].items():
        size = human_bytes(repository["bytes"])
        lines.append(f"  {name}")
        lines.append(f"    {'packages':<12}{repository['packages']}, {size}")
        lines.append(f"    {'revision':<12}{repository['revision']}")
        lines.append(f"    {'repomd.xml':<12}sha256 {repository['repomd']}")
        lines.append(f"    {'signed by':<12}{repository['signed_by']}")
        if repository["origin"]:
            lines.append(f"    {'cut from':<12}sha256 {repository['origin']['repomd']}")
    return lines


def run_diff(config: Config, args: argparse.Namespace) -> int:
    from ..usecases.diff import diff

    found = diff(_mirror(config), config.tree(args.tree), args.old, args.new)
    if args.json:
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(_diff_lines(found)))
    return 0


def _diff_lines(found: dict[str, Any]) -> list[str]:
    lines = [f"{found['tree']}: {found['from']} -> {found['to']}"]
    for sign, key in (("+", "added"), ("-", "removed"), ("!", "changed")):
        lines += [f"  {sign} {entry['nevra']}  ({entry['repository']})" for entry in found[key]]
    for sign, key in (("+", "images_added"), ("-", "images_removed"), ("*", "images_changed")):
        lines += [f"  {sign} {image['path']}  ({image['repository']})" for image in found[key]]
    for sign, key in (("+", "advisories_added"), ("-", "advisories_removed")):
        for advisory in found[key]:
            facts = [advisory["id"], advisory["severity"], *advisory["cves"]]
            lines.append(f"  {sign} {' '.join(filter(None, facts))}  {advisory['title']}".rstrip())
    return [*lines, f"  {_diff_summary(found)}"]


def _diff_summary(found: dict[str, Any]) -> str:
    from ..adapters.reporters import human_bytes

    counts = [f"{len(found[key])} {key}" for key in ("added", "removed")]
    if found["changed"]:
        counts.append(f"{len(found['changed'])} with other bytes under the same name (!)")
    sizes = f"+{human_bytes(found['bytes_added'])}, -{human_bytes(found['bytes_removed'])}"
    text = f"{', '.join(counts)}; {sizes}"
    images = [
        f"{len(found[f'images_{how}'])} {how}"
        for how in ("added", "removed", "changed")
        if found[f"images_{how}"]
    ]
    if images:
        text += f"; images: {', '.join(images)}, +{human_bytes(found['image_bytes_added'])}"
    fixes = [f"{number} {severity}" for severity, number in found["severities"].items()]
    advisories = len(found["advisories_added"])
    if advisories:
        text += f"; {advisories} new advisories"
        text += f" ({', '.join(fixes)})" if fixes else ""
        text += f" fixing {len(found['cves'])} CVEs"
    return text
