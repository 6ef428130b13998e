"""The pins and variables applied to a dnf Base: all that knows dnf's inside is here.

What differs between dnf 4.7 (EL8), 4.14 (EL9) and 4.20 (EL10) is at the end, in one place.
"""

import logging
import os
from typing import Any, Dict, Iterable, List, Optional, Sequence, Set, Tuple

import dnf
import dnf.exceptions
import dnf.subject
import dnf.transaction
import dnf.util
import hawkey
import libdnf.transaction

from tuxcare import host, manifest, pins, provenance, variables
from tuxcare.host import HostPaths, TuxcareConf
from tuxcare.pins import Change, Leaving, Package, Pins, Violation
from tuxcare.provenance import Source
from tuxcare.redact import Redactor

logger = logging.getLogger("dnf.plugin")


def load_pins(base: dnf.Base) -> Optional[Pins]:
    """The pins of the root that `base` works on; None where FIPS mode is off.

    Raises TuxcareError, PermissionError.
    """
    paths = HostPaths(base.conf.installroot)
    choice = host.read_fips(paths)
    if not choice.is_on:
        return None
    found = manifest.load(paths, choice.release or "")
    manifest.require_mode(found, choice.mode)
    trust = RepositoryTrust(
        base, host.read_content_url(paths), paths, host.read_tuxcare_conf(paths)
    )
    return Pins.from_manifest(found, choice.mode, base.conf.basearch, trust)


def to_package(package: Any) -> Package:
    """A hawkey package as a plain value that remembers it."""
    return Package(
        package.name,
        int(package.epoch),
        package.version,
        package.release,
        package.arch,
        package.sourcerpm,
        package,
    )


class RepositoryTrust:
    """pins.Trust for dnf packages.

    One from a named repository at the content server is trusted; any other must be a file that is
    readable by now and signed by the TuxCare key.
    """

    def __init__(
        self, base: dnf.Base, content_url: str, paths: HostPaths, conf: TuxcareConf
    ) -> None:
        self._base = base
        self._content_url = content_url
        self._key_path = paths.join(conf.key)
        self._fingerprint = conf.fingerprint
        self._checker = None  # type: Any
        self._urls = {}  # type: Dict[str, Tuple[str, ...]]
        self._verdicts = {}  # type: Dict[Tuple[Any, ...], Optional[str]]

    def __call__(self, package: Package, repositories: Sequence[str]) -> Optional[str]:
        remote = package.ref  # type: Any
        if remote.reponame == hawkey.CMDLINE_REPO_NAME:
            problem = self._signature_problem(package)
            return "is a local package and {}".format(problem) if problem else None
        problem = self._source_problem(remote, tuple(repositories))
        path = local_path(remote) if problem else None
        if path is None or not os.path.exists(path):
            return problem
        signature_problem = self._signature_problem(package)
        return "{}, and {}".format(problem, signature_problem) if signature_problem else None

    def _source_problem(self, remote: Any, repositories: Tuple[str, ...]) -> Optional[str]:
        key = (remote.reponame, remote.baseurl, repositories)
        if key not in self._verdicts:
            urls = self._repository_urls(remote.reponame)
            if remote.baseurl:  # xml:base in the metadata
                urls += (remote.baseurl,)
            self._verdicts[key] = provenance.source_problem(
                Source(remote.reponame, urls), repositories, self._content_url
            )
        return self._verdicts[key]

    def _repository_urls(self, name: str) -> Tuple[str, ...]:
        if name not in self._urls:
            repo = self._base.repos.get(name)
            self._urls[name] = repository_urls(repo) if repo is not None else ()
        return self._urls[name]

    def _signature_problem(self, package: Package) -> Optional[str]:
        if self._checker is None:
            from tuxcare.signature import KeyChecker

            self._checker = KeyChecker(self._key_path, self._fingerprint)
        return self._checker.problem(local_path(package.ref), package[:6])


def repository_urls(repo: Any) -> Tuple[str, ...]:
    """Everything a repository may be fetched from, as dnf will use it."""
    urls = tuple(repo.baseurl or ())
    return urls + tuple(url for url in (repo.mirrorlist, repo.metalink) if url)


def local_path(package: Any) -> Optional[str]:
    """The file of a package that needs no download; None for one that does."""
    return package.localPkg() if package._is_local_pkg() else None


# --- before solving -------------------------------------------------------------------------------


def hide_forbidden(base: dnf.Base, rules: Pins) -> List[Violation]:
    """Takes forbidden builds, and what obsoletes a build in place, out of the solver's sight."""
    everything = base.sack.query(flags=hawkey.IGNORE_EXCLUDES)
    installed = _installed_pinned(everything, rules)
    names = rules.names.union(package.name for package in installed)
    candidates = everything.available().filter(name=sorted(names))
    violations = [
        found for found in map(rules.check_arriving, map(to_package, candidates)) if found
    ]
    hidden = [violation.package.ref for violation in violations]
    kept = [package for package in installed if rules.satisfied_by(to_package(package))]
    if kept:
        hidden += _obsoleters(everything, kept, rules)
    if hidden:
        base.sack.add_excludes(everything.filter(pkg=hidden))
    logger.debug("tuxcare: FIPS pins hide %d packages from this command", len(hidden))
    return violations


def _installed_pinned(everything: Any, rules: Pins) -> List[Any]:
    return [
        package
        for package in everything.installed()
        if package.name in rules.names or rules.pins_source(package.sourcerpm)
    ]


def _obsoleters(everything: Any, kept: List[Any], rules: Pins) -> List[Any]:
    kept_query = everything.filter(pkg=kept)
    return [
        package
        for package in everything.available().filter(obsoletes=kept_query)
        if rules.pin_of(to_package(package)) is None
    ]


def protect_validated(base: dnf.Base, rules: Pins) -> None:
    """Tells the solver's guard which installed builds must not go, and dnf why."""
    everything = base.sack.query(flags=hawkey.IGNORE_EXCLUDES)
    pinned = [to_package(package) for package in _installed_pinned(everything, rules)]
    installonly = _installonly(base, everything)
    state = Change(staying=tuple(pinned))
    kept = [
        violation.package
        for package in pinned
        for violation in rules.check(
            state._replace(leaving=(Leaving(package, (), package.ref in installonly),))
        )
    ]
    if kept:
        base._goal.add_protected(everything.filter(pkg=[package.ref for package in kept]))
        base._ds_callback = _ExplainingCallback(base, base._ds_callback, rules, kept)


def _installonly(base: dnf.Base, everything: Any) -> Set[Any]:
    return set(everything.installed().filter(provides=list(base.conf.installonlypkgs)))


class _ExplainingCallback:
    """dnf's depsolve callback; where the guard stopped the solver it says what dnf cannot know."""

    def __init__(self, base: dnf.Base, callback: Any, rules: Pins, kept: List[Package]) -> None:
        self._base = base
        self._callback = callback
        self._rules = rules
        self._kept = kept

    def __getattr__(self, name: str) -> Any:
        return getattr(self._callback, name)

    def end(self) -> None:
        self._callback.end()
        goal = self._base._goal
        if not goal.count_problems():
            return
        text = dnf.util._format_resolve_problems(goal.problem_rules())
        words = set(text.replace(",", " ").split())
        named = [package for package in self._kept if package.name in words]
        change = Change(leaving=tuple(Leaving(package) for package in named))
        violations = self._rules.check(change)
        if violations:
            reasons = pins.explain(violations, self._rules.mode, self._rules.release)
            raise dnf.exceptions.Error(text + "\n" + reasons)


def refuse_forbidden_specs(
    base: dnf.Base, cli: Any, violations: List[Violation]
) -> List[Violation]:
    """Those of the hidden builds that the command line asks for by name and nothing else offers.

    dnf would only say that nothing matches.
    """
    specs = command_specs(cli)
    if not specs or not violations:
        return []
    hidden = base.sack.query(flags=hawkey.IGNORE_EXCLUDES).filter(
        pkg=[violation.package.ref for violation in violations]
    )
    asked = set()  # type: Set[Any]
    for spec in specs:
        subject = dnf.subject.Subject(spec)
        matching = subject.get_best_query(base.sack, query=hidden, with_provides=False)
        if matching and not subject.get_best_query(base.sack):
            asked.update(matching)
    return [violation for violation in violations if violation.package.ref in asked]


# --- the transaction ------------------------------------------------------------------------------


def to_change(base: dnf.Base, rules: Pins) -> Change:
    """What the resolved transaction does to pinned packages."""
    arriving, leaving = [], []  # type: Tuple[List[Package], List[Tuple[int, Package]]]
    for item in base.transaction or ():
        if item.action in dnf.transaction.FORWARD_ACTIONS:
            arriving.append(to_package(item.pkg))
        elif item.action in _LEAVING_ACTIONS:
            package = to_package(item.pkg)
            if rules.pin_of(package) is not None:
                leaving.append((item.action, package))
    if not leaving:
        return Change(arriving=tuple(arriving))
    everything = base.sack.query(flags=hawkey.IGNORE_EXCLUDES)
    installonly = _installonly(base, everything)
    going = {package.ref for _, package in leaving}
    replaced = _replacements(base, arriving)
    return Change(
        arriving=tuple(arriving),
        leaving=tuple(
            Leaving(
                package,
                () if action == _REMOVE else replaced.get(package.ref, ()),
                package.ref in installonly,
            )
            for action, package in leaving
        ),
        staying=tuple(to_package(package) for package in installonly if package not in going),
    )


def _replacements(base: dnf.Base, arriving: Iterable[Package]) -> Dict[Any, Tuple[Package, ...]]:
    found = {}  # type: Dict[Any, Tuple[Package, ...]]
    for package in arriving:
        for old in base._goal.obsoleted_by_package(package.ref):
            found[old] = found.get(old, ()) + (package,)
    return found


_REMOVE = libdnf.transaction.TransactionItemAction_REMOVE
# dnf leaves REINSTALLED out of BACKWARD_ACTIONS; its replacement is judged like any other.
_LEAVING_ACTIONS = [
    *dnf.transaction.BACKWARD_ACTIONS,
    libdnf.transaction.TransactionItemAction_REINSTALLED,
]


# --- repositories ---------------------------------------------------------------------------------


def disable_unset(base: dnf.Base) -> Tuple[List[str], List[str]]:
    """Disables enabled repositories whose URLs lack a variable: their ids, and the variables."""
    disabled, names = [], set()  # type: Tuple[List[str], Set[str]]
    for repo in base.repos.iter_enabled():
        unset = variables.unset_variables(repository_urls(repo))
        if unset:
            repo.disable()
            disabled.append(repo.id)
            names.update(unset)
    return disabled, sorted(names)


def clean_progress(base: dnf.Base, redactor: Redactor) -> None:
    """Redacts what a download prints. Again after command.configure(), which may replace it."""
    output = getattr(base, "output", None)
    if output is not None and output.progress is not None:
        output.progress = redactor.wrap_progress(output.progress)


def variable_roots(base: dnf.Base) -> List[HostPaths]:
    """Where token and release are read: the installroot, then the host that lends repositories.

    dnf, too, takes repository files and variables of the host for a root that has none.
    """
    root = HostPaths(base.conf.installroot)
    if root.root == "/" or any(
        os.path.abspath(path).startswith(root.root + "/") for path in base.conf.reposdir
    ):
        return [root]
    return [root, HostPaths("/")]


# --- where dnf's versions differ ------------------------------------------------------------------


def is_resolving(cli: Any) -> bool:
    """Whether what runs will resolve, so that the pins must filter.

    Without cli (API) and without a command (dnf-automatic) it does. 4.7's DemandSheet has no
    `plugin_filtering_enabled` in its first builds; None there means: as `resolving` says.
    """
    if cli is None or getattr(cli, "command", None) is None:
        return True
    filtering = getattr(cli.demands, "plugin_filtering_enabled", None)
    return bool(cli.demands.resolving if filtering is None else filtering)


def command_specs(cli: Any) -> List[str]:
    """What the command line names to be installed; commands and versions name the option apart."""
    options = getattr(getattr(cli, "command", None), "opts", None)
    if options is None:
        return []
    specs = []  # type: List[str]
    for name in ("pkg_specs", "packages", "package", "install_spec"):
        value = getattr(options, name, None) or []
        specs += [value] if isinstance(value, str) else [v for v in value if isinstance(v, str)]
    return specs
