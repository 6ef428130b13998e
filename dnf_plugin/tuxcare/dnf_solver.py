"""What the pins do to dnf's solver before it runs, and what they say where it fails.

`dnf upgrade` has to stay silent and move everything else, so forbidden builds are taken out of
sight rather than refused; and a solver that cannot find a way because of that must say why.
"""

import fnmatch
import logging

import dnf
import dnf.exceptions
import dnf.subject
import dnf.util
import hawkey

from tuxcare import kernels, pins
from tuxcare.dnf_adapter import every_package, installonly_packages, to_package
from tuxcare.dnf_versions import command_removals, command_specs, is_reinstall
from tuxcare.pins import Change, Leaving, Package, Pins, Violation

TYPE_CHECKING = False  # typing costs more to load than all of this
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional, Sequence

logger = logging.getLogger("dnf.plugin")


class SolverGuard:
    """The pins at work on one filled sack and its goal."""

    def __init__(self, base: dnf.Base, rules: Pins) -> None:
        self._base = base
        self._rules = rules
        self._everything = every_package(base)
        names = rules.names
        self._pinned = [
            to_package(package)
            for package in self._everything.installed()
            if package.name in names or rules.pins_source(package.sourcerpm)
        ]
        self._installonly = set(installonly_packages(base, self._everything))
        self._hidden: List[Violation] = []
        self._kept: List[Package] = []
        self._removals: List[str] = []

    def apply(self, cli: "Any") -> None:
        """Raises dnf.exceptions.Error where the command line asks for what is forbidden."""
        self._removals = command_removals(cli)
        self._hide()
        self._protect()
        asked = self._asked_for(command_specs(cli), is_reinstall(cli))
        if asked:
            raise dnf.exceptions.Error(self._explain(asked))
        self._base._ds_callback = _WatchingCallback(self._base._ds_callback, self)

    def _explain(self, violations: "Sequence[Violation]") -> str:
        return pins.explain(violations, self._rules.mode, self._rules.release)

    def _hide(self) -> None:
        """Forbidden builds, and what would obsolete a build that must stay."""
        names = self._rules.names.union(package.name for package in self._pinned)
        available = self._everything.available()
        found = map(self._rules.check_arriving, map(to_package, available.filter(name=list(names))))
        self._hidden = [violation for violation in found if violation]
        self._hidden += self._obsoleters(available)
        if self._hidden:
            hidden = [violation.package.ref for violation in self._hidden]
            self._base.sack.add_excludes(self._everything.filter(pkg=hidden))
        logger.debug(
            "tuxcare: FIPS pins (%s) hide %d packages", self._rules.mode, len(self._hidden)
        )

    def _obsoleters(self, query: "Any") -> "List[Violation]":
        """What would obsolete an installed pinned package, validated or not there yet."""
        if not self._pinned:
            return []
        staying = self._everything.filter(pkg=[package.ref for package in self._pinned])
        suspects = [
            package
            for package in map(to_package, query.filter(obsoletes=staying))
            if self._rules.pin_of(package) is None
        ]
        found = [self._obsoleting(suspect) for suspect in suspects]
        return [violation for violation in found if violation]

    def _obsoleting(self, suspect: Package) -> "Optional[Violation]":
        """Which package it is that `suspect` would replace."""
        alone = self._everything.filter(pkg=[suspect.ref])
        for package in self._pinned:
            pin = self._rules.pin_of(package)
            if pin and alone.filter(obsoletes=self._everything.filter(pkg=[package.ref])):
                return Violation(suspect, pin, "would replace {}".format(package))
        return None

    def _protect(self) -> None:
        """Tells the solver's own guard which installed builds must not go."""
        state = Change(staying=tuple(self._pinned))
        for package in self._pinned:
            leaving = Leaving(package, (), package.ref in self._installonly)
            if self._rules.check(state._replace(leaving=(leaving,))):
                self._kept.append(package)
        if self._kept:
            kept = [package.ref for package in self._kept]
            self._base._goal.add_protected(self._everything.filter(pkg=kept))

    def _asked_for(self, specs: "Sequence[str]", anew: bool) -> "List[Violation]":
        """The hidden builds that the command line names and nothing in sight offers.

        dnf would only say that nothing matches. With `anew` what is installed is no offer.
        """
        if not specs or not self._hidden:
            return []
        hidden = self._everything.filter(pkg=[found.package.ref for found in self._hidden])
        asked = set()
        for spec in specs:
            subject = dnf.subject.Subject(spec)
            matching = subject.get_best_query(self._base.sack, query=hidden, with_provides=False)
            offered = subject.get_best_query(self._base.sack)
            if matching and not (offered.available() if anew else offered):
                asked.update(matching)
        return [violation for violation in self._hidden if violation.package.ref in asked]

    def make_room(self) -> None:
        """Evicts kernels as installonly_limit asks, but none that must stay.

        Only where libdnf's own choice could fall on one of those: it is switched off for this
        command, the goal is solved once on trial, and the oldest others get an erase job.
        """
        limit = self._base.conf.installonly_limit
        installed = [
            to_package(package)
            for package in self._everything.installed().filter(pkg=list(self._installonly))
        ]
        if not limit or not kernels.crowded(installed, self._may_go, limit):
            return
        goal = self._base._goal
        self._base.sack.installonly_limit = 0
        if goal.run(allow_uninstall=True, force_best=False, ignore_weak_deps=True):
            going = set(goal.list_erasures())
            for package in kernels.surplus(
                [package for package in installed if package.ref not in going],
                map(to_package, goal.list_installs() + goal.list_upgrades()),
                self._may_go,
                limit,
            ):
                logger.debug("tuxcare: %s makes room; a validated kernel stays", package)
                goal.erase(package.ref)

    def _may_go(self, package: Package) -> bool:
        running = self._base.sack.get_running_kernel()
        if running is not None and (running.version, running.release) == package[2:4]:
            return False
        return all(package.ref != kept.ref for kept in self._kept)

    def explain_failure(self) -> None:
        """Raises an Error with dnf's reasons and ours where the pins made the solver fail."""
        goal = self._base._goal
        if not goal.count_problems():
            return
        text = dnf.util._format_resolve_problems(goal.problem_rules())
        words = set(text.replace(",", " ").split())
        local = self._everything.filter(reponame=hawkey.CMDLINE_REPO_NAME)
        candidates = [self._rules.check_arriving(to_package(package)) for package in local]
        violations = [found for found in candidates if found] + self._obsoleters(local)
        violations += [found for found in self._hidden if str(found.package) in words]
        if not violations:
            violations = self._losses(words)
        if violations:
            raise dnf.exceptions.Error("{}\n{}".format(text, self._explain(violations)))

    def _losses(self, words: "Any") -> "List[Violation]":
        """The builds that must stay and that dnf's reasons or the command line speak of."""
        named = [
            package
            for package in self._kept
            if words & {package.name, str(package)}
            or any(fnmatch.fnmatch(package.name, pattern) for pattern in self._removals)
        ]
        return self._rules.check(Change(leaving=tuple(map(Leaving, named))))


class _WatchingCallback:
    """dnf's depsolve callback, with the guard told when the solver starts and ends."""

    def __init__(self, callback: "Any", guard: SolverGuard) -> None:
        self._callback = callback
        self._guard = guard

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._callback, name)

    def start(self) -> None:
        self._callback.start()
        _or_stop(self._guard.make_room)

    def end(self) -> None:
        self._callback.end()
        _or_stop(self._guard.explain_failure)


def _or_stop(step: "Callable[[], None]") -> None:
    """dnf expects no exception but its own from a callback, and would show a traceback."""
    try:
        step()
    except dnf.exceptions.Error:
        raise
    except Exception as error:
        raise dnf.exceptions.Error(
            "tuxcare: the FIPS pins cannot be applied, so nothing is changed: {!r}".format(error)
        ) from error
