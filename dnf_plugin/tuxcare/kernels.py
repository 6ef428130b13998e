"""Which installonly packages make room for new ones. Pure.

dnf evicts the oldest beyond installonly_limit, and a validated kernel is soon the oldest. It must
stay, so here the oldest that may go goes, with all that was built with it.
"""

from collections import defaultdict

from tuxcare.pins import Package

TYPE_CHECKING = False  # typing costs more to load than all of this
if TYPE_CHECKING:
    from typing import Callable, Dict, Iterable, List, Optional, Sequence, Set


def crowded(
    installed: "Iterable[Package]", may_go: "Callable[[Package], bool]", limit: int
) -> bool:
    """Whether the next version of some package that has a keeper would be one too many."""
    return any(
        len(packages) >= limit and not all(map(may_go, packages))
        for packages in _by_name(installed).values()
    )


def surplus(
    installed: "Sequence[Package]",
    arriving: "Iterable[Package]",
    may_go: "Callable[[Package], bool]",
    limit: int,
) -> "List[Package]":
    """The installed packages to remove so that no name has more than `limit` versions.

    If too few of a name may go, it has more than `limit`: better a slot too many than a lost
    validated kernel. Packages of one name but several arches count apart.
    """
    new = _by_name(arriving)
    sources: Set[Optional[str]] = set()
    for name, packages in _by_name(installed).items():
        count = len(packages) + len(new.get(name, ())) - limit
        if name in new and count > 0:
            oldest_first = sorted(filter(may_go, packages), key=lambda package: package.evr)
            sources.update(package.sourcerpm for package in oldest_first[:count])
    return [package for package in installed if package.sourcerpm in sources and may_go(package)]


def _by_name(packages: "Iterable[Package]") -> "Dict[str, List[Package]]":
    found: Dict[str, List[Package]] = defaultdict(list)
    for package in packages:
        found["{}.{}".format(package.name, package.arch)].append(package)
    return found
