"""`tuxmirror plan`, `explain`, `approve` and `hold`."""

from __future__ import annotations

import argparse
import calendar
import json
import os
import pwd
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.config import Config, Tree, duration
from ..core.errors import ConfigError, MirrorError
from ..core.policy.decisions import APPROVE, HOLD

_VETTED = "vetted"
_PATTERN = (
    "a package by name or NEVRA ('kernel*', curl-7.76.1-23.el9_2.4.x86_64), source:NAME, an"
    " advisory (ALSA-2023:5763) or a CVE"
)


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "plan",
        help="what a channel would show next, and why",
        description="Packages in and out, advisories and CVEs; what waits, what was pulled in, and"
        " why. Changes nothing that is shown; `approve` applies exactly what it says.",
    )
    command.add_argument("tree", metavar="TREE", help="such as almalinux/9.2")
    command.add_argument("--channel", default=_VETTED, metavar="C", help="(default: %(default)s)")
    command.add_argument("--html", type=Path, metavar="FILE", help="write a page to print besides")
    command.add_argument("--json", action="store_true", help="print JSON: a file to approve")
    command.set_defaults(handler=run_plan)
    command = commands.add_parser(
        "explain",
        help="why a channel shows a package, or does not yet",
        description="Asks the policy as `plan` does, and says of each build that PATTERN means what"
        f" it came to and why. PATTERN: {_PATTERN}.",
    )
    command.add_argument("tree", metavar="TREE", help="such as almalinux/9.2")
    command.add_argument("pattern", metavar="PATTERN", help="which packages")
    command.add_argument("--channel", default=_VETTED, metavar="C", help="(default: %(default)s)")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(handler=run_explain)
    command = commands.add_parser(
        "approve",
        help="make a channel show exactly what a plan says",
        description="Refused (5) where upstream, the channel, the policy or a hold moved on since."
        " With --packages: let packages pass that the policy would keep waiting. PATTERN:"
        f" {_PATTERN}.",
    )
    command.add_argument(
        "plan", nargs="?", metavar="PLAN", help="its id, or the file with its JSON"
    )
    command.add_argument("--packages", metavar="PATTERN", help="approve packages, not a plan")
    _add_scope(command)
    command.add_argument("--why", metavar="TEXT", help="kept in the log; needed with --packages")
    command.add_argument(
        "--allow-mass-change",
        action="store_true",
        help="let published names get other bytes (they were rebuilt on purpose), and the policy"
        " take away more than mass_change lets it",
    )
    command.add_argument("--json", action="store_true", help="one event a line")
    command.set_defaults(handler=run_approve, changes=True)
    command = commands.add_parser(
        "hold",
        help="let nothing new of some packages pass",
        description="What a channel shows of them stays; later builds wait until the hold is"
        f" released or over. PATTERN: {_PATTERN}. Of a hold and an approval the later one counts.",
    )
    command.add_argument("pattern", nargs="?", metavar="PATTERN", help="what to hold")
    _add_scope(command)
    command.add_argument("--why", metavar="TEXT", help="for those who come after you")
    command.add_argument("--list", action="store_true", help="all holds and approvals")
    command.add_argument(
        "--release", metavar="ID", help="take one back, by its id or by its pattern"
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(handler=run_hold, changes=True)


def _add_scope(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--tree", default="*", metavar="GLOB", help="of these trees (default: all)"
    )
    command.add_argument(
        "--channel", default="*", metavar="GLOB", help="in these channels (default: all)"
    )
    command.add_argument(
        "--until", metavar="WHEN", help="a day (2026-12-01, UTC), a time (2026-12-01T06:00) or a"
        " span (14d); default: for good"
    )  # fmt: skip


def run_plan(config: Config, args: argparse.Namespace) -> int:
    from ..usecases.plan import make_plan
    from . import plan_text

    tree = config.tree(args.tree)
    mirror = _mirror(config, args)
    found = make_plan(mirror, tree, args.channel, _audience(config))
    if args.html:
        from ..adapters import plan_page
        from ..adapters.files import storage_errors

        with storage_errors(args.html):
            args.html.write_bytes(plan_page.render(found, mirror.tool))
    if args.json:
        print(json.dumps(found, indent=1))
    else:
        print("\n".join(plan_text.lines(found)))
    return 0


def run_explain(config: Config, args: argparse.Namespace) -> int:
    from ..usecases.explain import explain
    from . import plan_text

    tree = config.tree(args.tree)
    found = explain(_mirror(config, args), tree, args.channel, args.pattern)
    print(json.dumps(found, indent=1) if args.json else "\n".join(plan_text.explained(found)))
    return 0


def _audience(config: Config) -> Any:
    """Counts registered hosts, where there is a register."""

    def count(tree: Tree, channel: str) -> Mapping[str, Any]:
        from ..core.licence import covers
        from . import serving

        file = config.store / serving.STATE / serving.DATABASE
        if config.database == "sqlite" and not file.exists():
            return {"hosts": 0, "releases": {}}
        release = tree.name.split("/")[1]
        releases: Counter[str] = Counter()
        try:
            with serving.opened(config, "plan") as parts, parts.registry.reading() as unit:
                licences = {
                    licence.public_id: licence.terms
                    for licence in unit.licences()
                    if licence.terms.channel == channel and covers(licence.terms.releases, release)
                }
                for host in unit.hosts():
                    follows = host.release is None or covers((host.release,), release)
                    if host.ended_at is None and host.licence in licences and follows:
                        releases[host.release or "an unknown release"] += 1
        except MirrorError as error:
            return {"problem": error.message}
        return {"hosts": sum(releases.values()), "releases": dict(sorted(releases.items()))}

    return count


def run_approve(config: Config, args: argparse.Namespace) -> int:
    if (args.plan is None) == (args.packages is None):
        raise ConfigError(
            "approve what?", expected="a PLAN, or --packages PATTERN", way_out="tuxmirror plan TREE"
        )
    mirror = _mirror(config, args)
    if args.packages is not None:
        return _decide(mirror, args, APPROVE, args.packages)
    if args.until or args.tree != "*" or args.channel != "*":
        raise ConfigError("--until, --tree and --channel go with --packages: a plan names its own")
    from ..usecases.plan import approve

    approve(mirror, args.plan, args.why, args.allow_mass_change)
    mirror.reporter.event("done", exit_status=0)
    return 0


def run_hold(config: Config, args: argparse.Namespace) -> int:
    from ..usecases.hold import listed, release

    asked = [args.pattern is not None, args.list, args.release is not None]
    if sum(asked) != 1:
        raise ConfigError("hold what?", expected="a PATTERN, --list or --release ID")
    mirror = _mirror(config, args)
    if args.pattern is not None:
        return _decide(mirror, args, HOLD, args.pattern)
    if args.release is not None:
        gone = release(mirror, args.release, args.why)
        found = [decision.as_dict() for decision in gone]
        text = [f"released: {_decision_line(decision)}" for decision in found]
    else:
        found = listed(mirror)
        text = [_decision_line(decision) for decision in found] or ["nothing is held or approved"]
    print(json.dumps({"decisions": found}, indent=1) if args.json else "\n".join(text))
    return 0


def _decide(mirror: Any, args: argparse.Namespace, kind: str, pattern: str) -> int:
    from ..usecases.hold import Meant, decide

    if not args.why:
        raise ConfigError("--why is missing", expected="a reason, for those who come after you")
    until = when(args.until, mirror.clock()) if args.until else None
    meant = Meant(pattern, args.tree, args.channel, until, args.why, _user())
    found = decide(mirror, kind, meant)
    if args.json:
        print(json.dumps(found, indent=1))
        return 0
    print(_decision_line(found))
    names = found["packages"]
    if names:
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        print(f"  means now: {', '.join(names[:5])}{more}")
    else:
        print("  means no package that there is now")
    return 0


def _decision_line(decision: Mapping[str, Any]) -> str:
    from ..adapters.reporters import utc

    until = f"until {utc(decision['until'])}" if decision["until"] is not None else "for good"
    where = f"{decision['tree']} {decision['channel']}" if decision["tree"] != "*" else (
        "all trees" if decision["channel"] == "*" else decision["channel"]
    )  # fmt: skip
    over = " (over)" if decision.get("over") else ""
    return (
        f"{decision['id']}  {decision['kind']:<8}{decision['pattern']}  {where}  {until}{over}"
        f"  {decision['user']}: {decision['why']}"
    )


def when(text: str, now: float) -> int:
    """Seconds since the epoch. A day means its first second: on it, it is over.

    Raises:
        ConfigError.
    """
    for form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"):
        try:
            return calendar.timegm(time.strptime(text, form))
        except ValueError:
            continue
    try:
        return int(now) + duration(text)
    except ValueError:
        raise ConfigError(
            f"--until {text}", expected="2026-12-01, 2026-12-01T06:00 or a span such as 14d"
        ) from None


def _user() -> str:
    """Who called sudo, else the process's user."""
    asked = os.environ.get("SUDO_USER")
    if asked:
        return asked
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _mirror(config: Config, args: argparse.Namespace) -> Any:
    from ..adapters.reporters import JsonReporter, PlainReporter
    from .wiring import make_mirror

    return make_mirror(config, JsonReporter() if args.json else PlainReporter())
