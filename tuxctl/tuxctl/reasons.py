"""Why packages are installed, as dnf records it.

`dnf autoremove` proposes whatever came as a dependency and is needed no more. The pins would refuse
to let validated builds go, and with them the whole command; so those that nothing else requires are
marked as asked for.
"""

from typing import Dict, List, Sequence, Set

from tuxcare.errors import StorageError
from tuxctl.context import Context

# One line a requirement or provide: NAME, R or P, CAPABILITY.
_QUERY = "[%{=NAME}\\tR\\t%{REQUIRENAME}\\n][%{=NAME}\\tP\\t%{PROVIDENAME}\\n]"


def keep(context: Context, pinned: Sequence[str]) -> None:
    """Mark the installed ones of `pinned` that no other package requires as asked for by people.

    Nothing depends on it, so what goes wrong is only told.
    """
    root = context.system.root
    elsewhere = root != "/"
    try:
        listing = context.system.run(
            ["rpm"] + (["--root", root] if elsewhere else []) + ["-qa", "--queryformat", _QUERY]
        )
        names = leaves(listing.stdout, pinned)
        if not names:
            return
        done = context.system.run(
            ["dnf", "--quiet", "--assumeyes"]
            + (["--installroot", root] if elsewhere else [])
            + ["mark", "install"]
            + names
        )
        problem = done.stderr.strip() if done.status else ""
    except StorageError as error:
        names, problem = [], error.message
    if problem:
        context.console.note(
            "Not marked as installed by people: {}. 'dnf autoremove' may stop at the pins; mark "
            "them with 'dnf mark install {}'.".format(
                " ".join(problem.split()), " ".join(names) or "PACKAGE"
            )
        )


def leaves(listing: str, pinned: Sequence[str]) -> List[str]:
    """Of the installed packages in `listing` the pinned ones that no other one requires, sorted."""
    provided: Dict[str, Set[str]] = {}
    required: Dict[str, Set[str]] = {}
    for line in listing.splitlines():
        name, kind, capability = line.split("\t", 2)
        if kind == "R":
            required.setdefault(capability, set()).add(name)
        else:
            provided.setdefault(name, set()).add(capability)
    return sorted(
        name
        for name in set(pinned) & set(provided)
        if not any(required.get(capability, set()) - {name} for capability in provided[name])
    )
