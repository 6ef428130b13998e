"""A root directory with what a customer's host has before registering. Runs on Python 3.6 too.

It holds no programs: only files that tuxctl reads and changes. For real dnf there is
tests.support.host.
"""

import contextlib
import io
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.support import CHECKOUT
from tuxctl import cli
from tuxctl.system import System

KEY_FILE = "etc/pki/rpm-gpg/RPM-GPG-KEY-TuxCare"
TOKEN = "etc/tuxcare/token"
FIPS_CONF = "etc/tuxcare/fips.conf"
BASEOS = "etc/yum.repos.d/almalinux-baseos.repo"
OWN = "etc/yum.repos.d/tuxcare.repo"
DNF_CONF = "etc/dnf/dnf.conf"
RELEASEVER = "etc/dnf/vars/tuxcare_releasever"

# AlmaLinux ships a file a repository on 9 and several sections a file on 8.
SECTION = """\
[{id}]
name=AlmaLinux $releasever - {repo}
mirrorlist=https://mirrors.almalinux.org/mirrorlist/$releasever/{id}
# baseurl=https://repo.almalinux.org/almalinux/$releasever/{repo}/$basearch/os/
enabled={enabled}
gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-AlmaLinux-9

[{id}-source]
name=AlmaLinux $releasever - {repo} - Source
mirrorlist=https://mirrors.almalinux.org/mirrorlist/$releasever/{id}-source
# baseurl=https://repo.almalinux.org/vault/$releasever/{repo}/Source/
enabled=0
gpgcheck=1
"""


class StandInKey:
    """A key pair's public half in `file`, its `fingerprint`; made by gpg in a folder of its own."""

    def __init__(self, directory):
        home = Path(str(directory))
        home.chmod(0o700)
        self._gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
        self.file = home / "public.asc"
        try:
            self._run(
                *("--passphrase", "", "--pinentry-mode", "loopback"),
                *("--quick-generate-key", "Stand-in <stand-in@example.com>", "rsa2048", "sign"),
            )
            listing = self._run("--with-colons", "--list-keys").decode()
            self.file.write_bytes(self._run("--armor", "--export"))
        finally:
            subprocess.call(["gpgconf", "--homedir", str(home), "--kill", "all"])
        records = [line.split(":") for line in listing.splitlines()]
        self.fingerprint = next(record[9] for record in records if record[0] == "fpr")

    def _run(self, *arguments):
        return subprocess.check_output([*self._gpg, *arguments], stderr=subprocess.DEVNULL)


class ClientRoot:
    """Files under `directory`; paths are given as on the host, without the leading slash."""

    def __init__(self, directory, key=None, release="9.2"):
        self.directory = Path(str(directory))
        self._dress(release)
        if key is not None:
            self.trust(key)

    def _dress(self, release):
        self.write("etc/almalinux-release", f"AlmaLinux release {release} (Test Cat)\n")
        self.write("etc/os-release", f'ID="almalinux"\nVERSION_ID="{release}"\n')
        self.write("etc/machine-id", "0123456789abcdef0123456789abcdef\n")
        self.write("etc/hostname", "client.example.com\n")
        for name, repo, enabled in (("baseos", "BaseOS", 1), ("crb", "CRB", 0)):
            self.write(
                f"etc/yum.repos.d/almalinux-{name}.repo",
                SECTION.format(id=name, repo=repo, enabled=enabled),
            )
        for name in ("etc/yum.repos.d/tuxcare.repo", "etc/tuxcare/tuxcare.conf"):
            self.copy(CHECKOUT / name, name)
        for manifest in sorted((CHECKOUT / "packaging" / "fips").glob("*.conf")):
            self.copy(manifest, f"usr/share/tuxcare/fips/{manifest.name}")
        for name in ("etc/dnf/vars", "var/lib/tuxcare"):
            self.path(name).mkdir(parents=True, exist_ok=True)

    def trust(self, key):
        """Make a stand-in key the one that tuxcare.conf names."""
        self.copy(key.file, KEY_FILE)
        self.write("etc/tuxcare/tuxcare.conf", f"[gpg]\nfingerprint = {key.fingerprint}\n")

    def configure(self, text):
        """Add lines to tuxcare.conf."""
        self.write("etc/tuxcare/tuxcare.conf", self.read("etc/tuxcare/tuxcare.conf") + text)

    def path(self, name):
        return self.directory / name

    def exists(self, name):
        return os.path.lexists(str(self.path(name)))

    def read(self, name):
        return self.path(name).read_bytes().decode()

    def write(self, name, content):
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def copy(self, source, name):
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(source), str(self.path(name)))

    def mode(self, name):
        return stat.S_IMODE(self.path(name).lstat().st_mode)

    def rpm_keys(self):
        """The short ids of the keys that rpm has imported."""
        done = subprocess.run(
            ["rpm", "--root", str(self.directory), "-q", "gpg-pubkey", "--qf", "%{VERSION}\n"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return done.stdout.decode().split() if done.returncode == 0 else []

    def snapshot(self):
        """All but rpm's database: path -> (permissions, link target or bytes and mtime)."""
        found = {}
        for path in self.directory.rglob("*"):
            name = path.relative_to(self.directory)
            if name.parts[:3] == ("var", "lib", "rpm"):
                continue
            status = path.lstat()
            content = None
            if path.is_symlink():
                content = os.readlink(str(path))  # noqa: PTH115  # Path has it from 3.9 on
            elif path.is_file():
                content = (path.read_bytes(), status.st_mtime_ns)
            found[str(name)] = (stat.S_IMODE(status.st_mode), content)
        return found


class Outcome(NamedTuple):
    """How a run of tuxctl ended, and all it said."""

    status: int
    out: str
    err: str


class Tuxctl:
    """Runs tuxctl in this process on a ClientRoot. `system_at`: another door to the machine."""

    def __init__(self, root):
        self.root = root
        self.system_at = System

    def __call__(self, *arguments, stdin=b""):
        out, err = io.StringIO(), io.StringIO()
        source = io.TextIOWrapper(io.BytesIO(stdin))
        before, sys.stdin = sys.stdin, source
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                status = cli.main(["--root", str(self.root.directory), *arguments], self._system)
        except SystemExit as leaving:  # argparse
            status = leaving.code
        finally:
            sys.stdin = before
        return Outcome(status, out.getvalue(), err.getvalue())

    def _system(self, root):
        return self.system_at(root)
