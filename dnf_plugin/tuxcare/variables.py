"""The two variables that repository files use: `$tuxcare_token` and `$tuxcare_releasever`.

Precedence, low to high: DNF_VAR_x in the environment, /etc/yum/vars, /etc/dnf/vars, what is set
here. The token always comes from /etc/tuxcare/token where there is one; the release is set only
where nobody chose one, and then is the host's own.
"""

import re
from typing import Callable, Iterable, List, MutableMapping, NamedTuple, Optional, TypeVar

from tuxcare import host
from tuxcare.errors import TuxcareError
from tuxcare.host import HostPaths

TOKEN = "tuxcare_token"  # noqa: S105  # the variable's name
RELEASEVER = "tuxcare_releasever"

_UNSET = re.compile(r"\$(?:\{(tuxcare_\w+)\}|(tuxcare_\w+))")

T = TypeVar("T")


class Injected(NamedTuple):
    """What was found. `problems` are sentences for people; a token is never in them."""

    token: Optional[str]
    problems: List[str]


def inject(substitutions: MutableMapping[str, str], roots: Iterable[HostPaths]) -> Injected:
    """Sets what can be set in dnf's substitutions; the first root that knows a value counts."""
    problems: List[str] = []
    places = list(roots)
    token = _first(host.read_token, places, problems)
    if token is not None:
        substitutions[TOKEN] = token
    if RELEASEVER not in substitutions:
        release = _first(_release, places, problems)
        if release is not None:
            substitutions[RELEASEVER] = release
    return Injected(substitutions.get(TOKEN), problems)


def _release(paths: HostPaths) -> Optional[str]:
    """The followed release; None for a root with nothing in it yet."""
    if not any(map(_exists, [paths.releasever_var, paths.almalinux_release] + paths.os_release)):
        return None
    return host.followed_release(paths)


def _exists(path: str) -> bool:
    return host.read_text(path) is not None


def _first(
    read: Callable[[HostPaths], Optional[T]], places: Iterable[HostPaths], problems: List[str]
) -> Optional[T]:
    for paths in places:
        try:
            value = read(paths)
        except PermissionError:
            # The token is root's alone: other users simply do without these repositories.
            return None
        except TuxcareError as error:
            problems.append(error.message)
            return None
        if value is not None:
            return value
    return None


def unset_variables(texts: Iterable[str]) -> List[str]:
    """Our variables that are still literal in these option values, sorted."""
    names = {found for text in texts for pair in _UNSET.findall(text) for found in pair if found}
    return sorted(names)


def explain_unset(repositories: Iterable[str], names: Iterable[str], registered: bool) -> str:
    """The one line that says which repositories are left out, why, and the way out."""
    ids = ", ".join(sorted(repositories))
    if TOKEN in names and not registered:
        return (
            "tuxcare: this host has no token, so these repositories are left out: {}; "
            "register it with 'tuxctl --license-key KEY'".format(ids)
        )
    return (
        "tuxcare: no value for ${}, so these repositories are left out: {}; "
        "see 'tuxctl status'".format(", $".join(sorted(names)), ids)
    )
