"""The two variables that repository files use: `$tuxcare_token` and `$tuxcare_releasever`.

Precedence, low to high: DNF_VAR_x in the environment, /etc/yum/vars, /etc/dnf/vars, what is set
here. The token always comes from /etc/tuxcare/token where there is one; the release is set only
where nobody chose one, and then is the host's own.

Where tuxcare.conf says `token_in = header` the token is no variable: see tuxcare.dnf_header.
"""

import re

from tuxcare import hostfiles

TYPE_CHECKING = False  # every dnf command pays for this module; dnf does without typing
if TYPE_CHECKING:
    from typing import Callable, Iterable, List, MutableMapping, Optional, Tuple, Type, TypeVar

    from tuxcare.errors import TuxcareError
    from tuxcare.hostfiles import HostPaths

    T = TypeVar("T")

TOKEN = "tuxcare_token"  # noqa: S105  # the variable's name
RELEASEVER = "tuxcare_releasever"

_UNSET = r"\$(?:\{(tuxcare_\w+)\}|(tuxcare_\w+))"


class Injected:
    """What was found.

    `token`: the secret, wherever it came from. `header_root`: the root whose token and settings
    go into request headers, None for the way through URLs. `problems`: sentences for people; a
    token is never in them.
    """

    def __init__(
        self, token: "Optional[str]", header_root: "Optional[HostPaths]", problems: "List[str]"
    ) -> None:
        self.token = token
        self.header_root = header_root
        self.problems = problems

    def __repr__(self) -> str:
        return "Injected()"


def inject(substitutions: "MutableMapping[str, str]", roots: "Iterable[HostPaths]") -> Injected:
    """Sets what can be set in dnf's substitutions; the first root that knows a value counts."""
    problems = []  # type: List[str]
    places = list(roots)
    token, root = _first(hostfiles.read_token, places, problems)
    header_root = root if root is not None and _goes_in_header(root, problems) else None
    if header_root is not None:
        # One from a variable file would put it into the URL again.
        substitutions.pop(TOKEN, None)
    elif token is not None:
        substitutions[TOKEN] = token
    if RELEASEVER not in substitutions:
        release, _root = _first(_release, places, problems)
        if release is not None:
            substitutions[RELEASEVER] = release
    return Injected(token or substitutions.get(TOKEN), header_root, problems)


def _own_errors() -> "Type[TuxcareError]":
    """Looked up when something was raised; other commands do without the module."""
    from tuxcare.errors import TuxcareError

    return TuxcareError


def _goes_in_header(paths: "HostPaths", problems: "List[str]") -> bool:
    """Whether tuxcare.conf chooses the header. It is parsed only where it speaks of the choice."""
    try:
        if "token_in" not in (hostfiles.read_text(paths.tuxcare_conf) or ""):
            return False
        from tuxcare import host

        return host.read_tuxcare_conf(paths).token_in == host.TOKEN_IN_HEADER
    except _own_errors() as error:
        problems.append(error.message)
    except PermissionError:
        pass
    return False


def _release(paths: "HostPaths") -> "Optional[str]":
    """The followed release; None for a root with nothing in it yet."""
    chosen = hostfiles.read_releasever_var(paths)
    if chosen is not None:
        return chosen
    if not any(map(_exists, [paths.releasever_var, paths.almalinux_release] + paths.os_release)):
        return None
    return hostfiles.read_release(paths).version


def _exists(path: str) -> bool:
    return hostfiles.read_text(path) is not None


def _first(
    read: "Callable[[HostPaths], Optional[T]]",
    places: "Iterable[HostPaths]",
    problems: "List[str]",
) -> "Tuple[Optional[T], Optional[HostPaths]]":
    """The first value that a root has, and that root."""
    for paths in places:
        try:
            value = read(paths)
        except PermissionError:
            # The token is root's alone: other users simply do without these repositories.
            return None, None
        except _own_errors() as error:
            problems.append(error.message)
            return None, None
        if value is not None:
            return value, paths
    return None, None


def unset_variables(texts: "Iterable[str]") -> "List[str]":
    """Our variables that are still literal in these option values, sorted."""
    suspects = [text for text in texts if "tuxcare_" in text]
    pairs = [pair for text in suspects for pair in re.findall(_UNSET, text)]
    return sorted({found for pair in pairs for found in pair if found})


def explain_unset(repositories: "Iterable[str]", names: "Iterable[str]", registered: bool) -> str:
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
