"""Rows on the rpm database: what is installed of the pinned packages, who signed it, and whether
their files are those of the packages."""

import re
from typing import Container, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set

from tuxcare import manifest as manifests
from tuxcare.errors import StorageError
from tuxcare.host import FipsChoice, TuxcareConf, followed_release
from tuxcare.manifest import Pin
from tuxcare.pgpkey import key_ids
from tuxcare.pins import TUXCARE_RELEASE, Package, Pins
from tuxctl.context import Context
from tuxctl.fips import builds
from tuxctl.fips.choice import PIN_PACKAGES
from tuxctl.verifying import SKIP, Row, judge

# A line a package: NAME EPOCH VERSION RELEASE ARCH SOURCERPM, then its signature as rpm describes
# it; the tag depends on rpm's age and the kind of key.
_SIGNATURE = (
    "%|DSAHEADER?{%{DSAHEADER:pgpsig}}:{%|RSAHEADER?{%{RSAHEADER:pgpsig}}:"
    "{%|SIGGPG?{%{SIGGPG:pgpsig}}:{%|SIGPGP?{%{SIGPGP:pgpsig}}:{(none)}|}|}|}|"
)
_QUERY = "%{NAME}\\t%{EPOCHNUM}\\t%{VERSION}\\t%{RELEASE}\\t%{ARCH}\\t%{SOURCERPM}\\t" + _SIGNATURE
_KEY_ID = re.compile(r"[Kk]ey ID ([0-9a-fA-F]{16})")
# rpm -V: nine columns, `c` or another letter for the kind of file, the path.
_CHANGED = re.compile(
    r"(?P<tests>[S.?][M.?][5.?]\S{5,6}|missing)\s+(?P<kind>[a-z])?\s*(?P<path>/.*)"
)
_VERIFY_TIMEOUT = 600.0


class _Installed(NamedTuple):
    """A package of the rpm database and the long id of the key that signed it, lower case."""

    package: Package
    key_id: str


def rows(context: Context, conf: TuxcareConf, choice: FipsChoice) -> Iterator[Row]:
    """For a host whose FIPS mode is on. Raises ConfigError, StorageError."""
    arch = context.system.machine()
    manifest = manifests.load(context.paths, choice.release or "")
    rules = builds.pins_of(manifest, choice.mode, arch)
    installed = _installed(context)
    pinned = [item for item in installed if rules.pin_of(item.package)]
    modules = {name for pin in manifest.pins if arch in pin.arches for name in pin.modules}
    yield _release(context, choice)
    yield _builds(rules, modules, pinned)
    yield _tuxcare_builds(rules, pinned)
    yield _signatures(context, conf, rules, pinned)
    yield _files(context, modules, pinned)
    names = {item.package.name for item in installed}
    yield _pin_package(choice, names)
    yield _protected(context, choice)


def _installed(context: Context) -> List[_Installed]:
    root = context.system.root
    argv = ["rpm"] + ([] if root == "/" else ["--root", root]) + ["-qa", "--queryformat"]
    done = context.system.run(argv + [_QUERY + "\\n"])
    if done.status:
        raise StorageError("rpm -qa failed with status {}: {}".format(done.status, done.stderr))
    found = []
    for line in done.stdout.splitlines():
        fields = line.split("\t")
        if len(fields) == 7 and fields[1].isdigit():
            name, epoch, version, release, arch, source, signature = fields
            key = _KEY_ID.search(signature)
            package = Package(name, int(epoch), version, release, arch, source)
            found.append(_Installed(package, key.group(1).lower() if key else ""))
    return found


def _release(context: Context, choice: FipsChoice) -> Row:
    followed = followed_release(context.paths)
    return judge(
        "pins-release",
        None,
        "The pins are those of the release that is followed",
        [] if choice.release == followed else ["{}, not {}".format(choice.release, followed)],
        "'tuxctl releasever' moves both; 'tuxctl fips enable' takes the pins of this release.",
        followed,
    )


def _builds(rules: Pins, modules: Set[str], pinned: Sequence[_Installed]) -> Row:
    """Kernels apart: unvalidated ones may stand beside the validated one that is booted."""
    absent = modules - {item.package.name for item in pinned}
    problems = ["{} is not installed".format(name) for name in absent]
    kernels: Dict[str, bool] = {}
    for item in pinned:
        package, fits = item.package, rules.satisfied_by(item.package)
        pin = rules.pin_of(package)
        if pin is not None and pin.source == "kernel":
            kernels[package.name] = kernels.get(package.name, False) or fits
        elif not fits:
            problems.append(str(package))
    lacking = [name for name, ok in kernels.items() if not ok]
    problems += ["{}: none of those installed".format(name) for name in lacking]
    return judge(
        "pinned-builds",
        None,
        "Every module is installed, and every pinned package is a build that the mode allows",
        sorted(problems),
        "'tuxctl fips enable' brings the host there; 'tuxctl fips status' shows what is meant.",
        "{} packages".format(len(pinned)),
    )


def _tuxcare_builds(rules: Pins, pinned: Sequence[_Installed]) -> Row:
    """Its check greps for `^(gnutls|nettle|nss|openssl|libgcrypt|kernel)-[0-9]`, so it misses
    openssl-libs, kernel-core, nss-softokn and all others that the sources are split into."""
    problems = []
    for item in pinned:
        pin = rules.pin_of(item.package)
        # What it was built from counts: nspr and bpftool have releases of their own.
        if _is_own(pin) and TUXCARE_RELEASE not in (item.package.sourcerpm or ""):
            problems.append(str(item.package))
    return judge(
        "tuxcare-builds",
        "V-269126",
        "No package of the validated sources is a community build",
        sorted(problems),
        "'tuxctl fips enable' replaces them; remove kernels that are not booted any more with "
        "'dnf remove'.",
    )


def _is_own(pin: Optional[Pin]) -> bool:
    """Whether TuxCare built what was validated; of libkcapi it was AlmaLinux's own build."""
    return pin is not None and any(TUXCARE_RELEASE in build.release for build in pin.builds)


def _signatures(
    context: Context, conf: TuxcareConf, rules: Pins, pinned: Sequence[_Installed]
) -> Row:
    data = context.system.read(context.paths.join(conf.key))
    try:
        own = [key.lower() for key in key_ids(data or b"")]
    except ValueError:
        own = []  # a row on keys says so
    own = own or [conf.fingerprint[-16:].lower()]
    problems = []
    for item in pinned:
        pin = rules.pin_of(item.package)
        if _is_own(pin) and rules.satisfied_by(item.package) and item.key_id not in own:
            problems.append("{} by {}".format(item.package, item.key_id or "nobody"))
    return judge(
        "signatures",
        None,
        "The pinned packages are signed with the TuxCare key",
        sorted(problems),
        "Reinstall them from the TuxCare repositories: 'dnf reinstall NAME'.",
    )


def _files(context: Context, modules: Set[str], pinned: Sequence[_Installed]) -> Row:
    """Digests of the files that hold what is validated, as `rpm -V` compares them."""
    wanted = sorted(
        "{}-{}-{}.{}".format(p.name, p.version, p.release, p.arch)
        for p in (item.package for item in pinned)
        if p.name in modules
    )
    title = "The files of the validated modules are those of their packages"
    if not wanted:
        return Row("module-files", None, title, SKIP, "no module is installed")
    root = context.system.root
    argv = ["rpm"] + ([] if root == "/" else ["--root", root])
    done = context.system.run(
        argv + ["--verify", "--nodeps", "--noscripts"] + wanted, timeout=_VERIFY_TIMEOUT
    )
    return judge(
        "module-files",
        None,
        title,
        changed_files(done.stdout),
        "Find out who changed them; 'dnf reinstall NAME' puts them back.",
        "{} packages".format(len(wanted)),
    )


def changed_files(listing: str) -> List[str]:
    """Of rpm -V's lines, those on contents that are not there any more; configuration apart."""
    found = []
    for line in listing.splitlines():
        match = _CHANGED.match(line)
        if not match or match.group("kind") in ("c", "d", "g"):
            continue
        tests = match.group("tests")
        if tests == "missing" or tests[2] in "5?" or tests[0] == "S":
            found.append(line.strip())
    return found


def _pin_package(choice: FipsChoice, names: Container[str]) -> Row:
    wanted = PIN_PACKAGES[choice.mode]
    return judge(
        "pin-package",
        None,
        "The package that holds the pins below dnf is installed",
        [] if wanted in names else ["{} is not installed".format(wanted)],
        "dnf install {}".format(wanted),
        wanted,
    )


def _protected(context: Context, choice: FipsChoice) -> Row:
    path = context.paths.protected
    wanted = PIN_PACKAGES[choice.mode]
    found = (context.system.read(path) or b"").decode("utf-8", "replace").split()
    return judge(
        "protected",
        None,
        "dnf protects that package from being removed",
        [] if wanted in found else ["{} does not name {}".format(path, wanted)],
        "'tuxctl fips enable' writes it again.",
    )
