"""What the packages of the test trees are: names and dependencies as AlmaLinux 9 has them.

Files are left out (every package owns a line of text in /usr/share/doc), so that a throwaway host,
which is a Debian underneath, survives their installation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .repofiles import release_files, repo_files
from .rpms import ISA, RpmSpec

PLATFORM_PROVIDES = (
    "/bin/sh", "/usr/bin/sh", "/bin/bash", "/usr/bin/bash", "bash = 5.1.8", "coreutils = 8.32",
    "glibc = 2.34", "filesystem = 3.16", "systemd = 252", "dnf = 4.14.0", "python3-dnf = 4.14.0",
    "python3-rpm = 4.16.1.3", "python3-requests = 2.25.1", "python3 = 3.9.16",
    "python(abi) = 3.9", "/usr/bin/python3", "rpm = 4.16.1.3", "dracut = 057", "grubby = 8.40",
)  # fmt: skip


@dataclass(frozen=True)
class Binary:
    """A package built from a source. Dependencies may use {evr}, {vr}, {arch} and {isa}.

    Attributes:
        version: its own, where it differs from the source's (nspr from nss, bpftool from kernel).
        multilib: also built for i686 and offered in the x86_64 repositories.
    """

    name: str
    repo: str = "BaseOS"
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    version: str | None = None
    multilib: bool = False
    noarch: bool = False


@dataclass(frozen=True)
class Source:
    """A source package: what every build of it consists of."""

    name: str
    binaries: tuple[Binary, ...]
    epoch: int = 0

    def build(
        self,
        version: str,
        release: str,
        arches: Iterable[str] = ("x86_64",),
        own_versions: Mapping[str, str] = MappingProxyType({}),
        vendor: str = "AlmaLinux",
        modularitylabel: str | None = None,
    ) -> Build:
        """All binaries of `<name>-<version>-<release>` for these base arches."""
        placed = []
        for binary in self.binaries:
            for base, arch in _binary_arches(binary, arches):
                spec = self._spec(binary, version, release, arch, own_versions)
                spec = spec.but(vendor=vendor, modularitylabel=modularitylabel)
                placed.append(Placed(binary.repo, base, spec))
        return Build(f"{self.name}-{version}-{release}", tuple(placed))

    def _spec(
        self, binary: Binary, version: str, release: str, arch: str, own: Mapping[str, str]
    ) -> RpmSpec:
        vr = f"{own.get(binary.name) or binary.version or version}-{release}"
        names = {
            "vr": vr,
            "source_vr": f"{version}-{release}",
            "evr": f"{self.epoch}:{vr}" if self.epoch else vr,
            "arch": arch,
            "isa": f"({ISA[arch]})" if arch in ISA else "",
        }
        return RpmSpec(
            name=binary.name,
            version=vr.rsplit("-", 1)[0],
            release=release,
            epoch=self.epoch,
            arch=arch,
            sourcerpm=f"{self.name}-{version}-{release}.src.rpm",
            requires=tuple(text.format(**names) for text in binary.requires),
            provides=tuple(text.format(**names) for text in binary.provides),
            size=2000,
        )


@dataclass(frozen=True)
class Placed:
    """A package and where upstream offers it."""

    repo: str
    base_arch: str
    spec: RpmSpec


@dataclass(frozen=True)
class Build:
    """One build of a source package."""

    nvr: str
    placed: tuple[Placed, ...]

    @property
    def specs(self) -> tuple[RpmSpec, ...]:
        """Each package once, though a noarch one is offered for every base arch."""
        return tuple({placed.spec.nevra: placed.spec for placed in self.placed}.values())


def _binary_arches(binary: Binary, arches: Iterable[str]) -> Iterator[tuple[str, str]]:
    for base in arches:
        yield base, "noarch" if binary.noarch else base
        if binary.multilib and base == "x86_64":
            yield base, "i686"


def _library(name: str, repo: str = "BaseOS", requires: tuple[str, ...] = ()) -> Binary:
    return Binary(name, repo, ("glibc", *requires), multilib=True)


def _devel(name: str, repo: str = "AppStream", library: str | None = None) -> Binary:
    base = library or name.removesuffix("-devel")
    return Binary(name, repo, (base + "{isa} = {evr}",), multilib=True)


KERNEL = Source(
    "kernel",
    (
        Binary("kernel", requires=("kernel-core-uname-r = {vr}.{arch}",
                                   "kernel-modules-uname-r = {vr}.{arch}")),
        Binary("kernel-core",
               requires=("kernel-modules-core-uname-r = {vr}.{arch}", "dracut", "systemd"),
               provides=("kernel = {vr}", "kernel-core-uname-r = {vr}.{arch}",
                         "kernel-uname-r = {vr}.{arch}", "installonlypkg(kernel)")),
        Binary("kernel-modules-core", requires=("kernel-uname-r = {vr}.{arch}",),
               provides=("kernel-modules-core-uname-r = {vr}.{arch}",
                         "installonlypkg(kernel-module)")),
        Binary("kernel-modules", requires=("kernel-modules-core-uname-r = {vr}.{arch}",),
               provides=("kernel-modules-uname-r = {vr}.{arch}", "installonlypkg(kernel-module)")),
        Binary("kernel-modules-extra", requires=("kernel-modules-uname-r = {vr}.{arch}",),
               provides=("installonlypkg(kernel-module)",)),
        Binary("kernel-devel", "AppStream",
               provides=("kernel-devel-uname-r = {vr}.{arch}", "installonlypkg(kernel)")),
        Binary("kernel-headers", "AppStream"),
        Binary("kernel-tools", requires=("kernel-tools-libs = {vr}",)),
        Binary("kernel-tools-libs"),
        Binary("bpftool", version="7.0.0"),
        Binary("perf", "AppStream"),
        Binary("python3-perf"),
    ),
)  # fmt: skip
OPENSSL = Source(
    "openssl",
    (
        Binary("openssl", requires=("openssl-libs{isa} = {evr}",)),
        _library("openssl-libs"),
        _devel("openssl-devel", library="openssl-libs"),
        Binary("openssl-perl", "AppStream", ("openssl = {evr}",)),
    ),
    epoch=1,
)
NSS = Source(
    "nss",
    (
        _library("nspr", "AppStream"),
        _devel("nspr-devel"),
        _library("nss-util", "AppStream", ("nspr{isa} >= 4.34.0",)),
        _devel("nss-util-devel"),
        _library("nss-softokn-freebl", "AppStream"),
        _devel("nss-softokn-freebl-devel"),
        _library("nss-softokn", "AppStream", ("nss-util{isa} >= {vr}",
                                              "nss-softokn-freebl{isa} >= {vr}")),
        _devel("nss-softokn-devel"),
        _library("nss", "AppStream", ("nspr{isa} >= 4.34.0", "nss-util{isa} >= {vr}",
                                      "nss-softokn{isa} >= {vr}", "nss-sysinit")),
        Binary("nss-sysinit", "AppStream", ("nss >= {vr}",)),
        Binary("nss-tools", "AppStream", ("nss{isa} >= {vr}",)),
        _devel("nss-devel"),
    ),
)  # fmt: skip
GNUTLS = Source(
    "gnutls",
    (
        _library("gnutls", requires=("nettle >= 3.8",)),
        Binary("gnutls-utils", "AppStream", ("gnutls{isa} = {evr}",)),
        _library("gnutls-dane", "AppStream", ("gnutls{isa} = {evr}",)),
        _library("gnutls-c++", "AppStream", ("gnutls{isa} = {evr}",)),
        _devel("gnutls-devel"),
    ),
)
NETTLE = Source("nettle", (_library("nettle"), _devel("nettle-devel")))
LIBGCRYPT = Source("libgcrypt", (_library("libgcrypt"), _devel("libgcrypt-devel")))
LIBKCAPI = Source(
    "libkcapi",
    (Binary("libkcapi"), Binary("libkcapi-hmaccalc", requires=("libkcapi{isa} = {evr}",))),
)
TZDATA = Source("tzdata", (Binary("tzdata", noarch=True),))
VIM = Source(
    "vim",
    (
        Binary("vim-minimal", requires=("/bin/sh",)),
        Binary("vim-filesystem", noarch=True),
        Binary("vim-common", "AppStream", ("vim-filesystem",)),
        Binary("vim-enhanced", "AppStream", ("vim-common = {evr}",)),
    ),
    epoch=2,
)
CURL = Source(
    "curl",
    (
        Binary("curl", requires=("libcurl{isa} >= {evr}",)),
        _library("libcurl", requires=("openssl-libs{isa} >= 1:3.0.1",)),
        _devel("libcurl-devel"),
    ),
)
# Uses what the pins hold: an upgrade of it must not drag a pinned package along.
HTTPD = Source(
    "httpd",
    (
        Binary("httpd", "AppStream", ("/bin/sh", "httpd-tools = {vr}")),
        Binary("httpd-tools", "AppStream", ("openssl-libs{isa}",)),
        Binary("httpd-manual", "AppStream", noarch=True),
    ),
)
NODEJS = Source(
    "nodejs",
    (
        Binary("nodejs", "AppStream", ("openssl-libs{isa} >= 1:3.0.2",)),
        Binary("npm", "AppStream", ("nodejs = {vr}",), version="9.5.0"),
    ),
)
POSTGRESQL = Source(
    "postgresql",
    (
        Binary("postgresql", "AppStream"),
        Binary("postgresql-server", "AppStream", ("postgresql{isa} = {vr}",)),
    ),
)
LIBPCAP = Source("libpcap", (_library("libpcap"), _devel("libpcap-devel", "CRB")))
EPEL_RELEASE = Source("epel-release", (Binary("epel-release", "extras", noarch=True),))

# What the FIPS 140-3 certificates of 9.2 are about, libkcapi aside (it is not rebuilt).
FIPS_SOURCES = (KERNEL, OPENSSL, NSS, GNUTLS, NETTLE, LIBGCRYPT)


def base_specs(release: str, arch: str) -> tuple[RpmSpec, ...]:
    """What every host has: the platform's stand-in, the release package and the repositories."""
    major = release.split(".")[0]
    dist = f".el{major}"
    base = RpmSpec(
        "basesystem", "11", f"13{dist}", arch="noarch", provides=PLATFORM_PROVIDES,
        summary="Stand-in for the base system",
    )  # fmt: skip
    files = release_files(release)
    almalinux = RpmSpec(
        "almalinux-release", release, f"1{dist}", arch=arch,
        provides=(f"system-release = {release}", f"system-release(releasever) = {major}",
                  f"redhat-release = {release}", f"base-module(platform:el{major})"),
        requires=("almalinux-repos",), files={path: text.encode() for path, text in files.items()},
        config=tuple(files),
    )  # fmt: skip
    repos = {f"/etc/yum.repos.d/{name}": text for name, text in repo_files(release).items()}
    repositories = RpmSpec(
        "almalinux-repos", release, f"1{dist}", arch=arch,
        sourcerpm=almalinux.source, provides=(f"system-repos = {release}",),
        files={path: text.encode() for path, text in repos.items()}, config=tuple(repos),
    )  # fmt: skip
    return base, almalinux, repositories
