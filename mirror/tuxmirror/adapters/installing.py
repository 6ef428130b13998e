"""What an empty host can install of a libsolv pool."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

import solv

_INSTALL = solv.Job.SOLVER_INSTALL | solv.Job.SOLVER_SOLVABLE
_NEVER = solv.Job.SOLVER_LOCK | solv.Job.SOLVER_SOLVABLE
_EXCLUDING = (
    solv.Solver.SOLVER_RULE_PKG_CONFLICTS,
    solv.Solver.SOLVER_RULE_PKG_OBSOLETES,
    solv.Solver.SOLVER_RULE_PKG_SAME_NAME,
)
_RATHER = solv.Job.SOLVER_FAVOR | solv.Job.SOLVER_SOLVABLE


class Installing:
    """`ids` are those of the pool's solvables by SHA-256; all repositories may have the same."""

    def __init__(self, pool: Any, ids: Mapping[str, Sequence[int]]) -> None:
        self._pool = pool
        self._ids = ids
        self._sha = {number: sha for sha, numbers in ids.items() for number in numbers}
        self._asked: tuple[frozenset[str], Mapping[str, str]] | None = None

    def not_installable(self, among: Set[str]) -> Mapping[str, str]:
        """See `core.policy.closure.Dependencies`.

        Many are tried at once, and those that stand in each other's way one by one: of 30,000
        packages few are left for that.
        """
        asked = frozenset(among)
        if self._asked is None or self._asked[0] != asked:
            self._asked = (asked, self._not_installable(asked))
        return self._asked[1]

    def _not_installable(self, among: frozenset[str]) -> dict[str, str]:
        barred = self._barred(among)
        left = {sha: self._ids[sha][0] for sha in sorted(among) if sha in self._ids}
        for layer in self._layers(left.values()):
            wanted = [self._pool.Job(_INSTALL | solv.Job.SOLVER_WEAK, each) for each in layer]
            solver = self._solver()
            if not solver.solve([*barred, *wanted]):
                for solvable in solver.transaction().newsolvables():
                    left.pop(self._sha.get(solvable.id, ""), None)
        found = {}
        for sha, number in left.items():
            solver = self._solver()
            problems = solver.solve([*barred, self._pool.Job(_INSTALL, number)])
            if problems:
                found[sha] = _said(problems[0])
        return found

    def installed_with(self, package: str, among: Set[str], rather: Set[str]) -> frozenset[str]:
        """See `core.policy.closure.Dependencies`."""
        if package not in self._ids or package not in among:
            return frozenset()
        favoured = [self._pool.Job(_RATHER, n) for sha in rather for n in self._ids.get(sha, ())]
        solver = self._solver()
        wanted = self._pool.Job(_INSTALL, self._ids[package][0])
        if solver.solve([*self._barred(among), *favoured, wanted]):
            return frozenset()
        return frozenset(self._sha[s.id] for s in solver.transaction().newsolvables())

    def _solver(self) -> Any:
        solver = self._pool.Solver()
        solver.set_flag(solv.Solver.SOLVER_FLAG_IGNORE_RECOMMENDED, 1)
        return solver

    def _barred(self, among: Set[str]) -> list[Any]:
        return [self._pool.Job(_NEVER, n) for n, sha in self._sha.items() if sha not in among]

    def _layers(self, numbers: Iterable[int]) -> Iterator[list[int]]:
        """One version of each name and arch in each: two never go together."""
        versions: dict[tuple[str, str], list[int]] = {}
        for number in numbers:
            solvable = self._pool.id2solvable(number)
            versions.setdefault((solvable.name, solvable.arch), []).append(number)
        depth = 0
        while layer := [found[depth] for found in versions.values() if len(found) > depth]:
            yield layer
            depth += 1


def _said(problem: Any) -> str:
    """What excludes what, rather than that something needs something."""
    found = [rule.info() for rule in problem.findallproblemrules()]
    excluding = [info for info in found if info.type in _EXCLUDING]
    told = (excluding or found or [problem.findproblemrule().info()])[0]
    return str(told.problemstr())
