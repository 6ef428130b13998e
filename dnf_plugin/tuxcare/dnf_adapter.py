"""dnf's packages and transactions as the plain values that the pins judge."""

import os

import dnf
import dnf.rpm
import dnf.transaction
import hawkey
import libdnf.transaction

from tuxcare import host, manifest, provenance
from tuxcare.dnf_repos import repository_urls
from tuxcare.host import HostPaths, TuxcareConf
from tuxcare.pins import Change, Leaving, Package, Pins
from tuxcare.provenance import Source

TYPE_CHECKING = False  # typing costs more to load than all of this
if TYPE_CHECKING:
    from typing import Any, Dict, FrozenSet, Iterable, List, Optional, Sequence, Tuple


# dnf's own default. The option can also name a library, which must not go like an old kernel.
_INSTALLONLY = frozenset([
    "kernel", "kernel-PAE", "installonlypkg(kernel)", "installonlypkg(kernel-module)",
    "installonlypkg(vm)", "multiversion(kernel)",
])  # fmt: skip


def load_pins(base: dnf.Base) -> "Optional[Pins]":
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
    return Pins.from_manifest(found, choice.mode, _arches(base, found), trust)


def _arches(base: dnf.Base, found: manifest.Manifest) -> "FrozenSet[str]":
    """The base arch that dnf works with, and those of the pinned packages that are installed.

    `--forcearch` says the one for this command; it changes nothing about what the host is.
    """
    names = [binary.name for pin in found.pins for binary in pin.binaries]
    installed = every_package(base).installed().filter(name=names)
    arches = {dnf.rpm.basearch(package.arch) for package in installed}
    return frozenset(arches | {base.conf.basearch})


def to_package(package: "Any") -> Package:
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
        self._checker: Any = None
        self._urls: Dict[str, Tuple[str, ...]] = {}
        self._verdicts: Dict[Tuple[Any, ...], Optional[str]] = {}

    def __call__(self, package: Package, repositories: "Sequence[str]") -> "Optional[str]":
        remote: Any = package.ref
        if remote.reponame == hawkey.CMDLINE_REPO_NAME:
            problem = self._signature_problem(package)
            return "is a local package and {}".format(problem) if problem else None
        problem = self._source_problem(remote, tuple(repositories))
        path = local_path(remote) if problem else None
        if path is None or not os.path.exists(path):
            return problem
        signature_problem = self._signature_problem(package)
        return "{}, and {}".format(problem, signature_problem) if signature_problem else None

    def _source_problem(self, remote: "Any", repositories: "Tuple[str, ...]") -> "Optional[str]":
        key = (remote.reponame, remote.baseurl, repositories)
        if key not in self._verdicts:
            urls = self._repository_urls(remote.reponame)
            if remote.baseurl:  # xml:base in the metadata
                urls += (remote.baseurl,)
            self._verdicts[key] = provenance.source_problem(
                Source(remote.reponame, urls), repositories, self._content_url
            )
        return self._verdicts[key]

    def _repository_urls(self, name: str) -> "Tuple[str, ...]":
        if name not in self._urls:
            repo = self._base.repos.get(name)
            self._urls[name] = repository_urls(repo) if repo is not None else ()
        return self._urls[name]

    def _signature_problem(self, package: Package) -> "Optional[str]":
        if self._checker is None:
            from tuxcare.signature import KeyChecker

            self._checker = KeyChecker(self._key_path, self._fingerprint)
        return self._checker.problem(local_path(package.ref), package[:6])


def local_path(package: "Any") -> "Optional[str]":
    """The file of a package that needs no download; None for one that does."""
    return package.localPkg() if package._is_local_pkg() else None


def every_package(base: dnf.Base) -> "Any":
    """A query over all of the sack, whatever anybody excludes."""
    return base.sack.query(flags=hawkey.IGNORE_EXCLUDES)


def installonly_packages(base: dnf.Base, everything: "Any") -> "List[Any]":
    """The installed packages of which several versions may be installed (kernels)."""
    provides = [name for name in base.conf.installonlypkgs if name in _INSTALLONLY]
    return list(everything.installed().filter(provides=provides)) if provides else []


# --- the transaction ------------------------------------------------------------------------------


def to_change(base: dnf.Base, rules: Pins) -> Change:
    """What the resolved transaction does to pinned packages."""
    arriving: List[Package] = []
    leaving: List[Tuple[int, Package]] = []
    for item in base.transaction or ():
        if item.action in dnf.transaction.FORWARD_ACTIONS:
            arriving.append(to_package(item.pkg))
        elif item.action in _LEAVING_ACTIONS:
            package = to_package(item.pkg)
            if rules.pin_of(package) is not None:
                leaving.append((item.action, package))
    if not leaving:
        return Change(arriving=tuple(arriving))
    everything = every_package(base)
    installonly = set(installonly_packages(base, everything))
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


def _replacements(
    base: dnf.Base, arriving: "Iterable[Package]"
) -> "Dict[Any, Tuple[Package, ...]]":
    found: Dict[Any, Tuple[Package, ...]] = {}
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
