"""A package list as people make them, read strictly: a line that is not understood is named.

    bash-5.1.8-6.el9_1.x86_64                  rpm -qa
    openssl-libs-1:3.0.7-24.el9.x86_64         rpm -qa --qf '%{NEVRA}\\n'
    1:openssl-libs-3.0.7-24.el9.x86_64         the older spelling of yum
    bash (none) 5.1.8 6.el9_1 x86_64           name epoch version release arch, by blanks, tabs,
                                               commas or bars; a sixth field is the key id
    bash.x86_64  5.1.8-6.el9_1  @baseos        dnf list --installed

Blank lines, comments (#), gpg-pubkey entries and the heading of `dnf list` are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..errors import ConfigError
from .host import Installed

MAX_BYTES = 32 << 20
_SHOWN = 10
_LONGEST = 500
_ARCHES = (
    "noarch|x86_64|x86_64_v2|x86_64_v3|aarch64|i[3-6]86|ppc64le|s390x|riscv64|src|armv7hl|athlon"
)
# As rpm allows them in names and versions; no `-` in versions and releases.
_NAME = r"[A-Za-z0-9_.+][A-Za-z0-9_.+%{}-]*"
_PART = r"[A-Za-z0-9_.+~^%{}]+"
_EPOCH = r"\d{1,9}|\(none\)"
_NEVRA = re.compile(
    rf"(?:(?P<early>{_EPOCH}):)?(?P<name>{_NAME})-(?:(?P<epoch>{_EPOCH}):)?"
    rf"(?P<version>{_PART})-(?P<release>{_PART})\.(?P<arch>{_ARCHES})"
)
_DNF_LIST = re.compile(
    rf"(?P<name>{_NAME})\.(?P<arch>{_ARCHES})\s+(?:(?P<epoch>\d{{1,9}}):)?"
    rf"(?P<version>{_PART})-(?P<release>{_PART})\s+@?\S+"
)
_FIELDS = re.compile(
    rf"(?P<name>{_NAME})\0(?P<epoch>{_EPOCH})\0(?P<version>{_PART})\0(?P<release>{_PART})"
    rf"\0(?P<arch>{_ARCHES})(?:\0(?P<key>.*))?"
)
_SEPARATOR = re.compile(r"[ \t]*[|,;\t][ \t]*|[ ]+")
_KEY = re.compile(r"[0-9a-f]{16}")
_SKIPPED = re.compile(r"\s*(#.*)?|gpg-pubkey\b.*|Installed Packages|Last metadata .*")


def parse(data: bytes, source: str) -> tuple[Installed, ...]:
    """The packages, in the list's order, each once; `source` names it in errors.

    Epochs: where any line spells one, the list is one that shows them, so those without have 0.
    Otherwise they stay None, and `with_epochs` finds them out.

    Raises:
        ConfigError: names the first lines that are no packages by their numbers; an empty list.
    """
    packages: dict[Installed, None] = {}
    bad = []
    for number, line in _lines(data, source):
        package = _package(line)
        if package is None:
            bad.append((number, line))
        else:
            packages[package] = None
    if bad:
        raise _malformed(bad, source)
    if not packages:
        raise ConfigError(
            f"{source}: lists no packages", expected="the output of rpm -qa, one package a line"
        )
    if any(package.epoch is not None for package in packages):
        return tuple(p._replace(epoch=p.epoch or 0) for p in packages)
    return tuple(packages)


def _lines(data: bytes, source: str) -> Iterator[tuple[int, str]]:
    if len(data) > MAX_BYTES:
        raise ConfigError(
            f"{source}: too large for a package list",
            expected=f"at most {MAX_BYTES} bytes",
            found=f"{len(data)} bytes",
        )
    text = data.decode("utf-8-sig", errors="replace")
    # Not splitlines: it also splits at what may hide in a hostile line.
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip("\r").strip(" \t")
        if not _SKIPPED.fullmatch(line):
            yield number, line


def _package(line: str) -> Installed | None:
    if len(line) > _LONGEST:
        return None
    match = (
        _NEVRA.fullmatch(line)
        or _DNF_LIST.fullmatch(line)
        or _FIELDS.fullmatch(_SEPARATOR.sub("\0", line))
    )
    if match is None:
        return None
    fields: Mapping[str, str | None] = match.groupdict()
    epoch = fields.get("epoch") or fields.get("early")
    if fields.get("epoch") and fields.get("early"):
        return None
    key = _KEY.search((fields.get("key") or "").lower())
    return Installed(
        name=match["name"],
        epoch=None if epoch is None else 0 if epoch == "(none)" else int(epoch),
        version=match["version"],
        release=match["release"],
        arch=match["arch"],
        key=key[0] if key else None,
    )


def _malformed(bad: list[tuple[int, str]], source: str) -> ConfigError:
    shown = [f"line {number}: {_printable(line)}" for number, line in bad[:_SHOWN]]
    more = [f"and {len(bad) - _SHOWN} more"] if len(bad) > _SHOWN else []
    plural = "lines are" if len(bad) > 1 else "line is"
    return ConfigError(
        f"{source}: {len(bad)} {plural} no package",
        expected="NAME-VERSION-RELEASE.ARCH, as rpm -qa prints it, with or without an epoch",
        found="; ".join([*shown, *more]),
        way_out="make the list with: rpm -qa --qf '%{NAME}-%{EPOCHNUM}:%{VERSION}-%{RELEASE}."
        "%{ARCH}\\n'",
    )


def _printable(line: str) -> str:
    return ascii(line[:80])[1:-1] + ("…" if len(line) > 80 else "")


def with_epochs(
    packages: tuple[Installed, ...],
    exact: Mapping[tuple[str, str, str, str], int],
    by_name: Mapping[str, int],
) -> tuple[tuple[Installed, ...], tuple[str, ...]]:
    """The packages with their epochs, and the names of those for which 0 is a guess.

    Args:
        exact: the epoch of builds that are known, by name, version, release and arch.
        by_name: the epoch that other builds of a name have.
    """
    completed = []
    guessed = set()
    for package in packages:
        if package.epoch is None:
            epoch = exact.get((package.name, package.version, package.release, package.arch))
            epoch = by_name.get(package.name) if epoch is None else epoch
            if epoch is None:
                guessed.add(package.name)
            package = package._replace(epoch=epoch or 0)
        completed.append(package)
    return tuple(completed), tuple(sorted(guessed))
