"""What is installed below a root directory: its rpm database, module files, running kernel."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ..core.audit import rpmqa
from ..core.audit.host import Host
from ..core.errors import ConfigError

# EL8 and EL9; EL10 and whoever follows Fedora.
_DATABASES = ("var/lib/rpm", "usr/lib/sysimage/rpm")
_FORMAT = (
    "%{NAME} %{EPOCHNUM} %{VERSION} %{RELEASE} %{ARCH}"
    " %|RSAHEADER?{%{RSAHEADER:pgpsig}}:{%{SIGPGP:pgpsig}}|\\n"
)
_MODULES = "etc/dnf/modules.d"
_TIMEOUT = 120.0


class RootReader:
    """See `ports.HostReader`."""

    def read(self, root: Path) -> Host:
        database = next((root / d for d in _DATABASES if (root / d).is_dir()), None)
        if database is None:
            raise ConfigError(
                f"{root}: has no rpm database", expected=" or ".join(f"/{d}" for d in _DATABASES)
            )
        modules = root / _MODULES
        return Host(
            packages=rpmqa.parse(_query(database), f"{root}: rpm -qa"),
            modules={p.name: _text(p) for p in sorted(modules.glob("*.module"))},
            modules_complete=True,
            running_kernel=os.uname().release if root.resolve() == Path("/") else None,
            name=_text(root / "etc/hostname").strip() or "unknown",
        )


def _query(database: Path) -> bytes:
    try:
        result = subprocess.run(
            ["rpm", "--dbpath", str(database.resolve()), "-qa", "--qf", _FORMAT],
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except FileNotFoundError:
        raise ConfigError("rpm is not installed here", way_out="give a list: --rpm-qa") from None
    except subprocess.TimeoutExpired:
        raise ConfigError(f"{database}: rpm does not answer; another may hold its lock") from None
    if result.returncode:
        raise ConfigError(
            f"{database}: rpm cannot read it",
            found=result.stderr.decode(errors="replace").strip()[-300:],
        )
    # Keys are packages to rpm, of no architecture.
    lines = result.stdout.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(b"gpg-pubkey "))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
