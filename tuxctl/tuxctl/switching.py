"""`tuxctl repos`: the AlmaLinux repositories by themselves.

On a host without a registration they follow the vetted repositories that need no token; on a
registered one, those of the licence, as registering left them. Every change is journalled, so
`revert`, and `unregister` too, put back what was there.
"""

from typing import Dict, List, NamedTuple, Optional

from tuxcare.errors import ConfigError, TuxcareError
from tuxcare.host import read_content_url, read_token
from tuxctl import preflight, repos
from tuxctl.context import Context
from tuxctl.merge import take_back
from tuxctl.preview import unified
from tuxctl.records import EDITED


class Plan(NamedTuple):
    """What a file is and what it would be."""

    path: str
    before: bytes
    after: repos.Edited


def diff(context: Context, server: Optional[str] = None) -> None:
    """Show what switching would change. Raises ConfigError."""
    changed = [plan for plan in _plans(context, server) if plan.before != plan.after.data]
    for plan in changed:
        for line in unified(context.paths.inside(plan.path), plan.before, plan.after.data):
            context.console.say(line)
    if not changed:
        context.console.note("Nothing to change: these repositories are switched already.")


def switch(context: Context, server: Optional[str] = None) -> None:
    """Raises ConfigError, StorageError."""
    with context.changing():
        plans = _plans(context, server)
        preflight.check_files(context)
        with context.journal.run("repos switch") as run:
            for plan in plans:
                run.put(plan.path, plan.after.data, EDITED)
    names = [name for plan in plans for name in plan.after.switched]
    foreign = [name for plan in plans for name in plan.after.foreign]
    if foreign:
        context.console.note(
            "Left alone, their packages come from elsewhere: {}".format(", ".join(foreign))
        )
    context.console.say("Switched: " + (", ".join(names) or "none"))


def revert(context: Context) -> None:
    """Put the AlmaLinux repositories back. Raises StorageError."""
    with context.changing():
        with context.journal.run("repos revert") as run:
            changed = []
            for path in preflight.almalinux_files(context):
                current = context.system.read(path) or b""
                if run.put(path, _reverted(context, path, current), EDITED):
                    changed.append(context.paths.inside(path))
        if context.system.read(context.paths.token) is not None:
            context.console.note(
                "This host stays registered; 'tuxctl repos switch' follows the vetted "
                "repositories again, 'tuxctl unregister' gives the seat back."
            )
    context.console.say("Reverted: " + (", ".join(changed) or "nothing to put back"))


def _reverted(context: Context, path: str, current: bytes) -> bytes:
    """The recorded original with the edits that people made since; else the community's form."""
    original, written = context.journal.original(path), context.journal.written(path)
    if original is None or written is None:
        return repos.unswitch(current, read_content_url(context.paths))
    merged = take_back(original, written, current)
    for line in merged.kept:
        context.console.note(
            "{}: was changed since at '{}', that stays".format(
                context.paths.inside(path), line.decode("utf-8", "replace").strip()
            )
        )
    return merged.data


def _plans(context: Context, server: Optional[str]) -> List[Plan]:
    registered = _is_registered(context)
    content_url = server or read_content_url(context.paths)
    url_of = repos.vetted_url if registered else repos.open_url
    files = preflight.almalinux_files(context)
    if not files:
        raise ConfigError(
            "{}: no almalinux*.repo in it".format(context.paths.repo_dir),
            "Put them back with 'dnf reinstall almalinux-repos' (AlmaLinux 8: almalinux-release).",
        )
    found: Dict[str, bytes] = {path: context.system.read(path) or b"" for path in files}
    return [
        Plan(path, data, repos.switch(data, content_url, (), url_of))
        for path, data in found.items()
    ]


def _is_registered(context: Context) -> bool:
    try:
        return read_token(context.paths) is not None
    except (PermissionError, TuxcareError):
        return True
