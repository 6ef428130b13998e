"""The rules of the FIPS pins, over plain values. Pure: no dnf, no rpm, no files.

A package is pinned when its name is listed as a binary of a pin, or when it was built from a
pinned source: either alone leaves a gap (nspr and bpftool have versions of their own; a look-alike
`openssl-libs` may come from another source). Arches: a pin that is validated on this host's arch
holds for every package there, i686 included; elsewhere it does not hold at all.

    mode      an arriving package must be
    strict    a validated build
    patched   a validated build, or a newer one whose release carries `.tuxcare.`

and comes, either way, from where `Trust` says it may. An installed build that is so does not leave:
not by removal, not by being obsoleted, not by installonly_limit. Of installonly packages (kernels)
only validated builds are kept, and an older validated generation may leave while a newer one stays:
otherwise the kernels that must stay would fill up every slot.
"""

from tuxcare.host import MODE_PATCHED, MODE_STRICT
from tuxcare.manifest import Binary, Manifest, Pin
from tuxcare.nevra import Evr, SourceNevr, parse_sourcerpm

TYPE_CHECKING = False  # typing costs more to load than all of this
if TYPE_CHECKING:
    from typing import (
        Callable,
        Dict,
        FrozenSet,
        List,
        NamedTuple,
        Optional,
        Sequence,
        Tuple,
    )
else:
    from tuxcare.values import NamedTuple

TUXCARE_RELEASE = ".tuxcare."

VALIDATED = "validated"
PATCHED = "patched"


class Package(NamedTuple):
    """A binary package. `ref` is the caller's own handle; no rule looks at it."""

    name: str
    epoch: int
    version: str
    release: str
    arch: str
    sourcerpm: "Optional[str]"
    ref: object = None

    @property
    def evr(self) -> Evr:
        return Evr(self.epoch, self.version, self.release)

    def __str__(self) -> str:
        return "{}-{}.{}".format(self.name, self.evr, self.arch)


# What is wrong with where a package comes from, None if nothing; the second argument holds the ids
# of the repositories that it may come from.
if TYPE_CHECKING:
    Trust = Callable[[Package, Sequence[str]], Optional[str]]


class Leaving(NamedTuple):
    """An installed package that leaves; `replaced_by` are the arriving packages that replace it."""

    package: Package
    replaced_by: "Tuple[Package, ...]" = ()
    installonly: bool = False


class Change(NamedTuple):
    """What a transaction would do. `staying` need only hold installonly packages."""

    arriving: "Tuple[Package, ...]" = ()
    leaving: "Tuple[Leaving, ...]" = ()
    staying: "Tuple[Package, ...]" = ()


class Violation(NamedTuple):
    """One problem: what must not happen to which package, and the pin that says so."""

    package: Package
    pin: Pin
    problem: str

    def __str__(self) -> str:
        builds = " or ".join(str(build) for build in self.pin.builds)
        return "{} {}; pinned to {} ({})".format(
            self.package, self.problem, builds, self.pin.certificate_text
        )


class Pins:
    """The pins of one host in one mode."""

    def __init__(
        self,
        release: str,
        mode: str,
        pins: "Sequence[Pin]",
        patched_repositories: "Sequence[str]",
        trust: "Trust",
    ) -> None:
        if mode not in (MODE_STRICT, MODE_PATCHED):
            raise ValueError("no mode that pins: {!r}".format(mode))
        self.release = release
        self.mode = mode
        self._trust = trust
        self._patched_repositories = patched_repositories
        self._by_source: Dict[str, Pin] = {pin.source: pin for pin in pins}
        self._binaries: Dict[str, Tuple[Pin, Binary]] = {}
        for pin in pins:
            for binary in pin.binaries:
                self._binaries[binary.name] = (pin, binary)

    @classmethod
    def from_manifest(
        cls, manifest: Manifest, mode: str, arches: "FrozenSet[str]", trust: "Trust"
    ) -> "Pins":
        """The pins that hold on a host of any of `arches` (base arches such as `x86_64`)."""
        pins = [pin for pin in manifest.pins if not arches.isdisjoint(pin.arches)]
        return cls(manifest.release, mode, pins, manifest.patched_repositories, trust)

    @property
    def names(self) -> "FrozenSet[str]":
        """Every listed binary name."""
        return frozenset(self._binaries)

    def pins_source(self, sourcerpm: "Optional[str]") -> bool:
        """Whether what was built from this source package is pinned."""
        # Asked of everything that is installed, of which hardly any is.
        if not sourcerpm or sourcerpm.rsplit("-", 2)[0] not in self._by_source:
            return False
        return parse_sourcerpm(sourcerpm) is not None

    def pin_of(self, package: Package) -> "Optional[Pin]":
        """The pin that holds for a package, None where none does."""
        if package.name in self._binaries:
            return self._binaries[package.name][0]
        source = parse_sourcerpm(package.sourcerpm)
        return self._by_source.get(source.name) if source else None

    def satisfied_by(self, package: Package) -> bool:
        """Whether an installed package is a build that its pin asks for."""
        pin = self.pin_of(package)
        return pin is not None and self._judge(pin, package).kind is not None

    def is_validated(self, package: Package) -> bool:
        """Whether an installed package is one of its pin's validated builds."""
        pin = self.pin_of(package)
        return pin is not None and self._judge(pin, package).kind == VALIDATED

    def check(self, change: Change) -> "List[Violation]":
        """Every problem of a transaction, in a stable order, one for each package."""
        violations = [self.check_arriving(package) for package in change.arriving]
        violations += [self._check_leaving(leaving, change) for leaving in change.leaving]
        return sorted((found for found in violations if found), key=lambda found: str(found))

    def check_arriving(self, package: Package) -> "Optional[Violation]":
        """Whether a package may be installed, by whatever way."""
        pin = self.pin_of(package)
        if pin is None:
            return None
        build = self._judge(pin, package)
        if build.kind is None:
            return Violation(package, pin, build.problem)
        allowed = pin.repositories if build.kind == VALIDATED else self._patched_repositories
        problem = self._trust(package, allowed)
        return Violation(package, pin, problem) if problem else None

    def _check_leaving(self, leaving: Leaving, change: Change) -> "Optional[Violation]":
        package = leaving.package
        pin = self.pin_of(package)
        if pin is None:
            return None
        build = self._judge(pin, package)
        if build.kind is None or any(
            self._carries_on(pin, package, new) for new in leaving.replaced_by
        ):
            return None
        if leaving.installonly and (
            build.kind == PATCHED or self._is_superseded(pin, package, change)
        ):
            return None
        if leaving.replaced_by:
            names = ", ".join(sorted(str(new) for new in leaving.replaced_by))
            return Violation(package, pin, "must not be replaced by " + names)
        return Violation(package, pin, "must not be removed")

    def _carries_on(self, pin: Pin, old: Package, new: Package) -> bool:
        """Whether `new` takes the place of `old` as far as its pin is concerned.

        A package of the same name has been judged as it arrives: no need to say it twice.
        """
        if new.name == old.name:
            return True
        return self.pin_of(new) is pin and self._judge(pin, new).kind is not None

    def _is_superseded(self, pin: Pin, old: Package, change: Change) -> bool:
        old_evr = old.evr
        return any(
            new.name == old.name
            and new.arch == old.arch
            and new.evr > old_evr
            and self._judge(pin, new).kind == VALIDATED
            for new in change.staying + change.arriving
        )

    def _judge(self, pin: Pin, package: Package) -> "_Build":
        source = parse_sourcerpm(package.sourcerpm)
        if source is None or source.name != pin.source:
            return _Build(None, _look_alike(pin, package))
        binary = self._binaries.get(package.name, (pin, Binary(package.name, follows=False)))[1]
        if source in pin.builds:
            expected = _expected(pin, binary, source)
            if expected is not None and not _fits(expected, package):
                return _Build(None, "is not {}, its version in that build".format(expected))
            return _Build(VALIDATED, "")
        if self.mode == MODE_STRICT:
            return _Build(None, "is not a validated build, and mode is strict")
        if TUXCARE_RELEASE not in source.release or not source.evr > pin.builds[-1].evr:
            return _Build(None, "is neither a validated build nor a newer TuxCare one")
        if binary.follows and package.epoch != pin.epoch:
            return _Build(None, "has epoch {}, not {}".format(package.epoch, pin.epoch))
        return _Build(PATCHED, "")


class _Build(NamedTuple):
    """What a package is to its pin: VALIDATED, PATCHED, or None because of `problem`."""

    kind: "Optional[str]"
    problem: str


def _look_alike(pin: Pin, package: Package) -> str:
    if not package.sourcerpm:
        return "names no source package, {} expected".format(pin.source)
    return "is built from {}, not from {}".format(package.sourcerpm, pin.source)


def _expected(pin: Pin, binary: Binary, source: SourceNevr) -> "Optional[Evr]":
    """The version that a binary has in a validated build; None where any will do."""
    if binary.follows:
        return Evr(pin.epoch, source.version, source.release)
    return binary.evr


def _fits(expected: Evr, package: Package) -> bool:
    """Spelt alike, not only equal in order. An expected release that is empty fits any."""
    if (expected.epoch, expected.version) != (package.epoch, package.version):
        return False
    return not expected.release or expected.release == package.release


def explain(violations: "Sequence[Violation]", mode: str, release: str) -> str:
    """What people read: one problem a line, then the way out."""
    lines = ["FIPS mode '{}' of AlmaLinux {} forbids this:".format(mode, release)]
    lines += ["  " + str(violation) for violation in violations]
    if mode == MODE_STRICT:
        lines.append("To let TuxCare's FIPS-compliant security updates in: tuxctl fips enable")
    lines.append(
        "To see what is validated: tuxctl fips status; to give the pins up: tuxctl fips disable"
    )
    return "\n".join(lines)
