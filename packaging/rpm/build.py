"""Builds the packages from this checkout with rpmbuild: ./dev rpm.

    dist/<release>/
        SRPMS/tuxcare-release-<version>-<release>.src.rpm
        <arch>/*.rpm                                            x86_64, aarch64, noarch
        tuxcare-release-latest-<release>.<arch>.rpm             as the guide names it

The source archive holds the files of the work tree that git does not ignore. Time stamps, owners
and order are normalised and SOURCE_DATE_EPOCH is the last commit's time: two builds give the same
bytes.

Exit status: 0, 2 (usage; no key file; rpmbuild failed), 4 (the key is not the expected one).
"""

from __future__ import annotations

import argparse
import configparser
import contextlib
import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
NAME = "tuxcare-release"
PUBLISHED_FINGERPRINT = "FAD7859081D0738B7A828496D07BF2A08D50EB66"
KEY_NAME = "RPM-GPG-KEY-TuxCare"
SHARED_KEY = CHECKOUT.parent / "shared" / "data" / "keys" / KEY_NAME
ARCHES = ("x86_64", "aarch64", "noarch")
RELEASE = re.compile(r"(8|9|[1-9]\d)\.\d{1,2}")


class BuildError(Exception):
    """What went wrong, for people; `exit_status` is the process's."""

    def __init__(self, message: str, exit_status: int = 2) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class Order(NamedTuple):
    """What to build. `key` is the public key file to ship, `fingerprint` the one it must have."""

    release: str
    arches: tuple[str, ...]
    key: Path
    fingerprint: str
    output: Path
    sign: str | None
    defines: tuple[str, ...]
    epoch: int


def version() -> str:
    """Of the project, from setup.cfg; the spec's is the same (a test compares them)."""
    parser = configparser.ConfigParser()
    parser.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    return parser["metadata"]["version"]


def write_archive(target: Path, prefix: str, files: Iterable[str], epoch: int) -> None:
    """A .tar.gz of the checkout's files that depends on nothing but their bytes and modes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(files):
            path = CHECKOUT / name
            info = archive.gettarinfo(path, f"{prefix}/{name}")
            info.uid = info.gid = 0
            info.uname = info.gname = "root"
            info.mtime = epoch
            info.mode = 0o755 if info.mode & 0o100 else 0o644
            if info.isreg():
                with path.open("rb") as stream:
                    archive.addfile(info, stream)
            else:
                archive.addfile(info)
    with target.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as stream:
        stream.write(packed.getvalue())


def source_files() -> list[str]:
    """What belongs to the checkout and is there."""
    wanted = ["--cached", "--others", "--exclude-standard"]
    listed = _output(["git", "-C", str(CHECKOUT), "ls-files", "-z", *wanted]).split("\0")
    return [name for name in listed if name and os.path.lexists(CHECKOUT / name)]


def warn_of_changes() -> None:
    """A package of a release is made of a commit."""
    if _output(["git", "-C", str(CHECKOUT), "status", "--porcelain"]):
        print("dev rpm: what is not committed is in the packages too", file=sys.stderr)


def source_epoch() -> int:
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    return int(_output(["git", "-C", str(CHECKOUT), "log", "-1", "--format=%ct"]))


@contextlib.contextmanager
def build_folder(order: Order) -> Iterator[Path]:
    """rpmbuild's _topdir with the sources in it; gone afterwards.

    Its name depends on nothing but the sources: newer versions of rpm write it into the source
    package, whose bytes shall be the same wherever the checkout lies.
    """
    with tempfile.TemporaryDirectory(prefix="tuxcare-rpm-") as name:
        staging = Path(name) / "rpmbuild"
        prepare_sources(order, staging)
        digest = hashlib.sha256()
        for path in sorted(staging.rglob("*")):
            if path.is_file():
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
        topdir = Path(tempfile.gettempdir()) / f"tuxcare-rpm-{digest.hexdigest()[:16]}"
        try:
            topdir.mkdir(mode=0o700)  # never one that somebody else has made
        except FileExistsError:
            raise BuildError(
                f"{topdir}: another build of the same sources is at work; if not, remove the folder"
            ) from None
        try:
            for path in staging.iterdir():
                path.rename(topdir / path.name)
            yield topdir
        finally:
            shutil.rmtree(topdir)


def prepare_sources(order: Order, topdir: Path) -> None:
    """Fill SOURCES and SPECS below `topdir`."""
    sources = topdir / "SOURCES"
    for name in ("BUILD", "BUILDROOT", "RPMS", "SOURCES", "SPECS", "SRPMS"):
        (topdir / name).mkdir(parents=True)
    write_archive(
        sources / f"{NAME}-{version()}.tar.gz",
        f"{NAME}-{version()}",
        source_files(),
        order.epoch,
    )
    shutil.copyfile(order.key, sources / KEY_NAME)
    (sources / "build.inc").write_text(
        f"%global tuxcare_minor {order.release}\n%global tuxcare_fingerprint {order.fingerprint}\n"
    )
    manifest = CHECKOUT / "packaging" / "fips" / f"almalinux-{order.release}.conf"
    if manifest.exists():
        # Its own process: the project's modules need not be importable here.
        text = _output([sys.executable, str(HERE / "fips_pin.py"), str(manifest)])
        (sources / "fips-pin.inc").write_text(text)
    spec = topdir / "SPECS" / f"{NAME}.spec"
    shutil.copyfile(CHECKOUT / f"{NAME}.spec", spec)
    for path in (spec, *sources.iterdir()):
        path.chmod(0o644)
        os.utime(path, (order.epoch, order.epoch))


def rpmbuild_options(topdir: Path, defines: Iterable[str] = ()) -> list[str]:
    """What makes a build reproducible, and possible where rpmbuild is not AlmaLinux's."""
    options = ["--quiet"]
    settings = [
        f"_topdir {topdir}",
        "_buildhost localhost",
        "use_source_date_epoch_as_buildtime 1",
        "clamp_mtime_to_source_date_epoch 1",
        "source_date_epoch_from_changelog 0",
    ]
    if not Path("/etc/redhat-release").exists():
        # Its sh is no bash, its packages have other names, its folders of documents a version,
        # and its generator of python3dist() names stops without a module that may be missing.
        settings += ["__brp_compress %{nil}", "_docdir_fmt %%{NAME}"]
        settings += ["__pythondist_provides %{nil}"]
        options.append("--nodeps")
    for setting in (*settings, *defines):
        options += ["--define", setting]
    return options


def build(order: Order) -> list[Path]:
    """Everything of one release, into `order.output`; the files made."""
    check_key(order.key, order.fingerprint)
    warn_of_changes()
    with build_folder(order) as topdir:
        spec = topdir / "SPECS" / f"{NAME}.spec"
        options = rpmbuild_options(topdir, order.defines)
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(order.epoch), "LC_ALL": "C.UTF-8"}
        _run(["rpmbuild", "-bs", "--nodeps", *options, str(spec)], environment)
        made = {f"SRPMS/{path.name}": path for path in (topdir / "SRPMS").iterdir()}
        for arch in order.arches:
            folder = topdir / "RPMS" / arch
            own = [*options, "--define", f"_rpmdir {folder}"]
            _run(["rpmbuild", "-bb", "--target", arch, *own, str(spec)], environment)
            for path in folder.glob("*/*.rpm"):
                # Every architecture makes tuxmirror.noarch, and notes where: the first one counts.
                made.setdefault(f"{path.parent.name}/{path.name}", path)
        if order.sign:
            sign(list(made.values()), order.sign)
        return _place(order, made)


def check_key(key: Path, fingerprint: str) -> None:
    done = subprocess.run(
        [str(HERE / "check-key"), str(key), fingerprint], capture_output=True, text=True
    )
    if done.returncode:
        raise BuildError(done.stderr.strip(), done.returncode)


def sign(packages: list[Path], key: str) -> None:
    """With rpmsign and the secret key of that name or fingerprint in gpg's key ring."""
    gpg = shutil.which("gpg2") or shutil.which("gpg") or "/usr/bin/gpg"
    defines = ["--define", f"__gpg {gpg}", "--define", f"_gpg_name {key}"]
    _run(["rpmsign", "--addsign", *defines, *map(str, packages)], dict(os.environ))


def _place(order: Order, made: Mapping[str, Path]) -> list[Path]:
    root = order.output / order.release
    placed = [_copy(path, root / name) for name, path in sorted(made.items())]
    for arch in order.arches:
        [package] = (root / arch).glob(f"{NAME}-{version()}-*.{arch}.rpm")
        placed.append(_copy(package, root / f"{NAME}-latest-{order.release}.{arch}.rpm"))
    return placed


def _copy(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.new")
    shutil.copyfile(source, temporary)
    temporary.rename(target)
    return target


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(
            f"{' '.join(command[:2])}: exit status {done.returncode}\n{done.stdout}{done.stderr}"
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dev rpm", description="Build the packages with rpmbuild.", allow_abbrev=False
    )
    parser.add_argument(
        "--key", type=Path, metavar="FILE", help=f"public key to ship (default: {SHARED_KEY})"
    )
    parser.add_argument(
        "--fingerprint",
        metavar="F",
        default=PUBLISHED_FINGERPRINT,
        help="the fingerprint it must have (default: the published one, %(default)s)",
    )
    parser.add_argument(
        "--release", default="9.2", metavar="R", help="minor release (default: %(default)s)"
    )
    parser.add_argument(
        "--arch",
        action="append",
        choices=ARCHES,
        help="may be repeated (default: all of them)",
    )
    parser.add_argument("--sign", metavar="KEY", help="sign with this secret key of gpg's key ring")
    parser.add_argument("--source-only", action="store_true", help="make the source package alone")
    parser.add_argument(
        "--output", type=Path, default=CHECKOUT / "dist", metavar="DIR", help="default: dist/"
    )
    parser.add_argument(
        "--define",
        action="append",
        default=[],
        metavar="'NAME VALUE'",
        help="a macro for rpmbuild; tuxcare_key and tuxcare_fingerprint are --key, --fingerprint",
    )
    return parser


def read_order(arguments: list[str]) -> Order:
    """Raises BuildError for what cannot be built."""
    given = _parser().parse_args(arguments)
    key, fingerprint, defines = given.key, given.fingerprint, []
    for define in given.define:
        name, _, value = define.partition(" ")
        if name == "tuxcare_key":
            key = Path(value)
        elif name == "tuxcare_fingerprint":
            fingerprint = value
        else:
            defines.append(define)
    if not RELEASE.fullmatch(given.release):
        raise BuildError(f"--release: expected one such as 9.2, found {given.release!r}")
    key = key or (SHARED_KEY if SHARED_KEY.exists() else None)
    if key is None:
        raise BuildError(
            f"the TuxCare public key is missing: it is not part of the source.\n"
            f"Get it from https://repo.tuxcare.com/tuxcare/{KEY_NAME} and name the file:\n"
            f"    ./dev rpm --key FILE\n"
            f"The build checks its fingerprint: {PUBLISHED_FINGERPRINT}.\n"
            f"For a key of your own add --fingerprint F."
        )
    return Order(
        release=given.release,
        arches=() if given.source_only else _chosen(given.arch),
        key=key.absolute(),
        fingerprint=re.sub(r"\s", "", fingerprint).upper(),
        output=given.output.absolute(),
        sign=given.sign,
        defines=tuple(defines),
        epoch=source_epoch(),
    )


def _chosen(arches: list[str] | None) -> tuple[str, ...]:
    return tuple(arch for arch in ARCHES if arch in (arches or ARCHES))


def main(arguments: list[str]) -> int:
    try:
        for path in build(read_order(arguments)):
            print(path)
    except BuildError as error:
        print(f"dev rpm: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
