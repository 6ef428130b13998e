"""FIPS manifests: which builds are validated, on what, and by which certificate.

The format is described in docs/fips-manifest.md and at the top of
packaging/fips/almalinux-9.2.conf. The parser is strict: what it does not know, or finds twice, is
an error that names file, section and key, because a pin that is silently not read is a pin that
does not hold.
"""

import configparser
import datetime
import os

from tuxcare import nevra
from tuxcare.errors import ConfigError, RefusedError
from tuxcare.host import MODE_STRICT, HostPaths, read_text
from tuxcare.nevra import Evr, SourceNevr

TYPE_CHECKING = False  # typing costs more to load than all of this
if TYPE_CHECKING:
    from typing import (
        Callable,
        Dict,
        List,
        NamedTuple,
        NoReturn,
        Optional,
        Sequence,
        Tuple,
        TypeVar,
    )

    T = TypeVar("T")
else:
    from tuxcare.values import NamedTuple

FORMAT = "1"
PENDING = "pending"
VALIDATED = "validated"
ARCHES = ("x86_64", "aarch64", "ppc64le", "s390x")
PIN_STATUSES = ("active", "interim", PENDING, "historical")

_PIN_PREFIX = "pin "
_MANIFEST_KEYS = ("format", "release", "status", "patched_repositories")
_PIN_KEYS = (
    "builds",
    "epoch",
    "arches",
    "certificate",
    "status",
    "sunset",
    "repositories",
    "binaries",
    "modules",
    "provider",
)


class Binary(NamedTuple):
    """A package built from a pinned source.

    `evr` is None where its version is its own and only the source decides; `follows` says that it
    has the source's version and release, with the pin's epoch.
    """

    name: str
    follows: bool = True
    evr: "Optional[Evr]" = None


class Pin(NamedTuple):
    """One source package and its validated builds, newest generation first.

    `modules` names those of `binaries` that hold what is validated; the rest comes with them.
    `provider`: the version that OpenSSL's FIPS provider of a validated build says it has.
    """

    source: str
    builds: "Tuple[SourceNevr, ...]"
    epoch: int
    arches: "Tuple[str, ...]"
    certificate: "Optional[str]"
    status: str
    sunset: "Optional[datetime.date]"
    repositories: "Tuple[str, ...]"
    binaries: "Tuple[Binary, ...]"
    path: str
    modules: "Tuple[str, ...]" = ()
    provider: "Optional[str]" = None

    @property
    def is_validated(self) -> bool:
        return self.certificate is not None and self.status != PENDING

    @property
    def certificate_text(self) -> str:
        """As people read it in messages."""
        if self.certificate is None:
            return "CMVP certificate pending"
        interim = ", interim" if self.status == "interim" else ""
        return "CMVP certificate {}{}".format(self.certificate, interim)


class Manifest(NamedTuple):
    """The pins of one release, from one file or several."""

    release: str
    status: str
    patched_repositories: "Tuple[str, ...]"
    pins: "Tuple[Pin, ...]"
    paths: "Tuple[str, ...]"


def parse(path: str, text: str) -> Manifest:
    """The manifest in `text`; `path` is what errors call it. Raises ConfigError."""
    parser = configparser.ConfigParser(
        interpolation=None, default_section="", delimiters=("=",), comment_prefixes=("#",)
    )
    # Keys are taken as they stand: 'Builds' is not a spelling of 'builds'.
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text, source=path)
    except configparser.Error as error:
        raise ConfigError(
            "{}: {}".format(path, " ".join(str(error).replace(repr(path), "").split()))
        ) from error
    if not parser.has_section("manifest"):
        raise ConfigError("{}: no [manifest] section".format(path))
    head = _Section(path, "manifest", dict(parser["manifest"]), _MANIFEST_KEYS)
    pins = [_parse_pin(path, parser, name) for name in parser.sections() if name != "manifest"]
    if not pins:
        raise ConfigError("{}: no [pin NAME] section".format(path))
    head.choice("format", (FORMAT,))
    manifest = Manifest(
        release=head.one("release", _release),
        status=head.choice("status", (VALIDATED, PENDING)),
        patched_repositories=head.words("patched_repositories", _repository),
        pins=tuple(pins),
        paths=(path,),
    )
    _check_unique(manifest.pins)
    return manifest


def _parse_pin(path: str, parser: configparser.ConfigParser, name: str) -> Pin:
    source = name[len(_PIN_PREFIX) :]
    if not (name.startswith(_PIN_PREFIX) and nevra.is_name(source) and source[0] != "_"):
        raise ConfigError("{}: [{}]: expected [manifest] or [pin NAME]".format(path, name))
    section = _Section(path, name, dict(parser[name]), _PIN_KEYS)
    certificate = section.one("certificate", _certificate)
    pin = Pin(
        source=source,
        builds=section.lines("builds", nevra.parse_source),
        epoch=section.one("epoch", nevra.parse_epoch, default="0"),
        arches=section.words("arches", _one_of(ARCHES)),
        certificate=certificate,
        status=section.choice("status", PIN_STATUSES),
        sunset=section.one("sunset", _date) if certificate else None,
        repositories=section.words("repositories", _repository),
        binaries=section.lines("binaries", _binary),
        path=path,
        modules=section.words("modules", str) if section.values.get("modules") else (),
        provider=section.one("provider", _provider) if "provider" in section.values else None,
    )
    _check_pin(section, pin)
    return pin


def _check_pin(section: "_Section", pin: Pin) -> None:
    if pin.certificate is None:
        if section.values.get("sunset"):
            section.fail("sunset", "a certificate that is pending has none")
        if pin.status != PENDING:
            section.fail("status", "expected 'pending', as the certificate is")
    elif pin.status == PENDING:
        section.fail("status", "'pending', but there is a certificate")
    for build in pin.builds:
        if build.name != pin.source:
            section.fail("builds", "{} is no build of {}".format(build, pin.source))
    names = [binary.name for binary in pin.binaries]
    for name in names:
        if names.count(name) > 1:
            section.fail("binaries", "{!r} stands twice".format(name))
    for name in pin.modules:
        if name not in names:
            section.fail("modules", "{!r} is none of the binaries".format(name))
    for newer, older in zip(pin.builds, pin.builds[1:]):
        if not older.evr < newer.evr:
            section.fail(
                "builds", "expected the newest first, found {} before {}".format(newer, older)
            )


def _check_unique(pins: "Sequence[Pin]") -> None:
    """Every source and every binary belongs to one pin; an arch of its own does not help."""
    owners: Dict[str, Pin] = {}
    for pin in pins:
        for key in ["source " + pin.source] + [binary.name for binary in pin.binaries]:
            other = owners.setdefault(key, pin)
            if other is not pin:
                raise ConfigError(
                    "{}: [pin {}]: {} is pinned already by [pin {}] of {}".format(
                        pin.path, pin.source, key, other.source, other.path
                    )
                )


def merge(manifests: "Sequence[Manifest]", release: str) -> Manifest:
    """The manifests of the package and of the site as one. The first one's head counts.

    Raises ConfigError where one is for another release than `release`, or where two pin the same.
    """
    for manifest in manifests:
        if manifest.release != release:
            raise ConfigError(
                "{}: [manifest] release: expected {}, found {}".format(
                    manifest.paths[0], release, manifest.release
                ),
                "Remove the file, or choose its release with 'tuxctl fips enable'.",
            )
    merged = manifests[0]._replace(
        pins=tuple(pin for manifest in manifests for pin in manifest.pins),
        paths=tuple(path for manifest in manifests for path in manifest.paths),
    )
    _check_unique(merged.pins)
    return merged


def manifest_path(paths: HostPaths, release: str) -> str:
    """Where the package puts the manifest of a release."""
    return os.path.join(paths.manifest_dirs[0], "almalinux-{}.conf".format(release))


def load(paths: HostPaths, release: str) -> Manifest:
    """The manifest of `release` with what the site adds to it.

    Raises ConfigError for a missing or unusable one, PermissionError, StorageError.
    """
    own = manifest_path(paths, release)
    text = read_text(own)
    if text is None:
        raise ConfigError(
            "{}: no such FIPS manifest: release {} has no pins here{}".format(
                own, release, _others(os.path.dirname(own))
            ),
            "Reinstall tuxcare-release, or choose another release with 'tuxctl fips enable'.",
        )
    manifests = [parse(own, text)]
    for path in _site_files(paths.manifest_dirs[1]):
        site = read_text(path)
        if site is not None:
            manifests.append(parse(path, site))
    return merge(manifests, release)


def _others(directory: str) -> str:
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return ""
    found = [name for name in names if name.endswith(".conf")]
    return " (found: {})".format(", ".join(found)) if found else ""


def _site_files(directory: str) -> "List[str]":
    try:
        names = sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [os.path.join(directory, name) for name in names if name.endswith(".conf")]


def require_mode(manifest: Manifest, mode: str) -> None:
    """Refuses mode strict where nothing is validated yet. Raises RefusedError."""
    if mode == MODE_STRICT and manifest.status != VALIDATED:
        raise RefusedError(
            "{}: the FIPS builds of AlmaLinux {} are under review: mode 'strict' would hold "
            "builds that no certificate covers".format(manifest.paths[0], manifest.release),
            "Use mode 'patched' ('tuxctl fips enable') until the certificates are issued.",
        )


class _Section:
    """One section's values, with errors that say where they are."""

    def __init__(
        self, path: str, name: str, values: "Dict[str, str]", known: "Sequence[str]"
    ) -> None:
        self.path = path
        self.name = name
        self.values = values
        for key in values:
            if key not in known:
                self.fail(key, "unknown key; {}".format(_nearest(key, known)))

    def fail(self, key: str, problem: object) -> "NoReturn":
        raise ConfigError("{}: [{}] {}: {}".format(self.path, self.name, key, problem))

    def one(
        self, key: str, parse_value: "Callable[[str], T]", default: "Optional[str]" = None
    ) -> "T":
        """The value as `parse_value` gives it; what that raises as ValueError is told."""
        text = self.values.get(key, default)
        if not text:
            self.fail(key, "missing")
        try:
            return parse_value(text)
        except ValueError as error:
            self.fail(key, error)

    def choice(self, key: str, choices: "Sequence[str]") -> str:
        return self.one(key, _one_of(choices))

    def words(self, key: str, parse_word: "Callable[[str], T]") -> "Tuple[T, ...]":
        return self._several(key, self.one(key, str).split(), parse_word)

    def lines(self, key: str, parse_line: "Callable[[str], T]") -> "Tuple[T, ...]":
        lines = [line.strip() for line in self.one(key, str).splitlines()]
        return self._several(key, [line for line in lines if line], parse_line)

    def _several(
        self, key: str, texts: "Sequence[str]", parse_value: "Callable[[str], T]"
    ) -> "Tuple[T, ...]":
        values: List[T] = []
        for text in texts:
            try:
                value = parse_value(text)
            except ValueError as error:
                self.fail(key, error)
            if value in values:
                self.fail(key, "{!r} stands twice".format(text))
            values.append(value)
        return tuple(values)


def _nearest(name: str, known: "Sequence[str]") -> str:
    import difflib  # only mistakes pay for it

    near = difflib.get_close_matches(name, known, n=1)
    return "did you mean '{}'?".format(near[0]) if near else "known: " + ", ".join(known)


def _one_of(choices: "Sequence[str]") -> "Callable[[str], str]":
    def check(text: str) -> str:
        if text not in choices:
            raise ValueError("expected {}, found {!r}".format(" or ".join(choices), text))
        return text

    return check


def _release(text: str) -> str:
    major, dot, minor = text.partition(".")
    if not (dot and nevra.made_of(major, nevra.DIGITS) and nevra.made_of(minor, nevra.DIGITS)):
        raise ValueError("expected a release such as 9.2, found {!r}".format(text))
    return text


def _provider(text: str) -> str:
    if not (text[0] in nevra.DIGITS and nevra.made_of(text, nevra.ALPHANUMERIC + "._-")):
        raise ValueError(
            "expected a version such as 3.0.7-1d2bd88ee26b3c90, found {!r}".format(text)
        )
    return text


def _repository(text: str) -> str:
    if not nevra.made_of(text, nevra.ALPHANUMERIC + "._:-"):
        raise ValueError("expected ids of repositories, found {!r}".format(text))
    return text


def _certificate(text: str) -> "Optional[str]":
    if text == PENDING:
        return None
    if len(text) > 6 or not nevra.made_of(text, nevra.DIGITS):
        raise ValueError("expected a CMVP certificate number or 'pending', found {!r}".format(text))
    return text


def _date(text: str) -> datetime.date:
    parts = text.split("-")
    if [len(part) for part in parts] != [4, 2, 2] or not nevra.made_of(
        "".join(parts), nevra.DIGITS
    ):
        raise ValueError("expected a date such as 2029-08-01, found {!r}".format(text))
    year, month, day = map(int, parts)
    return datetime.date(year, month, day)


def _binary(line: str) -> Binary:
    words = line.split()
    name = words[0]
    if len(words) > 2 or not nevra.is_name(name):
        raise ValueError("expected NAME, NAME * or NAME VERSION, found {!r}".format(line))
    if len(words) == 1:
        return Binary(name)
    if words[1] == "*":
        return Binary(name, follows=False)
    return Binary(name, follows=False, evr=_evr(words[1]))


def _evr(text: str) -> Evr:
    """[EPOCH:]VERSION[-RELEASE]; an empty release stands for any."""
    epoch, colon, rest = text.rpartition(":")
    version, _, release = rest.partition("-")
    if not nevra.is_version(version) or (release and not nevra.is_version(release)):
        raise ValueError("expected VERSION or EPOCH:VERSION-RELEASE, found {!r}".format(text))
    return Evr(nevra.parse_epoch(epoch) if colon else 0, version, release)
