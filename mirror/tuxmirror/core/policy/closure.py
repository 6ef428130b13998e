"""What packages need of each other, over all repositories of a tree together.

A filtered tree must offer everything that the whole one offers to the packages that it has. What
upstream itself does not offer is upstream's gap, and no rule's doing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import NamedTuple, Protocol, Union

# What offers something: SHA-256 of packages; or a rich dependency of them, `("and", A, B)`.
Expression = Union[frozenset[str], tuple]  # type: ignore[type-arg]


class Requirement(NamedTuple):
    """A requirement as rpm writes it, and what offers it in the whole tree."""

    text: str
    offered_by: Expression


class Requirements(NamedTuple):
    """Of all packages of one arch's repositories. `of` names requirements by their number."""

    known: tuple[Requirement, ...]
    of: Mapping[str, tuple[int, ...]]


class Dependencies(Protocol):
    """What the packages of all repositories of one arch are to each other; by SHA-256."""

    @property
    def requirements(self) -> Requirements: ...

    def not_installable(self, among: Set[str]) -> Mapping[str, str]:
        """Those of `among` that an empty host cannot install from `among` alone, and why not."""

    def installed_with(self, package: str, among: Set[str], rather: Set[str]) -> Set[str]:
        """What an empty host installs with it, itself included, of `among`; nothing where it
        cannot. `rather` are preferred where there is a choice."""


class Gap(NamedTuple):
    """A package, by SHA-256, whose requirement nothing chosen offers any more."""

    package: str
    requirement: Requirement


def holds(expression: Expression, chosen: Set[str]) -> bool:
    """Whether the chosen packages can offer it.

    Conditions count where what they ask for is chosen: it may be installed then.
    """
    if isinstance(expression, frozenset):
        return not expression.isdisjoint(chosen)
    operator, *sides = expression
    results = [holds(side, chosen) for side in sides]
    if operator == "and":
        return all(results)
    if operator == "or":
        return any(results)
    if operator == "if":
        otherwise = results[2] if len(results) > 2 else True
        return results[0] if results[1] else otherwise
    if operator == "unless":
        otherwise = results[2] if len(results) > 2 else True
        return results[0] or (results[1] and otherwise)
    raise ValueError(f"no such operator: {operator}")


def offering(expression: Expression) -> set[str]:
    """All packages that have a part in it."""
    if isinstance(expression, frozenset):
        return set(expression)
    return {package for side in expression[1:] for package in offering(side)}


def lacking(expression: Expression, chosen: Set[str]) -> set[str]:
    """Packages that are not chosen, each of which helps an expression to hold that does not."""
    if isinstance(expression, frozenset):
        return set(expression - chosen)
    operator, *sides = expression
    if operator in ("if", "unless"):
        condition, otherwise = sides[1], sides[2:]
        asked = [sides[0]] if operator == "unless" or holds(condition, chosen) else []
        asked += otherwise if (operator == "if") != holds(condition, chosen) else []
    else:
        asked = sides
    return {p for side in asked if not holds(side, chosen) for p in lacking(side, chosen)}


def gaps(requirements: Requirements, universe: Set[str], chosen: Set[str]) -> list[Gap]:
    """What filtering took away from packages that are chosen."""
    broken = {
        number
        for number, requirement in enumerate(requirements.known)
        if not holds(requirement.offered_by, chosen) and holds(requirement.offered_by, universe)
    }
    if not broken:
        return []
    return [
        Gap(package, requirements.known[number])
        for package in sorted(chosen)
        for number in requirements.of.get(package, ())
        if number in broken
    ]


def missing_upstream(requirements: Requirements, universe: Iterable[str]) -> int:
    """How many requirements nothing in the whole tree offers."""
    everything = set(universe)
    return sum(not holds(r.offered_by, everything) for r in requirements.known)


def orphans(requirements: Requirements, universe: Set[str]) -> set[str]:
    """Packages of `universe` that need what nothing of it offers, or only orphans do.

    A tree that stands on another has them: no host installs them from this one, whatever is chosen.
    Conditions count as met.
    """
    left = set(universe)
    while True:
        never = {n for n, r in enumerate(requirements.known) if _never(r.offered_by, left)}
        found = {p for p in left if not never.isdisjoint(requirements.of.get(p, ()))}
        if not found:
            return set(universe) - left
        left -= found


def _never(expression: Expression, offered: Set[str]) -> bool:
    if isinstance(expression, frozenset):
        return expression.isdisjoint(offered)
    operator, *sides = expression
    if operator == "and":
        return any(_never(side, offered) for side in sides)
    return operator == "or" and all(_never(side, offered) for side in sides)
