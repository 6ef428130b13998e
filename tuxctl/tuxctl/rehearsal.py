"""`tuxctl --license-key KEY --dry-run`: what registering would change, ask for and install.

The key is checked with the service, which takes no seat, and everything that a run checks before it
changes anything is checked. Then the same code that writes files writes into a preview.
"""

import json
from typing import List

from tuxcare import manifest as manifests
from tuxcare.host import followed_release
from tuxctl.context import Context
from tuxctl.preview import Preview
from tuxctl.register import Order, Registering, Rehearsal
from tuxctl.service import PREFIX

_TOKEN = "token-that-the-service-would-issue"  # noqa: S105  # none
_HIDDEN = "****"


def rehearse(context: Context, order: Order) -> None:
    """Raises what the steps before the first change raise."""
    context.require_root()
    pending = context.journal.pending()
    if pending:
        context.console.note(
            "An earlier 'tuxctl {}' was cut off; a run would undo it first.".format(pending)
        )
    run = Registering(context, order)
    run.check()
    preview = Preview(context)
    rehearsal = run.rehearse(preview, _TOKEN)
    say = context.console.say
    say("Requests:")
    for line in _requests(context, rehearsal):
        say("  " + line)
    say("Files:")
    for line in preview.diffs() or ["  none"]:
        say(line)
    say("Keys: {}".format(_import(context, rehearsal)))
    say("Packages:")
    for line in _packages(context, order):
        say("  " + line)
    say("Dry run: nothing was changed")


def _requests(context: Context, rehearsal: Rehearsal) -> List[str]:
    lines = []
    if rehearsal.host:
        body = json.dumps(dict(rehearsal.host.body(), key=_HIDDEN), sort_keys=True)
        lines.append("POST {}{}token/register {}".format(rehearsal.server, PREFIX, body))
    release, arch = followed_release(context.paths), context.system.machine()
    lines.append(
        "GET {}/tuxcare/{}/base/{}/repodata/repomd.xml".format(rehearsal.content_url, release, arch)
    )
    return lines


def _import(context: Context, rehearsal: Rehearsal) -> str:
    if not rehearsal.imports:
        return "rpm has the TuxCare key already"
    return "rpm --import {}".format(context.paths.inside(rehearsal.key_file))


def _packages(context: Context, order: Order) -> List[str]:
    lines = ["registering installs none; 'dnf upgrade' takes them from these repositories"]
    if order.fips_mode is None:
        return lines
    arch = context.system.machine()
    pins = manifests.load(context.paths, followed_release(context.paths)).pins
    lines.append("'tuxctl fips enable', or dnf by hand, installs the validated builds:")
    here = [pin for pin in pins if arch in pin.arches]
    return lines + ["  {} ({})".format(pin.builds[0], pin.certificate_text) for pin in here]
