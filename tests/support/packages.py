"""The project's own packages, built by `./dev rpm`'s script with a key of the test.

    built = build_packages(tmp_path / "dist", keys.tuxcare, arches=("x86_64",))
    host.dnf("install", built.package("tuxcare-release"))

A newer package comes from another checkout: `other_checkout(built, folder)` unpacks the source
archive, which the test edits and builds again.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from . import CHECKOUT
from .keys import SigningKey

BUILD = "packaging/rpm/build.py"
# All that a build may know of whoever starts it.
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}


_MODULE = re.compile(r"/site-packages/.*(\.pyc?|/__pycache__)( |$)")


class Built(NamedTuple):
    """What one build made, below `root` (`<output>/<release>`)."""

    root: Path

    def package(self, name: str, arch: str = "x86_64") -> Path:
        """The one package of that name; raises ValueError where there are none or several."""
        found = [
            path for path in self.packages if rpm_query("%{NAME} %{ARCH}", path) == f"{name} {arch}"
        ]
        if len(found) != 1:
            raise ValueError(f"{name}.{arch}: {len(found)} packages in {self.root}")
        return found[0]

    @property
    def packages(self) -> list[Path]:
        """Binary packages, without the copies that the guide names."""
        return sorted(p for p in self.root.glob("*/*.rpm") if p.parent.name != "SRPMS")

    @property
    def source(self) -> Path:
        [source] = (self.root / "SRPMS").glob("*.src.rpm")
        return source


def run_build(
    *arguments: str | Path, checkout: Path = CHECKOUT, epoch: int | None = 1700000000
) -> subprocess.CompletedProcess[str]:
    """`./dev rpm ARGUMENTS`, without what ./dev sets up before it."""
    time = {} if epoch is None else {"SOURCE_DATE_EPOCH": str(epoch)}
    return subprocess.run(
        [sys.executable, str(checkout / BUILD), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**ENVIRONMENT, **time},
        timeout=300,
    )


def build_packages(
    output: Path,
    key: SigningKey,
    release: str = "9.2",
    arches: Iterable[str] = ("x86_64",),
    checkout: Path = CHECKOUT,
    defines: Iterable[str] = (),
    signed: bool = True,
) -> Built:
    """Build and sign; raises AssertionError with all that was said where that fails."""
    options: list[str | Path] = ["--key", key.public, "--fingerprint", key.fingerprint]
    for arch in arches:
        options += ["--arch", arch]
    for define in defines:
        options += ["--define", define]
    done = run_build(*options, "--release", release, "--output", output, checkout=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    built = Built(output / release)
    if signed:
        key.sign_rpms(built.root.glob("**/*.rpm"))
    return built


def other_checkout(built: Built, folder: Path) -> Path:
    """The source archive as a checkout of its own, known to git, to be edited."""
    folder.mkdir(parents=True)
    unpack(built.source, folder)
    [source] = folder.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(folder)
    checkout = folder / source.name[: -len(".tar.gz")]
    for command in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", "-C", str(checkout), *command], check=True, env=ENVIRONMENT)
    return checkout


def unpack(package: Path, folder: Path) -> Path:
    """The files of a package, below `folder`, without installing it."""
    folder.mkdir(parents=True, exist_ok=True)
    command = 'rpm2cpio "$1" | cpio --quiet -idm'
    subprocess.run(["sh", "-c", command, "_", str(package)], check=True, cwd=folder)
    return folder


def rpm_query(queryformat: str, package: Path) -> str:
    """What a package file says of itself."""
    command = ["rpm", "--force-debian", "-qp", "--nosignature", "--qf", queryformat, str(package)]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env=ENVIRONMENT
    ).stdout


def listing(package: Path) -> str:
    """A package as text, for golden files: what it says, needs, runs and owns.

    Python modules are left out (another test compares them with the checkout), and so is what
    changes with the version: it reads as @VERSION@.
    """
    version = rpm_query("%{VERSION}", package)
    sections = {
        "package": "%{NAME} %{ARCH}\n%{SUMMARY}\n%{LICENSE}\n",
        "provides": "[%{PROVIDENEVRS}\n]",
        "requires": "[%{REQUIRENEVRS} %{REQUIREFLAGS:deptype}\n]",
        "recommends": "[%{RECOMMENDNEVRS}\n]",
        "suggests": "[%{SUGGESTNEVRS}\n]",
        "conflicts": "[%{CONFLICTNEVRS}\n]",
        "obsoletes": "[%{OBSOLETENEVRS}\n]",
        "files": "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILENAMES}"
        " %{FILEFLAGS:fflags} %{FILEVERIFYFLAGS:vflags}\n]",
    }
    lines = []
    for title, queryformat in sections.items():
        text = rpm_query(queryformat, package).replace(version, "@VERSION@")
        text = re.sub(r"-py3\.\d+\.egg-info", "-py3.egg-info", text)  # of the build machine
        found = [line.rstrip() for line in text.splitlines()]
        lines += [f"== {title}", *sorted(found, key=_by_path), ""]
    scripts = _scripts(package)
    return "\n".join([*filter(_is_stable, lines), *scripts]) + "\n"


def _by_path(line: str) -> str:
    return line.partition(" /")[2] or line


def _is_stable(line: str) -> bool:
    """Not a module, nor what rpm of the build machine asks of rpm."""
    return not _MODULE.search(line) and "rpmlib(" not in line


def _scripts(package: Path) -> list[str]:
    command = ["rpm", "--force-debian", "-qp", "--nosignature", "--scripts", str(package)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=ENVIRONMENT)
    return ["== scripts", *done.stdout.splitlines()]


GOLDEN = CHECKOUT / "tests" / "integration" / "golden"
GOLDEN_PACKAGES = {
    "tuxcare-release": "x86_64",
    "tuxcare-fips-pin": "x86_64",
    "tuxcare-fips-pin-strict": "x86_64",
    "tuxmirror": "noarch",
}


def main() -> None:
    """Write the golden listings anew: `.venv/bin/python -m tests.support.packages`."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        key = SigningKey.create(Path(name), "Golden")
        built = build_packages(Path(name) / "dist", key)
        for package, arch in GOLDEN_PACKAGES.items():
            (GOLDEN / f"{package}.txt").write_text(listing(built.package(package, arch)))


if __name__ == "__main__":
    main()
