"""Ready-made upstream trees, and the TuxCare builds that are laid over them.

`standard_tree` in state 1 is 9.2 as released; `advance` takes it to state 2: unpinned packages
move, community builds newer than the pinned ones appear, advisories say what they fix, one goes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from . import catalogue as cat
from .catalogue import Build
from .keys import SigningKey
from .repodata import Advisory, Group
from .rpms import RpmSpec, build_rpms
from .tree import UpstreamTree

__all__ = [
    "Advisory", "Group", "StandardTree", "UpstreamTree", "real_tree", "standard_tree", "tiny_tree",
    "tuxcare_packages",
]  # fmt: skip

REPOSITORIES = ("BaseOS", "AppStream", "CRB", "extras")
TUXCARE_VENDOR = "TuxCare"


class StandardTree(UpstreamTree):
    """The tree most tests use; `state` is 1 or 2."""

    def __init__(
        self, root: Path, key: SigningKey, release: str, arches: Iterable[str] = ("x86_64",)
    ) -> None:
        super().__init__(root, release, key)
        self.arches = tuple(arches)
        self.state = 0

    def advance(self) -> None:
        """Publish state 2."""
        self._populate(2)

    def _populate(self, state: int) -> None:
        if state != self.state + 1:
            raise ValueError(f"tree is in state {self.state}, cannot go to state {state}")
        builds = _builds(state, self.arches)
        for build in builds.values():
            self._place(build)
        for arch in self.arches:
            if state == 1:
                self.add("BaseOS", arch, cat.base_specs(self.release, arch))
                self.add_groups("BaseOS", arch, GROUPS)
            else:
                self.remove("BaseOS", arch, "tzdata-2023c-*")
            for repo in REPOSITORIES:
                self.add_advisories(repo, arch, _advisories(state, builds, arch))
            self.set_modules("AppStream", arch, _modules(state, arch))
        self.state = state
        self.publish()

    def _place(self, build: Build) -> None:
        for placed in build.placed:
            self.add(placed.repo, placed.base_arch, [placed.spec])


def standard_tree(
    root: Path,
    key: SigningKey,
    state: int = 1,
    arches: Iterable[str] = ("x86_64",),
    release: str = "9.2",
) -> StandardTree:
    """BaseOS, AppStream, CRB and extras of an AlmaLinux release, published."""
    tree = StandardTree(root, key, release, arches)
    for number in range(1, state + 1):
        tree._populate(number)
    return tree


def tiny_tree(root: Path, key: SigningKey, release: str = "9.2") -> UpstreamTree:
    """One repository (BaseOS, x86_64) of three packages: alpha, beta (epoch 2), gamma (noarch)."""
    tree = UpstreamTree(root, release, key)
    specs = [
        RpmSpec("alpha", size=3000),
        RpmSpec("beta", "2.0", epoch=2, size=3000, requires=("alpha >= 1.0",)),
        RpmSpec("gamma", "0.5~rc1", arch="noarch", size=3000),
    ]
    tree.add("BaseOS", "x86_64", specs)
    advisory = Advisory(
        "ALSA-2023:0001", "alpha security update", (specs[0],), cves=("CVE-2023-1",)
    )
    tree.add_advisories("BaseOS", "x86_64", [advisory])
    tree.publish()
    return tree


def tuxcare_packages(
    directory: Path, key: SigningKey, release: str = "9.2", arches: Iterable[str] = ("x86_64",)
) -> dict[str, list[Path]]:
    """The builds of the `esu` and `fips` repositories, as `<directory>/<repository>/<arch>/*.rpm`.

    `fips` is the validated set of the CMVP list; `esu` has security fixes, two of them in pinned
    packages. On aarch64 only kernel and openssl are validated, and only they are built.

    Returns the packages by repository.
    """
    if release != "9.2":
        raise ValueError(f"release {release}: only 9.2 has a validated set")
    built: dict[str, list[Path]] = {"esu": [], "fips": []}
    for repository, builds in (("fips", _validated(arches)), ("esu", _patched(arches))):
        for build in builds:
            for placed in build.placed:
                target = directory / repository / placed.base_arch
                built[repository] += build_rpms([placed.spec], target, key)
    return built


def real_tree(
    root: Path, data_dir: Path, key: SigningKey, release: str = "9", repo: str = "BaseOS"
) -> UpstreamTree:
    """Packages made and signed by others, one repository an arch; `key` signs repomd.xml alone.

    Args:
        data_dir: holds `rpms/`; noarch packages go into every arch, as upstream does it. Those of
            AlmaLinux 8, 9, EPEL 7 to 9 and CentOS 6 and 7 are side by side.
    """
    tree = UpstreamTree(root, release, key)
    packages = sorted((data_dir / "rpms").glob("*.rpm"))
    by_arch: dict[str, list[Path]] = {}
    for package in packages:
        by_arch.setdefault(package.stem.rsplit(".", 1)[1], []).append(package)
    shared = by_arch.pop("noarch", [])
    for arch, own in by_arch.items():
        tree.add_files(repo, arch, own + shared)
    tree.publish()
    return tree


def _validated(arches: Iterable[str]) -> list[Build]:
    both = tuple(arches)
    intel = tuple(arch for arch in both if arch == "x86_64")
    return [
        cat.KERNEL.build("5.14.0", "284.11.1.el9_2.tuxcare.5", both, vendor=TUXCARE_VENDOR),
        cat.KERNEL.build("5.14.0", "284.11.1.el9_2.tuxcare.6", both, vendor=TUXCARE_VENDOR),
        cat.OPENSSL.build("3.0.7", "20.el9_2.tuxcare.1", both, vendor=TUXCARE_VENDOR),
        cat.NSS.build("3.90.0", "6.el9_2.tuxcare.1", intel, _nspr("4.35.0"), vendor=TUXCARE_VENDOR),
        cat.GNUTLS.build("3.7.6", "23.el9_2.tuxcare.3", intel, vendor=TUXCARE_VENDOR),
        cat.NETTLE.build("3.8", "3.el9_2.tuxcare.1", intel, vendor=TUXCARE_VENDOR),
        cat.LIBGCRYPT.build("1.10.0", "10.el9_2.tuxcare.3", intel, vendor=TUXCARE_VENDOR),
    ]


def _patched(arches: Iterable[str]) -> list[Build]:
    both = tuple(arches)
    return [
        cat.KERNEL.build("5.14.0", "284.1101.el9_2.tuxcare.7", both, vendor=TUXCARE_VENDOR),
        cat.OPENSSL.build("3.0.7", "20.el9_2.tuxcare.2", both, vendor=TUXCARE_VENDOR),
        cat.HTTPD.build("2.4.53", "11.el9_2.6.tuxcare.els1", both, vendor=TUXCARE_VENDOR),
    ]


def _nspr(version: str) -> dict[str, str]:
    return {"nspr": version, "nspr-devel": version}


def _builds(state: int, arches: tuple[str, ...]) -> dict[str, Build]:
    """The source packages that are new in a state, by a short name."""
    if state == 1:
        return {
            "kernel": cat.KERNEL.build("5.14.0", "284.11.1.el9_2", arches),
            "openssl": cat.OPENSSL.build("3.0.7", "16.el9_2", arches),
            "nss": cat.NSS.build("3.90.0", "3.el9_2", arches, _nspr("4.35.0")),
            "gnutls": cat.GNUTLS.build("3.7.6", "20.el9_2", arches),
            "nettle": cat.NETTLE.build("3.8", "3.el9_0", arches),
            "libgcrypt": cat.LIBGCRYPT.build("1.10.0", "10.el9_2", arches),
            "libkcapi": cat.LIBKCAPI.build("1.3.1", "3.el9", arches),
            "tzdata": cat.TZDATA.build("2023c", "1.el9", arches),
            "vim": cat.VIM.build("8.2.2637", "20.el9_1", arches),
            "curl": cat.CURL.build("7.76.1", "23.el9_2.1", arches),
            "httpd": cat.HTTPD.build("2.4.53", "11.el9_2.5", arches),
            "libpcap": cat.LIBPCAP.build("1.10.0", "4.el9", arches),
            "epel-release": cat.EPEL_RELEASE.build("9", "5.el9", arches),
            "nodejs-18": _module_build("nodejs", "18", 1, arches),
            "postgresql-15": _module_build("postgresql", "15", 1, arches),
            "nodejs": cat.NODEJS.build("16.19.1", "1.el9_2", arches, {"npm": "8.19.3"}),
        }
    return {
        "kernel": cat.KERNEL.build("5.14.0", "284.30.1.el9_2", arches),
        "openssl": cat.OPENSSL.build("3.0.7", "24.el9_2", arches),
        "nss": cat.NSS.build("3.90.0", "7.el9_2", arches, _nspr("4.35.0")),
        "gnutls": cat.GNUTLS.build("3.7.6", "25.el9_2", arches),
        "nettle": cat.NETTLE.build("3.9.1", "1.el9", arches),
        "libgcrypt": cat.LIBGCRYPT.build("1.10.0", "11.el9", arches),
        "libkcapi": cat.LIBKCAPI.build("1.4.0", "2.el9", arches),
        "tzdata": cat.TZDATA.build("2024a", "1.el9", arches),
        "vim": cat.VIM.build("8.2.2637", "20.el9_2.1", arches),
        "curl": cat.CURL.build("7.76.1", "23.el9_2.4", arches),
        "nodejs-18": _module_build("nodejs", "18", 2, arches),
    }


def _advisories(state: int, builds: dict[str, Build], arch: str) -> list[Advisory]:
    issued = 1_684_000_000 if state == 1 else 1_697_000_000

    def advisory(name: str, build: str, title: str, **more: object) -> Advisory:
        specs = tuple(p.spec for p in builds[build].placed if p.base_arch == arch)
        return Advisory(name, title, specs, issued=issued, **more)  # type: ignore[arg-type]

    if state == 1:
        return [
            advisory("ALSA-2023:2645", "openssl", "Moderate: openssl security and bug fix update",
                     cves=("CVE-2023-0286", "CVE-2022-4304")),
            advisory("ALBA-2023:2600", "tzdata", "tzdata bug fix update", kind="bugfix"),
        ]  # fmt: skip
    return [
        advisory("ALSA-2023:5763", "curl", "Important: curl security update",
                 severity="Important", cves=("CVE-2023-38545", "CVE-2023-38546")),
        advisory("ALSA-2023:5453", "vim", "Low: vim security update", severity="Low",
                 cves=("CVE-2023-2610",)),
        advisory("ALBA-2024:0762", "tzdata", "tzdata bug fix and enhancement update",
                 kind="bugfix"),
        advisory("ALSA-2023:5069", "kernel", "Important: kernel security update",
                 severity="Important", cves=("CVE-2023-3090", "CVE-2023-35001"), reboot=True),
        advisory("ALSA-2023:7877", "openssl", "Critical: openssl security update",
                 severity="Critical", cves=("CVE-2023-5363",)),
        advisory("ALSA-2024:0108", "nss", "Moderate: nss security update",
                 cves=("CVE-2023-5388",)),
        advisory("ALSA-2024:0533", "gnutls", "Moderate: gnutls security update",
                 cves=("CVE-2024-0553", "CVE-2024-0567")),
        advisory("ALSA-2023:5765", "nodejs-18", "Important: nodejs:18 security update",
                 severity="Important", cves=("CVE-2023-44487",),
                 module=_module_id("nodejs", "18", 2, arch)),
    ]  # fmt: skip


GROUPS = (
    Group("core", "Core", ("basesystem", "almalinux-release", "curl", "vim-minimal")),
    Group("web-server", "Basic Web Server", ("httpd", "httpd-manual")),
)


class Stream(NamedTuple):
    """A module stream: its source, and by state of the tree what it is at."""

    source: cat.Source
    builds: dict[int, tuple[str, str]]
    own_versions: dict[int, dict[str, str]]


_STREAMS = {
    ("nodejs", "18"): Stream(
        cat.NODEJS,
        {1: ("18.14.2", "3.module_el9.2.0+32+f3c125b5"),
         2: ("18.18.2", "2.module_el9.2.0+42+9d3e1ab1")},
        {1: {"npm": "9.5.0"}, 2: {"npm": "9.8.1"}},
    ),
    ("postgresql", "15"): Stream(
        cat.POSTGRESQL, {1: ("15.2", "1.module_el9.2.0+33+b1c5a4d3")}, {1: {}}
    ),
}  # fmt: skip
_CONTEXT = "rhel9"


def _module_version(state: int) -> str:
    return {1: "9020020230315150517", 2: "9020020231017101010"}[state]


def _module_id(name: str, stream: str, state: int, arch: str) -> str:
    return f"{name}:{stream}:{_module_version(state)}:{_CONTEXT}:{arch}"


def _module_build(name: str, stream: str, state: int, arches: tuple[str, ...]) -> Build:
    module = _STREAMS[name, stream]
    label = f"{name}:{stream}:{_module_version(state)}:{_CONTEXT}"
    version, release = module.builds[state]
    own = module.own_versions[state]
    return module.source.build(version, release, arches, own, modularitylabel=label)


def _modules(state: int, arch: str) -> str:
    documents = []
    for (name, stream), module in _STREAMS.items():
        for number in sorted(module.builds):
            if number <= state:
                documents.append(_modulemd(name, stream, number, arch))
    documents.append(_DEFAULTS.format(name="nodejs", default="", stream="18"))
    documents.append(_DEFAULTS.format(name="postgresql", default='  stream: "15"\n', stream="15"))
    return "".join(documents)


def _modulemd(name: str, stream: str, state: int, arch: str) -> str:
    specs = _module_build(name, stream, state, (arch,)).specs
    artifacts = "".join(
        f"    - {s.name}-{s.epoch}:{s.version}-{s.release}.{s.arch}\n" for s in specs
    )
    return _MODULEMD.format(
        name=name,
        stream=stream,
        version=_module_version(state),
        context=_CONTEXT,
        arch=arch,
        api="".join(f"    - {s.name}\n" for s in specs),
        artifacts=artifacts,
    )


_MODULEMD = """\
---
document: modulemd
version: 2
data:
  name: {name}
  stream: "{stream}"
  version: {version}
  context: {context}
  arch: {arch}
  summary: {name} {stream}
  description: >-
    The {stream} stream of {name}.
  license:
    module:
    - MIT
    content:
    - MIT
  dependencies:
  - requires:
      platform: [el9]
  profiles:
    common:
      rpms:
      - {name}
  api:
    rpms:
{api}  artifacts:
    rpms:
{artifacts}...
"""
_DEFAULTS = """\
---
document: modulemd-defaults
version: 1
data:
  module: {name}
{default}  profiles:
    "{stream}": [common]
...
"""
