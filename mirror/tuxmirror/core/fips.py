"""Whether a fix keeps a host's FIPS 140-3 validated modules.

Reads the manifests of `docs/fips-manifest.md` as far as that needs: which source and binary
packages are pinned, on which architectures, to which builds. The package that hosts install is
their one source; the mirror only looks at them to answer people.
"""

from __future__ import annotations

import configparser
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from .advisory.model import FixedPackage
from .errors import ConfigError

_PIN = "pin "
_OWN_BUILD = ".tuxcare."


class Effect(Enum):
    """What installing a build does to a host in FIPS mode; the values are what people see."""

    UNPINNED = "not part of a validated module"
    VALIDATED = "is the validated build"
    PATCHED = "leaves the validated build for a FIPS-compliant patch"
    LEAVES = "leaves the validated module"

    @property
    def advice(self) -> str:
        return _ADVICE[self]


_ADVICE = {
    Effect.UNPINNED: "Any FIPS mode takes it.",
    Effect.VALIDATED: "Any FIPS mode takes it.",
    Effect.PATCHED: "Mode patched takes it; mode strict keeps the validated build and refuses it.",
    Effect.LEAVES: "Both FIPS modes refuse it; a FIPS build of the fix is pending.",
}
_GRAVITY = list(Effect)


@dataclass(frozen=True)
class Pin:
    """`builds` are NAME-VERSION-RELEASE of sources; `sunset` is a date, empty where pending."""

    source: str
    builds: tuple[str, ...]
    binaries: frozenset[str]
    arches: frozenset[str]
    certificate: str
    sunset: str = ""

    def covers(self, package: FixedPackage) -> bool:
        """i686 packages follow the same build as those of their machine."""
        arch = "x86_64" if package.arch == "i686" else package.arch
        pinned = package.name in self.binaries or package.source_name == self.source
        return pinned and (arch in self.arches or arch == "noarch")


@dataclass(frozen=True)
class Answer:
    """The gravest effect of an advisory, and the pin that it is about (None: unpinned)."""

    effect: Effect
    pin: Pin | None = None

    @property
    def text(self) -> str:
        if self.pin is None:
            return f"{self.effect.value}. {self.effect.advice}"
        sunset = f", until {self.pin.sunset}" if self.pin.sunset else ""
        certificate = f"CMVP certificate {self.pin.certificate}{sunset}"
        return f"{self.pin.source}: {self.effect.value} ({certificate}). {self.effect.advice}"


def parse(text: str, source: str) -> tuple[str, tuple[Pin, ...]]:
    """The release that a manifest speaks of, and its pins.

    Raises:
        ConfigError: not a manifest of a format that is known here; `source` names the file.
    """
    parser = configparser.ConfigParser(interpolation=None, default_section="\0")
    try:
        parser.read_string(text, source)
        head = parser["manifest"]
        if head["format"].strip() != "1":
            raise ConfigError(
                f"{source}: unknown format of manifest", expected="1", found=head["format"]
            )
        sections = [name for name in parser.sections() if name.startswith(_PIN)]
        pins = tuple(_pin(name[len(_PIN) :].strip(), parser[name]) for name in sections)
        return head["release"].strip(), pins
    except (configparser.Error, KeyError, IndexError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(f"{source}: not a FIPS manifest: {reason}") from None


def _pin(name: str, section: Mapping[str, str]) -> Pin:
    lines = section["binaries"].strip().splitlines()
    return Pin(
        source=name,
        builds=tuple(section["builds"].split()),
        binaries=frozenset(line.split()[0] for line in lines if line.strip()),
        arches=frozenset(section["arches"].split()),
        certificate=section["certificate"].strip(),
        sunset=section.get("sunset", "").strip(),
    )


def effect(packages: Iterable[FixedPackage], pins: Iterable[Pin]) -> Answer:
    """Of installing all these packages: what the gravest of them does."""
    known = tuple(pins)
    answers = [
        _effect(package, pin) for package in packages for pin in known if pin.covers(package)
    ]
    return max(answers, key=lambda a: _GRAVITY.index(a.effect), default=Answer(Effect.UNPINNED))


def _effect(package: FixedPackage, pin: Pin) -> Answer:
    stem = package.source[: -len(".src.rpm")] if package.source.endswith(".src.rpm") else ""
    build = stem or f"{pin.source}-{package.version}-{package.release}"
    if build in pin.builds:
        return Answer(Effect.VALIDATED, pin)
    return Answer(Effect.PATCHED if _OWN_BUILD in package.release else Effect.LEAVES, pin)
