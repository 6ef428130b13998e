"""Catalogues of made-up advisories, as large as wanted and the same in every run."""

from __future__ import annotations

import random
from dataclasses import replace

from tuxmirror.core.advisory.catalogue import Catalogue
from tuxmirror.core.advisory.cve import Cve, Disclosure
from tuxmirror.core.advisory.model import Advisory, FixedPackage, Reference, Scope
from tuxmirror.core.advisory.severity import NVD, VENDOR, Score
from tuxmirror.core.advisory.status import Status, StatusRecord

SCOPES = (
    Scope("9.2", "essential"),
    Scope("9.2", "esu"),
    Scope("9.2", "fips"),
    Scope("9.6", "essential"),
    Scope("9.6", "esu"),
)
DAY = 86400
BEGIN = 1_640_995_200  # 2022-01-01
END = 1_796_000_000  # 2026-11-30
_SOURCES = (
    "kernel", "openssl", "nss", "gnutls", "nettle", "libgcrypt", "curl", "vim", "glibc", "bind",
    "systemd", "python3.9", "httpd", "nginx", "postgresql", "samba", "sudo", "openssh", "dnf",
    "rpm", "libxml2", "expat", "zlib", "xz", "git", "php", "ruby", "perl", "golang", "nodejs",
    "firefox", "thunderbird", "webkit2gtk3", "qemu-kvm", "libvirt", "podman", "buildah",
    "skopeo", "containers-common", "emacs", "tar", "gzip", "bzip2", "unzip", "libtiff",
    "libpng", "libjpeg-turbo", "freetype", "harfbuzz", "cups", "ghostscript",
)  # fmt: skip
_STATEMENTS = ("", "", "waits for a review of the validated module's boundary", "no reproducer yet")


def catalogue(advisories: int, cves: int, seed: int = 1) -> Catalogue:
    """So many advisories that fix about two thirds of so many CVEs, and statuses of the rest."""
    dice = random.Random(seed)
    names = _cve_names(cves, dice)
    known = {name: _cve(name, dice) for name in names}
    fixed = names[: cves * 2 // 3]
    made = [_advisory(number, fixed, known, dice) for number in range(advisories)]
    first = {(a.scope, a.id): a.issued + dice.randrange(0, 4 * DAY) for a in made}
    statuses = tuple(_status(name, dice) for name in names[cves * 2 // 3 :])
    return Catalogue(tuple(made), known, statuses, first, channel="vetted")


def with_one_more(before: Catalogue, number: int = 0) -> Catalogue:
    """The same after one advisory came that fixes two CVEs which are known."""
    last = before.advisories[-1]
    fresh = replace(last, id=f"CLSA-2026:{99999 - number}", issued=END - DAY, updated=END - DAY)
    first = {**before.first_published, (fresh.scope, fresh.id): END}
    return replace(before, advisories=(*before.advisories, fresh), first_published=first)


def _cve_names(count: int, dice: random.Random) -> list[str]:
    numbers = sorted(dice.sample(range(1000, 60_000), -(-count // 5)))
    names = [f"CVE-{year}-{number}" for year in range(2022, 2027) for number in numbers]
    dice.shuffle(names)
    return names[:count]


def _cve(name: str, dice: random.Random) -> Cve:
    nvd = round(dice.triangular(2.0, 10.0, 7.4), 1)
    scores = [Score(NVD, "3.1", nvd, "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", BEGIN)]
    if dice.random() < 0.6:
        vendor = round(min(10.0, max(0.1, nvd + dice.choice((-1.3, 0, 0, 0.6)))), 1)
        scores.append(Score(VENDOR, "3.1", vendor, "", BEGIN))
    if dice.random() < 0.03:
        scores = []
    year = int(name[4:8])
    disclosed = BEGIN + (year - 2022) * 365 * DAY + dice.randrange(0, 330) * DAY
    return Cve(
        id=name,
        description=f"A flaw in how {dice.choice(_SOURCES)} handles lengths lets a remote"
        " attacker read beyond the end of a buffer.",
        scores=tuple(scores),
        disclosures=(Disclosure(NVD, disclosed + 2 * DAY), Disclosure(VENDOR, disclosed)),
        cwes=("CWE-125",),
        references=(Reference("other", name, f"https://nvd.nist.gov/vuln/detail/{name}"),),
    )


def _advisory(
    number: int, names: list[str], known: dict[str, Cve], dice: random.Random
) -> Advisory:
    scope = SCOPES[number % len(SCOPES)]
    source = _SOURCES[dice.randrange(len(_SOURCES))]
    chosen = tuple(sorted({names[(number * 2 + step) % len(names)] for step in range(3)}))
    delay = dice.choice((1, 2, 3, 5, 7, 9, 12, 13, 18, 25, 44)) * DAY
    start = max(known[cve].disclosed or BEGIN for cve in chosen)
    prefix = "ALSA" if scope.product == "essential" else "CLSA"
    own = "" if scope.product == "essential" else ".tuxcare.1"
    release = f"{number % 90 + 1}.el9_{scope.release[-1]}{own}"
    file = f"{source}-5.{number}-{release}.src.rpm"
    packages = tuple(
        FixedPackage(source + suffix, 0, f"5.{number}", release, arch, file, None, f"BaseOS/{arch}")
        for suffix in ("", "-libs", "-devel", "-doc")
        for arch in ("aarch64", "x86_64")
    )  # fmt: skip
    return Advisory(
        id=f"{prefix}-{2022 + number % 5}:{number:05}",
        scope=scope,
        kind="security",
        title=f"{source} security update",
        severity=known[chosen[0]].verdict.severity,
        issued=start + delay,
        updated=start + delay,
        packages=packages,
        cves=chosen,
        references=tuple(Reference("cve", cve, f"https://example.org/{cve}") for cve in chosen),
        description=f"{source} serves requests.\n\nSecurity fix(es):\n\n"
        + "\n".join(f"* {source}: reads beyond the end of a buffer ({cve})" for cve in chosen),
        publisher="packager@example.org",
    )


def _status(name: str, dice: random.Random) -> StatusRecord:
    status = dice.choice([status for status in Status if status is not Status.RELEASED])
    statement = "does not apply to how it is built here" if status is Status.IGNORED else ""
    return StatusRecord(
        cve=name,
        scope=SCOPES[dice.choice((1, 2, 4))],
        package=dice.choice(_SOURCES),
        status=status,
        version="5.1",
        statement=statement or dice.choice(_STATEMENTS),
        updated=END - dice.randrange(0, 90) * DAY,
    )
