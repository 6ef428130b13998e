"""`tuxctl migrate`: where a host is on the way to AlmaLinux 9.2 with ESU, and its next steps.

It prints; it runs none of the steps and changes nothing.
"""

import json
import re
from typing import Any, Dict, List, Tuple

from tuxcare.errors import StorageError, TuxcareError, UsageError
from tuxcare.host import read_fips, read_registration
from tuxcare.osrelease import parse_os_release
from tuxctl import migration
from tuxctl.context import Context
from tuxctl.fips import access
from tuxctl.migration import Facts, Stage
from tuxctl.system import join, text_of

_CONFIGURATIONS = ("/etc/yum.conf", "/etc/dnf/dnf.conf")
_RPM_DATABASES = ("/var/lib/rpm", "/usr/lib/sysimage/rpm")
_EXCLUDES = re.compile(r"^exclude=", re.MULTILINE)
_LEFTOVER = re.compile(r"leapp|^elevate-release|^els-define|^kernel\S*\.el[78]")
_VERSION = re.compile(r"release (\d+(?:\.\d+)*)")


def migrate(context: Context, as_json: bool = False) -> None:
    """Raises UsageError for a host that is not on the way."""
    facts = look(context)
    stage = migration.stage_of(facts)
    if stage is None:
        raise UsageError(
            "this is {} {}: the way leads from CentOS 7.9, CentOS Stream 8 or AlmaLinux 8 to "
            "AlmaLinux 9.2".format(facts.name, facts.version),
            "See 'tuxctl --help' for hosts that run AlmaLinux 9 already.",
        )
    if as_json:
        context.console.say(json.dumps(document(stage), indent=2))
        return
    for line in lines(facts, stage):
        context.console.say(line)


def look(context: Context) -> Facts:
    """The host as far as it matters here. Raises StorageError."""
    release = _os_release(context)
    ssh = access.look(context.system)
    accounts = ssh.accounts if ssh else ()
    return Facts(
        id=release.get("ID", ""),
        name=release.get("NAME", "an unknown system"),
        version=_version(context, release),
        leftovers=_leftovers(context),
        excludes=tuple(
            path for path in _CONFIGURATIONS if _EXCLUDES.search(text_of(context.system, path))
        ),
        root_login=ssh.root if ssh else True,
        people=tuple(account.name for account in accounts if account.uid != 0),
        unfit=tuple(
            account.name
            for account in accounts
            if account.keys and not any(key.works_in_fips_mode for key in account.keys)
        ),
        has_package=bool(text_of(context.system, "/etc/tuxcare-release")),
        registered=bool(read_registration(context.paths)),
        fips_mode=_fips_mode(context),
    )


def document(stage: Stage) -> Dict[str, Any]:
    """For scripts: {"stage", "title", "checks": […], "steps": […]}."""
    return {
        "schema": 1,
        "stage": stage.id,
        "title": stage.title,
        "checks": [dict(check._asdict()) for check in stage.checks],
        "steps": [dict(step._asdict()) for step in stage.steps],
    }


def lines(facts: Facts, stage: Stage) -> List[str]:
    """For people."""
    text = ["{} {}: {}".format(facts.name, facts.version, stage.title)]
    for check in stage.checks:
        text.append("{} {}: {}".format("ok " if check.ok else "NOT", check.name, check.found))
        if not check.ok:
            text.append("    " + check.hint)
    if stage.steps:
        text += ["", "Type as root, one after the other (tuxctl runs none of it):"]
    for number, step in enumerate(stage.steps, 1):
        text.append("{:2}. {}".format(number, step.command))
        if step.check:
            text.append("    then: " + step.check)
    if stage.steps:
        text += [
            "",
            "Console access is recommended. After the last step ask 'tuxctl migrate' again.",
        ]
    return text


def _os_release(context: Context) -> Dict[str, str]:
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        found = parse_os_release(text_of(context.system, path))
        if found:
            return found
    return {}


def _version(context: Context, release: Dict[str, str]) -> str:
    """With the minor release, which os-release of CentOS leaves out."""
    for path in ("/etc/almalinux-release", "/etc/centos-release", "/etc/redhat-release"):
        found = _VERSION.search(text_of(context.system, path))
        if found:
            return found.group(1)
    return release.get("VERSION_ID", "")


def _leftovers(context: Context) -> Tuple[str, ...]:
    if not any(context.system.entries(join(context.system, path)) for path in _RPM_DATABASES):
        return ()  # rpm would make one
    root = [] if context.system.is_live else ["--root", context.system.root]
    query = ["-qa", "--queryformat", "%{NAME}-%{VERSION}-%{RELEASE}\\n"]
    try:
        names = context.system.run(["rpm"] + root + query).stdout.split()
    except StorageError:
        return ()
    newer = text_of(context.system, "/etc/almalinux-release").find("release 9") >= 0
    kept = [name for name in names if _LEFTOVER.search(name)]
    return tuple(sorted(name for name in kept if newer or not name.startswith("kernel")))


def _fips_mode(context: Context) -> str:
    try:
        return read_fips(context.paths).mode
    except TuxcareError:
        return "damaged"
