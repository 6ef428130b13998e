"""A configuration to begin with, as text with comments: what `tuxmirror init` writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from . import releases
from .releases import TUXCARE_KEY, Key


class Wishes(NamedTuple):
    """What an operator said. `keys` of AlmaLinux in place of those known, without fingerprints.

    `pins`: the SHA-256 of each repository's repomd.xml, where upstream never signed it. `own`:
    names of trees of our own packages, such as `esu`; their sources lie below `incoming`. `images`
    and `kickstart` as in the configuration, word by word.
    """

    release: str
    arches: tuple[str, ...]
    repos: tuple[str, ...] = ()
    store: Path = Path("/var/lib/tuxmirror")
    public: Path = Path("/srv/tuxmirror")
    upstream: tuple[str, ...] = ()
    keys: tuple[Path, ...] = ()
    tuxcare_key: Path | None = None
    pins: Mapping[str, str] = {}
    own: tuple[str, ...] = ()
    incoming: Path = Path("/srv/incoming")
    images: tuple[str, ...] = ()
    kickstart: tuple[str, ...] = ()

    @property
    def repositories(self) -> tuple[str, ...]:
        repos = self.repos or releases.major(self.release).repos
        return tuple(f"{repo}/{arch}" for repo in repos for arch in self.arches)

    @property
    def roots(self) -> tuple[str, ...]:
        return self.upstream or releases.roots(self.release)


def render(wishes: Wishes) -> str:
    """Raises ConfigError where there is no such release, or not for these arches."""
    releases.check_arches(wishes.release, wishes.arches)
    parts = [_main(wishes), _almalinux(wishes), *(_own(wishes, name) for name in wishes.own)]
    return "\n".join(parts)


def _main(wishes: Wishes) -> str:
    return f"""\
; What tuxmirror copies, verifies and publishes: tuxmirror.conf(5). Written by `tuxmirror init`,
; yours to edit; the program never changes it. A line that begins with ';' is a comment.

[main]
; Pool, snapshots and state; and what is served. Both on one file system.
store = {wishes.store}
public = {wishes.public}
; Packages that expired stay for hosts that still read yesterday's metadata.
grace = 48h
; Of an upstream that stands still longer than this you are warned; never after four times that.
max_age = 72h
; Closed releases; `tuxmirror verify --repair` looks there as well.
vault = {releases.VAULT}
; What needs you, as a page and for node_exporter; written after each command that changes it.
status_page = {wishes.store}/status/index.html
metrics_file = {wishes.store}/status/tuxmirror.prom
; Your own key: it signs the metadata of packages of your own, and bundles for other sites.
; signing_key = the fingerprint of its primary key
; gnupghome = /etc/tuxmirror/gnupg
; passphrase_file = /etc/tuxmirror/passphrase
"""


def _almalinux(wishes: Wishes) -> str:
    major = releases.major(wishes.release)
    keys = wishes.keys or tuple(Path(releases.KEYS, key.file) for key in major.keys)
    lines = [
        f"[almalinux/{wishes.release}]",
        "; Tried in this order: a minor release moves to the vault when the next one is out.",
        f"upstream = {' '.join(wishes.roots)}",
        f"repos = {' '.join(wishes.repos or major.repos)}",
        f"arches = {' '.join(wishes.arches)}",
        "; Who may sign. Nothing else passes, whatever the mirror it came from.",
        f"gpgkey = {' '.join(map(str, keys))}",
    ]
    if not wishes.keys:
        lines += _fingerprints(major.keys)
    if wishes.pins:
        lines += [
            "; Upstream has no signature of this metadata: these digests stand for it.",
            "metadata_signature = pinned",
            "repomd_sha256 =",
            *(f"    {name}:{digest}" for name, digest in sorted(wishes.pins.items())),
            "max_age = never",
        ]
    else:
        lines += [
            "; A release frozen before December 2023 may have no signature of its metadata. Then:",
            ";   tuxmirror init --pin  writes `metadata_signature = pinned` and the digests.",
        ]
    return "\n".join([*lines, *_images(wishes)]) + "\n"


def _images(wishes: Wishes) -> list[str]:
    """Commented out where nobody asked for them."""
    images, kickstart = " ".join(wishes.images), " ".join(wishes.kickstart)
    example = f"BaseOS/{wishes.arches[0]}:the SHA-256 of its .treeinfo"
    return [
        "; Images by upstream's signed list, installation trees by a digest that you compared:",
        f"images = {images}" if images else "; images = isos",
        f"kickstart = {kickstart}" if kickstart else f"; kickstart = {example}",
    ]


def _fingerprints(keys: tuple[Key, ...]) -> list[str]:
    return ["fingerprints =", *(f"    {key.fingerprint}" for key in keys)]


def _own(wishes: Wishes, name: str) -> str:
    key = wishes.tuxcare_key
    lines = [
        f"[tuxcare/{wishes.release}/{name}]",
        "; Packages of your own: put them there, built and signed.",
        "type = local",
        f"source = {wishes.incoming}/{wishes.release}/{name}",
        f"arches = {' '.join(wishes.arches)}",
        f"gpgkey = {key or Path(releases.KEYS, TUXCARE_KEY.file)}",
    ]
    if key is None:
        lines += _fingerprints((TUXCARE_KEY,))
    if name == "base":
        lines += [
            "; Put that package there first: without it this tree is refused.",
            f"; Its newest build is also /tuxcare/tuxcare-release-latest-{wishes.release}.ARCH.rpm",
            "latest = tuxcare-release",
        ]
    return "\n".join(lines) + "\n"
