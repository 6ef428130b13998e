"""A laboratory for the DNF plugin: repositories, installed hosts, and the real dnf over both.

    <lab>/public/almalinux/9.2/<token>/{BaseOS,AppStream}/x86_64/os/    community packages
    <lab>/public/tuxcare/9.2/<token>/{fips,esu}/x86_64/                 TuxCare builds
    <lab>/elsewhere/                 repository of look-alikes, reachable as file:// and http://
    <lab>/local/                     RPMs to install by name of file
    <lab>/hosts/<name>/              root directories with a state installed, to copy

A test copies a host (`PinLab.host`), says which FIPS mode it is in, and runs dnf with the root as
its installroot: 0.3 to 0.6 s. The plugin runs from the checkout. dnf itself sees no plugin and no
configuration of the machine it runs on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import catalogue as cat
from .httpd import Httpd
from .keys import Keys
from .repodata import Advisory, Extras, Group, make_repository
from .rpms import RpmSpec, build_rpms
from .upstream import TUXCARE_VENDOR

CHECKOUT = Path(__file__).resolve().parents[2]
RELEASE = "9.2"
TOKEN = "test-token-3f9d0c71ab5e4d2f8c6b7a1e"
ARCHES = ("x86_64",)


def _tuxcare(source: cat.Source, version: str, release: str, **own: str) -> list[RpmSpec]:
    return list(source.build(version, release, ARCHES, own, vendor=TUXCARE_VENDOR).specs)


def _nss_own(version: str) -> dict[str, str]:
    return {"nspr": version, "nspr-devel": version}


def _arm(source: cat.Source, version: str, release: str, **own: str) -> list[RpmSpec]:
    return list(source.build(version, release, ("aarch64",), own).specs)


def _community(source: cat.Source, version: str, release: str, **own: str) -> list[RpmSpec]:
    return list(source.build(version, release, ARCHES, own).specs)


KERNEL_5 = _tuxcare(cat.KERNEL, "5.14.0", "284.11.1.el9_2.tuxcare.5")
KERNEL_6 = _tuxcare(cat.KERNEL, "5.14.0", "284.11.1.el9_2.tuxcare.6")
OPENSSL = _tuxcare(cat.OPENSSL, "3.0.7", "20.el9_2.tuxcare.1")
NSS = _tuxcare(cat.NSS, "3.90.0", "6.el9_2.tuxcare.1", **_nss_own("4.35.0"))
GNUTLS = _tuxcare(cat.GNUTLS, "3.7.6", "23.el9_2.tuxcare.3")
NETTLE = _tuxcare(cat.NETTLE, "3.8", "3.el9_2.tuxcare.1")
LIBGCRYPT = _tuxcare(cat.LIBGCRYPT, "1.10.0", "10.el9_2.tuxcare.3")
LIBKCAPI = _community(cat.LIBKCAPI, "1.3.1", "3.el9")

# What removes, repairs and updates the plugin; here only its name counts.
OWN = RpmSpec("tuxcare-release", "1.0", "1.el9", arch="noarch", vendor=TUXCARE_VENDOR)
FIPS = [*KERNEL_5, *KERNEL_6, *OPENSSL, *NSS, *GNUTLS, *NETTLE, *LIBGCRYPT]
PATCHED_KERNELS = [
    _tuxcare(cat.KERNEL, "5.14.0", f"284.{1100 + number}.el9_2.tuxcare.{6 + number}")
    for number in (1, 2, 3)
]
OPENSSL_2 = _tuxcare(cat.OPENSSL, "3.0.7", "20.el9_2.tuxcare.2")
MORE_KERNELS = [_community(cat.KERNEL, "5.14.0", f"284.{number}.1.el9_2") for number in (25, 28)]
ESU = [
    *PATCHED_KERNELS[0],
    *OPENSSL_2,
    OWN,
    *_tuxcare(cat.HTTPD, "2.4.53", "11.el9_2.6.tuxcare.els1"),
]

OLD = [  # 9.2 as it came out
    *_community(cat.KERNEL, "5.14.0", "284.11.1.el9_2"),
    *_community(cat.OPENSSL, "3.0.7", "16.el9_2"),
    *_community(cat.NSS, "3.79.0", "17.el9_1", **_nss_own("4.34.0")),
    *_community(cat.GNUTLS, "3.7.6", "20.el9_2"),
    *_community(cat.NETTLE, "3.8", "3.el9_0"),
    *_community(cat.LIBGCRYPT, "1.10.0", "10.el9_2"),
    *LIBKCAPI,
    *_community(cat.TZDATA, "2023c", "1.el9"),
    *_community(cat.CURL, "7.76.1", "23.el9_2.1"),
    *_community(cat.VIM, "8.2.2637", "20.el9_1"),
    *_community(cat.HTTPD, "2.4.53", "11.el9_2.5"),
]
NEW = [  # what community updates would replace it with
    *_community(cat.KERNEL, "5.14.0", "284.30.1.el9_2"),
    *_community(cat.OPENSSL, "3.0.7", "24.el9_2"),
    *_community(cat.NSS, "3.90.0", "7.el9_2", **_nss_own("4.35.0")),
    *_community(cat.GNUTLS, "3.7.6", "25.el9_2"),
    *_community(cat.NETTLE, "3.9.1", "1.el9"),
    *_community(cat.LIBGCRYPT, "1.10.0", "11.el9"),
    *_community(cat.LIBKCAPI, "1.4.0", "2.el9"),
    *_community(cat.TZDATA, "2024a", "1.el9"),
    *_community(cat.CURL, "7.76.1", "23.el9_2.4"),
]
# Ordinary packages that push against the pins.
PUSHERS = [
    RpmSpec("openssl-next", "4.0.0", "1.el9", obsoletes=("openssl-libs < 1:4",),
            provides=("openssl-libs = 1:4.0.0",)),
    RpmSpec("corp-crypto", requires=("openssl-libs >= 1:3.0.7-24",)),
    RpmSpec("nss-rival", conflicts=("nss",)),
    RpmSpec("nss-rival-tools", conflicts=("nss-tools",)),
    RpmSpec("uses-kernel", requires=("kernel-core = 5.14.0-284.30.1.el9_2",)),
    RpmSpec("rtla", "5.14.0", "284.30.1.el9_2",
            sourcerpm="kernel-5.14.0-284.30.1.el9_2.src.rpm"),
]  # fmt: skip
GROUPS = (Group("crypto", "Crypto Tools", ("gnutls-utils", "vim-enhanced")),)

ADVISORIES = (
    Advisory("ALSA-2024:0001", "openssl", tuple(s for s in NEW if s.name.startswith("openssl"))),
    Advisory("ALSA-2024:0002", "curl", tuple(s for s in NEW if "curl" in s.name)),
)

LOOK_ALIKE = [spec.but(vendor="Somebody") for spec in [*OPENSSL, *KERNEL_6] if spec.arch != "i686"]
LOCAL = {
    "newer": [spec for spec in NEW if spec.name == "openssl-libs"],
    "fork": [
        RpmSpec("openssl-libs", "3.0.7", "20.el9_2.tuxcare.1", epoch=1,
                sourcerpm="openssl-fork-3.0.7-20.el9_2.tuxcare.1.src.rpm"),
    ],
    "obsoleter": [RpmSpec("libressl", "3.8.0", "1.el9", obsoletes=("openssl-libs < 2:0",))],
    "unsourced": [
        RpmSpec("kernel-foo", "5.14.0", "1.el9", sourcerpm="kernel-5.14.0-1.el9.src.rpm")
    ],
}  # fmt: skip


def names(specs: Iterable[RpmSpec], *wanted: str, arch: str = "x86_64") -> set[str]:
    """NEVRAs of the specs so named, of one arch; all of them without a name."""
    return {
        spec.nevra
        for spec in specs
        if spec.arch in (arch, "noarch") and (not wanted or spec.name in wanted)
    }


BASE_NAMES = (
    "kernel", "kernel-core", "kernel-modules", "kernel-modules-core", "openssl", "openssl-libs",
    "nss", "nss-util", "nss-softokn", "nss-softokn-freebl", "nss-sysinit", "nspr", "gnutls",
    "nettle", "libgcrypt",
)  # fmt: skip
OTHER_NAMES = ("libkcapi", "libkcapi-hmaccalc", "tzdata", "curl", "libcurl", "vim-minimal")


def _state(builds: Iterable[RpmSpec], extra: Iterable[RpmSpec] = ()) -> list[RpmSpec]:
    """A host's packages: the base set at these builds, everything else as it came out."""
    wanted = [spec for spec in builds if spec.name in BASE_NAMES and spec.arch == "x86_64"]
    others = [spec for spec in OLD if spec.name in OTHER_NAMES and spec.arch != "i686"]
    return [*cat.base_specs(RELEASE, "x86_64"), OWN, *wanted, *others, *extra]


def _kernels(specs: Iterable[RpmSpec]) -> list[RpmSpec]:
    return [
        spec
        for spec in specs
        if spec.name in ("kernel", "kernel-core", "kernel-modules", "kernel-modules-core")
    ]


VALIDATED = [*KERNEL_6, *OPENSSL, *NSS, *GNUTLS, *NETTLE, *LIBGCRYPT]


def _named(specs: Iterable[RpmSpec], *wanted: str, arch: str = "x86_64") -> list[RpmSpec]:
    return [spec for spec in specs if spec.name in wanted and spec.arch == arch]


_OTHERS_VALIDATED = [*NSS, *GNUTLS, *NETTLE, *LIBGCRYPT]
# On aarch64 only kernel and openssl are validated.
ARM_FIPS = [
    *_arm(cat.KERNEL, "5.14.0", "284.11.1.el9_2.tuxcare.6"),
    *_arm(cat.OPENSSL, "3.0.7", "20.el9_2.tuxcare.1"),
]
ARM_OLD = [
    *_arm(cat.NSS, "3.79.0", "17.el9_1", **_nss_own("4.34.0")),
    *_arm(cat.GNUTLS, "3.7.6", "20.el9_2"),
    *_arm(cat.NETTLE, "3.8", "3.el9_0"),
    *_arm(cat.LIBGCRYPT, "1.10.0", "10.el9_2"),
]
ARM_NEW = [
    *_arm(cat.KERNEL, "5.14.0", "284.30.1.el9_2"),
    *_arm(cat.OPENSSL, "3.0.7", "24.el9_2"),
    *_arm(cat.NSS, "3.90.0", "7.el9_2", **_nss_own("4.35.0")),
    *_arm(cat.GNUTLS, "3.7.6", "25.el9_2"),
    *_arm(cat.NETTLE, "3.9.1", "1.el9"),
    *_arm(cat.LIBGCRYPT, "1.10.0", "11.el9"),
]

STATES = {
    "aarch64": [
        *cat.base_specs(RELEASE, "aarch64"),
        *_named([*ARM_FIPS, *ARM_OLD], *BASE_NAMES, arch="aarch64"),
    ],
    "validated": _state(VALIDATED),
    "old": _state(OLD),
    "newer": _state(NEW),
    "patched": _state([*PATCHED_KERNELS[0], *OPENSSL_2, *_OTHERS_VALIDATED], _kernels(KERNEL_6)),
    "generation-5": _state([*KERNEL_5, *OPENSSL, *_OTHERS_VALIDATED]),
    # As many kernels as installonly_limit allows, the validated one the oldest.
    "full": _state(VALIDATED, [*_kernels(PATCHED_KERNELS[0]), *_kernels(PATCHED_KERNELS[1])]),
    "two-generations": _state([*KERNEL_5, *VALIDATED], _kernels(PATCHED_KERNELS[0])),
    "three-community": _state(NEW, [k for build in MORE_KERNELS for k in _kernels(build)]),
    "tools": _state(
        VALIDATED,
        [
            *_named(NSS, "nss-tools"),
            *_named(OPENSSL, "openssl-devel"),
            *_named(OPENSSL, "openssl-libs", arch="i686"),
            *_named(KERNEL_6, "kernel-headers", "bpftool"),
        ],
    ),
}


@dataclass(frozen=True)
class Outcome:
    """What a dnf command did."""

    exit: int
    stdout: str
    stderr: str
    gained: frozenset[str]
    lost: frozenset[str]

    @property
    def text(self) -> str:
        return self.stdout + self.stderr


class PinLab:
    """Built once for many tests; `host` makes what a test may change."""

    def __init__(self, directory: Path, keys: Keys) -> None:
        self.directory = directory
        self.keys = keys
        self.public = directory / "public"
        self.elsewhere = directory / "elsewhere"
        self.local = directory / "local"
        self._build_repositories()
        self.httpd = Httpd(self.public)
        self._serial = 0

    def __enter__(self) -> PinLab:
        self.httpd.__enter__()
        self._write_dnf_configuration()
        return self

    def __exit__(self, *exc: object) -> None:
        self.httpd.__exit__(*exc)

    @property
    def content_url(self) -> str:
        return self.httpd.url.rstrip("/")

    def _build_repositories(self) -> None:
        keys = self.keys
        alma = self.public / "almalinux" / RELEASE / TOKEN
        baseos = alma / "BaseOS" / "x86_64" / "os"
        build_rpms([*cat.base_specs(RELEASE, "x86_64"), *OLD, *NEW, *PUSHERS], baseos,
                   keys.almalinux)  # fmt: skip
        extras = Extras(groups=list(GROUPS), advisories=list(ADVISORIES))
        make_repository(baseos, keys.almalinux, extras)
        tuxcare = self.public / "tuxcare" / RELEASE / TOKEN
        for name, specs in (("fips", FIPS), ("esu", ESU)):
            build_rpms(specs, tuxcare / name / "x86_64", keys.tuxcare)
            make_repository(tuxcare / name / "x86_64", keys.tuxcare)
        for name, directory, specs in (
            ("fips", tuxcare / "fips" / "aarch64", ARM_FIPS),
            ("esu", tuxcare / "esu" / "aarch64", []),
            ("BaseOS", alma / "BaseOS" / "aarch64" / "os", [*ARM_OLD, *ARM_NEW]),
        ):
            key = keys.almalinux if name == "BaseOS" else keys.tuxcare
            build_rpms(specs, directory, key)
            make_repository(directory, key)
        build_rpms(LOOK_ALIKE, self.elsewhere, keys.stranger)
        make_repository(self.elsewhere)
        for name, specs in LOCAL.items():
            build_rpms(specs, self.local / name, keys.stranger)
        build_rpms([s for s in OPENSSL if s.arch == "x86_64"], self.local / "genuine", keys.tuxcare)
        make_repository(self.local / "genuine", keys.tuxcare)
        build_rpms(
            [s for s in OPENSSL_2 if s.arch == "x86_64"], self.local / "patched", keys.tuxcare
        )
        build_rpms(_named(OPENSSL, "openssl-libs", "openssl"), self.local / "alike", keys.stranger)
        for kernels in PATCHED_KERNELS[1:]:
            build_rpms(_kernels(kernels), self.local / "kernels", keys.tuxcare)

    def _write_dnf_configuration(self) -> None:
        etc = self.directory / "etc"
        for name in ("repos", "vars", "plugins", "home"):
            (etc / name).mkdir(parents=True, exist_ok=True)
        (etc / "home" / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n")
        (etc / "dnf.conf").write_text(
            "[main]\n"
            "gpgcheck=1\ninstallonly_limit=3\nclean_requirements_on_remove=True\nbest=True\n"
            "skip_if_unavailable=False\nmetadata_expire=never\nassumeyes=True\nkeepcache=False\n"
            f"reposdir={etc}/repos\nvarsdir={etc}/vars\n"
            f"pluginpath={CHECKOUT}/dnf_plugin/dnf-plugins\npluginconfpath={etc}/plugins\n"
        )
        alma = f"{self.content_url}/almalinux/$tuxcare_releasever/$tuxcare_token"
        tuxcare = f"{self.content_url}/tuxcare/$tuxcare_releasever/$tuxcare_token"
        # Without the priority that the package's own file gives them: the plugin stands alone here.
        own = "module_hotfixes=1\n"
        repos = [
            ("baseos", f"{alma}/BaseOS/$basearch/os/", self.keys.almalinux, ""),
            ("tuxcare-fips", f"{tuxcare}/fips/$basearch/", self.keys.tuxcare, own),
            ("tuxcare-esu", f"{tuxcare}/esu/$basearch/", self.keys.tuxcare, own),
        ]
        (etc / "repos" / "all.repo").write_text(
            "\n".join(
                f"[{name}]\nname={name}\nbaseurl={url}\nenabled=1\ngpgkey=file://{key.public}\n{more}"
                for name, url, key, more in repos
            )
        )

    def host(self, state: str, mode: str | None = None, release: str = RELEASE) -> PinHost:
        """A copy of a host in one of STATES, registered; `mode` None writes no fips.conf."""
        master = self.directory / "hosts" / state
        if not master.exists():
            self._install_master(master, STATES[state])
        self._serial += 1
        root = self.directory / "roots" / f"{self._serial}-{state}"
        root.parent.mkdir(exist_ok=True)
        shutil.copytree(master, root, symlinks=True)
        host = self._pin_host(state, root)
        if mode is not None:
            host.set_mode(mode, release)
        return host

    def _pin_host(self, state: str, root: Path) -> PinHost:
        return PinHost(self, root, ("--forcearch=aarch64",) if state == "aarch64" else ())

    def _install_master(self, root: Path, specs: Sequence[RpmSpec]) -> None:
        """Installed by rpm itself, so that no plugin has a say; then dnf fetches its metadata."""
        packages = self.directory / "state-rpms"
        build_rpms(specs, packages, self.keys.almalinux)
        root.mkdir(parents=True)
        files = [str(packages / spec.filename) for spec in specs]
        self.rpm(
            root,
            "--force-debian",
            "-i",
            "--nodeps",
            "--noscripts",
            "--nosignature",
            "--ignorearch",
            *files,
        )
        host = self._pin_host(root.name, root)
        host.write("etc/tuxcare/token", TOKEN + "\n", 0o600)
        key = root / "etc/pki/rpm-gpg/RPM-GPG-KEY-TuxCare"
        key.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.keys.tuxcare.public, key)
        host.write(
            "etc/tuxcare/tuxcare.conf",
            f"[server]\ncontent = {self.content_url}\n"
            f"[gpg]\nfingerprint = {self.keys.tuxcare.fingerprint}\n",
        )
        for manifest in (CHECKOUT / "packaging" / "fips").glob("*.conf"):
            host.write(f"usr/share/tuxcare/fips/{manifest.name}", manifest.read_text())
        done = host.run("makecache")
        assert done.exit == 0, done.text
        for key_pair in (self.keys.almalinux, self.keys.tuxcare):
            self.rpm(root, "--import", str(key_pair.public))

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory / "etc" / "home"),
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(CHECKOUT / "dnf_plugin"),
            "PYTHONPYCACHEPREFIX": str(self.directory / "pycache"),
            **{name: value for name, value in os.environ.items() if name == "TUXCARE_TEST_RUN"},
        }

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The distribution's Python, which has dnf, with the plugin's library to import."""
        return subprocess.run(
            ["/usr/bin/python3", *arguments],
            env=self.environment(), check=False, capture_output=True, text=True,
        )  # fmt: skip

    def rpm(self, root: Path, *arguments: str) -> str:
        done = subprocess.run(
            ["rpm", "--root", str(root), *arguments],
            env=self.environment(), check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


class PinHost:
    """A root directory with packages in it, and dnf working on it."""

    def __init__(self, lab: PinLab, root: Path, options: Sequence[str] = ()) -> None:
        self.lab = lab
        self.root = root
        self._options = options

    def write(self, path: str, text: str, mode: int = 0o644) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)
        return target

    def set_mode(self, mode: str, release: str = RELEASE) -> None:
        self.write("etc/tuxcare/fips.conf", f"[fips]\nmode = {mode}\nrelease = {release}\n")

    def _expand(self, arguments: Iterable[str]) -> Iterator[str]:
        """Fills in {lab} and {url}; a pattern of local files becomes their names."""
        for argument in arguments:
            text = argument.format(lab=self.lab.directory, url=self.lab.content_url, token=TOKEN)
            if text.startswith("/") and "*" in text:
                folder, pattern = text.rsplit("/", 1)
                yield from sorted(map(str, Path(folder).glob(pattern)))
            else:
                yield text

    def cached_packages(self) -> list[str]:
        """RPMs that dnf has downloaded for this root."""
        return sorted(path.name for path in (self.root / "var/cache/dnf").rglob("*.rpm"))

    def installed(self) -> frozenset[str]:
        query = "%{NAME}-%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}.%{ARCH}\\n"
        lines = self.lab.rpm(self.root, "-qa", "--qf", query).split()
        return frozenset(line for line in lines if not line.startswith("gpg-pubkey"))

    def run(
        self,
        *arguments: str,
        environment: dict[str, str] | None = None,
        stdin: str = "",
        prefix: Sequence[str] = (),
    ) -> Outcome:
        """`dnf ARGUMENTS` on this root; `prefix` is what runs dnf (an interpreter, a user)."""
        before = self.installed()
        arguments = tuple(self._expand(arguments))
        done = subprocess.run(
            [
                *prefix, "dnf", f"--config={self.lab.directory}/etc/dnf.conf",
                f"--installroot={self.root}", "--releasever=9", *self._options, *arguments,
            ],
            env={**self.lab.environment(), **(environment or {})},
            input=stdin, check=False, capture_output=True, text=True,
            cwd=self.lab.directory,
        )  # fmt: skip
        after = self.installed()
        return Outcome(done.returncode, done.stdout, done.stderr, after - before, before - after)
