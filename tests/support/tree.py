"""An AlmaLinux-shaped upstream tree in a directory.

    <root>/TIME                                     epoch of the last publish
    <root>/RPM-GPG-KEY-AlmaLinux-9
    <root>/9.2/<Repo>/<arch>/os/Packages/*.rpm
    <root>/9.2/<Repo>/<arch>/os/repodata/           see repodata.py

Every write replaces a file, never changes one in place, so `copy` can share them as hard links:
build a tree once a session and copy it for each test (10 ms).
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

from . import repodata
from .keys import SigningKey
from .repodata import Advisory, Extras, Group
from .rpms import RpmSpec, build_rpms

Tree = TypeVar("Tree", bound="UpstreamTree")


class UpstreamTree:
    """One release of one upstream.

    Attributes:
        root: what a server serves; `release` and `TIME` are in it.
        key: signs packages and repomd.xml; its public half is at the root.
        timestamp: revision and TIME of the last publish.
    """

    def __init__(self, root: Path, release: str = "9.2", key: SigningKey | None = None) -> None:
        if key is None:
            raise ValueError("UpstreamTree needs key=, the SigningKey that signs it")
        self.root = root
        self.release = release
        self.key = key
        self.timestamp = 0
        self._extras: dict[tuple[str, str], Extras] = {}

    @property
    def path(self) -> Path:
        """`<root>/9.2`, what a tree's upstream URL points at."""
        return self.root / self.release

    @property
    def repositories(self) -> list[tuple[str, str]]:
        """(repository, arch) of all there is, sorted."""
        return sorted(self._extras)

    def os_dir(self, repo: str, arch: str) -> Path:
        return self.path / repo / arch / "os"

    def packages(self, repo: str, arch: str) -> list[Path]:
        return sorted((self.os_dir(repo, arch) / "Packages").glob("*.rpm"))

    def package(self, pattern: str) -> Path:
        """The one package of the tree whose file name matches a shell pattern."""
        found = [
            path
            for repo, arch in self.repositories
            for path in self.packages(repo, arch)
            if fnmatchcase(path.name, pattern)
        ]
        if len(found) != 1:
            raise LookupError(f"{pattern}: expected one package, found {[p.name for p in found]}")
        return found[0]

    def add(
        self,
        repo: str,
        arch: str,
        specs: Iterable[RpmSpec],
        signed_by: SigningKey | None = None,
        unsigned: bool = False,
    ) -> list[Path]:
        """Build packages into a repository; they show after `publish`."""
        self._of(repo, arch)
        key = None if unsigned else signed_by or self.key
        return build_rpms(specs, self.os_dir(repo, arch) / "Packages", key)

    def add_files(self, repo: str, arch: str, packages: Iterable[Path]) -> None:
        """Put packages that exist already into a repository, as hard links where possible."""
        self._of(repo, arch)
        target = self.os_dir(repo, arch) / "Packages"
        target.mkdir(parents=True, exist_ok=True)
        for package in packages:
            _link(package, target / package.name)

    def remove(self, repo: str, arch: str, pattern: str) -> int:
        """Delete packages whose file name matches a shell pattern; returns how many."""
        doomed = [p for p in self.packages(repo, arch) if fnmatchcase(p.name, pattern)]
        for path in doomed:
            path.unlink()
        return len(doomed)

    def add_advisories(self, repo: str, arch: str, advisories: Iterable[Advisory]) -> None:
        self._of(repo, arch).advisories.extend(advisories)

    def add_groups(self, repo: str, arch: str, groups: Iterable[Group]) -> None:
        self._of(repo, arch).groups.extend(groups)

    def set_modules(self, repo: str, arch: str, modules: str) -> None:
        """Replace the modulemd documents (YAML) of a repository."""
        self._of(repo, arch).modules = modules

    def publish(
        self,
        timestamp: int | None = None,
        signed_by: SigningKey | None = None,
        unsigned: bool = False,
    ) -> None:
        """Write the repodata of every repository, TIME and the key.

        Args:
            timestamp: revision and TIME; now, or one more than the last publish, by default.
            signed_by: sign repomd.xml by another key than the tree's.
            unsigned: publish no repomd.xml.asc.
        """
        self.timestamp = timestamp or max(int(time.time()), self.timestamp + 1)
        for (repo, arch), extras in self._extras.items():
            repodata.write_repodata(self.os_dir(repo, arch), extras, self.timestamp)
            self.sign(repo, arch, signed_by, unsigned)
        self.tick(self.timestamp)
        _write(self.root / self._key_name(), self.key.public.read_bytes())

    def tick(self, timestamp: int | None = None) -> None:
        """Set TIME, as upstream does every few minutes, with or without news."""
        _write(self.root / "TIME", b"%d\n" % (timestamp or int(time.time())))

    def sign(
        self, repo: str, arch: str, signed_by: SigningKey | None = None, unsigned: bool = False
    ) -> None:
        """Sign repomd.xml as it is now; `unsigned` takes the signature away."""
        key = None if unsigned else signed_by or self.key
        repodata.sign_repodata(self.os_dir(repo, arch), key)

    def edit_metadata(
        self, repo: str, arch: str, kind: str, edit: Callable[[str], str], sign: bool = True
    ) -> None:
        """Change the text of a metadata file ("primary", "updateinfo", …); repomd.xml follows."""
        repodata.edit_metadata(self.os_dir(repo, arch), kind, edit)
        if sign:
            self.sign(repo, arch)

    def edit_repomd(
        self, repo: str, arch: str, edit: Callable[[str], str], sign: bool = True
    ) -> None:
        """Change the text of repomd.xml."""
        repodata.edit_repomd(self.os_dir(repo, arch), edit)
        if sign:
            self.sign(repo, arch)

    def metadata_path(self, repo: str, arch: str, kind: str) -> Path:
        return repodata.metadata_path(self.os_dir(repo, arch), kind)

    def copy(self: Tree, root: Path) -> Tree:
        """The same tree at another root, sharing files as hard links."""
        copy_linked(self.root, root)
        twin = copy.copy(self)
        twin.root = root
        twin._extras = copy.deepcopy(self._extras)
        return twin

    def _of(self, repo: str, arch: str) -> Extras:
        return self._extras.setdefault((repo, arch), Extras())

    def _key_name(self) -> str:
        return f"RPM-GPG-KEY-AlmaLinux-{self.release.split('.')[0]}"


def copy_linked(source: Path, target: Path) -> Path:
    """Copy a folder, sharing its files as hard links where possible; returns `target`."""
    for directory, _, names in os.walk(source):
        place = target / Path(directory).relative_to(source)
        place.mkdir(parents=True, exist_ok=True)
        for name in names:
            _link(Path(directory) / name, place / name)
    return target


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        _write(target, source.read_bytes())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(content)
    temporary.rename(path)
