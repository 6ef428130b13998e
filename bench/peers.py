"""Other tools doing the same work, each from nothing into `folder`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from . import measure
from .measure import Cost

OS_DIR = "9.2/AppStream/x86_64/os"


class Site:
    """What a peer gets: an upstream by URL and on the disk, its key, an empty folder."""

    def __init__(self, url: str, root: Path, key: Path, folder: Path) -> None:
        self.url, self.root, self.key, self.folder = url, root, key, folder


def tuxmirror_command(site: Site, *arguments: str) -> list[str | Path]:
    """The program against the site; store and public in its folder."""
    config = site.folder / "mirror.conf"
    if not config.exists():
        config.write_text(
            f"[main]\nstore = {site.folder}/store\npublic = {site.folder}/public\n"
            f"upstream = {site.url}\nmax_age = never\n\n[almalinux/9.2]\nrepos = AppStream\n"
            f"arches = x86_64\ngpgkey = {site.key}\n"
        )
    checkout = Path(__file__).parents[1]
    return [checkout / "dev", "run", "tuxmirror", "-c", config, *arguments]


def tuxmirror(site: Site) -> Cost:
    return measure.run(tuxmirror_command(site, "sync"))


def _reposync(site: Site, gpgcheck: bool) -> Cost:
    config = site.folder / "dnf.conf"
    config.write_text(
        f"[main]\nskip_if_unavailable=0\nreposdir={site.folder}/none\n"
        f"[bench]\nname=bench\nbaseurl={site.url}/{OS_DIR}/\ngpgcheck={int(gpgcheck)}\n"
        f"gpgkey=file://{site.key}\n"
    )
    argv: list[str | Path] = [
        "dnf", f"--config={config}", f"--installroot={site.folder}/root", "--releasever=9", "-q",
        "reposync", "--repoid=bench", "--download-metadata", f"--download-path={site.folder}/out",
    ]  # fmt: skip
    home = _home_with_key(site)
    return measure.run([*argv, *(["--gpgcheck"] if gpgcheck else [])], HOME=str(home))


def _home_with_key(site: Site) -> Path:
    """dnf verifies against the rpm database of its root; Debian keeps that in the home."""
    home, root = site.folder / "home", site.folder / "root"
    home.mkdir()
    (home / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n")
    (root / "var/lib/rpm").mkdir(parents=True)
    environment = {**os.environ, "HOME": str(home)}
    subprocess.run(["rpmkeys", f"--root={root}", "--import", site.key], check=True, env=environment)
    return home


def reposync(site: Site) -> Cost:
    return _reposync(site, gpgcheck=False)


def reposync_gpgcheck(site: Site) -> Cost:
    return _reposync(site, gpgcheck=True)


def curl(site: Site) -> Cost:
    """Plain parallel transfer: nothing is parsed, hashed or verified."""
    lines = []
    source = site.root / OS_DIR
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        name = path.relative_to(source)
        lines += [f'url = "{site.url}/{OS_DIR}/{name}"', f'output = "{site.folder}/out/{name}"']
    listing = site.folder / "curl.conf"
    listing.write_text("\n".join(lines))
    return measure.run(
        ["curl", "-sSZ", "--fail", "--parallel-max", "16", "--create-dirs", "-K", listing]
    )


def copy_and_rpmkeys(site: Site) -> Cost:
    """A local copy, then every signature: no network at all."""
    folder, database = site.folder / "out", site.folder / "db"
    script = (
        f"cp -r {site.root / OS_DIR} {folder} && rpmkeys --dbpath {database} --import {site.key}"
        f" && find {folder}/Packages -name '*.rpm' -print0"
        f" | xargs -0 -n 200 rpmkeys --dbpath {database} --define '_pkgverify_level all' -K"
    )
    return measure.run(["sh", "-c", script])


PEERS: dict[str, Callable[[Site], Cost]] = {
    "tuxmirror sync": tuxmirror,
    "dnf reposync": reposync,
    "dnf reposync --gpgcheck": reposync_gpgcheck,
    "curl -Z (no check at all)": curl,
    "cp -r + rpmkeys -K (no network)": copy_and_rpmkeys,
}
# What one round of is enough: slow, and far from every target.
ONCE = {"dnf reposync --gpgcheck"}
