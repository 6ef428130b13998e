"""What is known of the host that is audited."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

RELEASE_PACKAGE = "almalinux-release"


class Installed(NamedTuple):
    """An installed package. `epoch` is None where the list does not say; `key` is the id of the
    key that signed it, 16 hex digits, None where nobody knows."""

    name: str
    epoch: int | None
    version: str
    release: str
    arch: str
    key: str | None = None

    @property
    def nvra(self) -> str:
        return f"{self.name}-{self.version}-{self.release}.{self.arch}"

    @property
    def nevra(self) -> str:
        """As dnf prints it: the epoch only where it is not 0."""
        epoch = f"{self.epoch}:" if self.epoch else ""
        return f"{self.name}-{epoch}{self.version}-{self.release}.{self.arch}"


@dataclass(frozen=True)
class Host:
    """`modules` is the text of /etc/dnf/modules.d/*.module by file name; None: unknown, as in a
    plain package list. `complete` modules: a name that is not there is not configured.
    `running_kernel` is what `uname -r` says."""

    packages: tuple[Installed, ...]
    modules: Mapping[str, str] = field(default_factory=dict)
    modules_complete: bool = False
    running_kernel: str | None = None
    name: str = "unknown"

    @property
    def release(self) -> str | None:
        """The minor release, `9.2`, from almalinux-release; None without it."""
        for package in self.packages:
            if package.name == RELEASE_PACKAGE:
                return package.version
        return None

    @property
    def arch(self) -> str:
        """The machine's, as the release package or the kernels tell; else the commonest."""
        for prefix in (RELEASE_PACKAGE, "kernel-core", "glibc"):
            for package in self.packages:
                if package.name == prefix and package.arch not in ("noarch", "i686"):
                    return package.arch
        return "x86_64"


def module_file(name: str, stream: str) -> str:
    """What dnf writes to /etc/dnf/modules.d/<name>.module for an enabled stream."""
    return f"[{name}]\nname={name}\nstream={stream}\nprofiles=\nstate=enabled\n"


def is_modular(release: str) -> bool:
    """Whether a package's release says that a module build made it."""
    return bool(re.search(r"\.module[_+]e?l?\d", release))
