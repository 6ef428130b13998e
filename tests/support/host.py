"""A throwaway AlmaLinux host: namespaces over an overlay of this machine, 40 ms each.

    with Host(release="9.2") as host:
        host.trust(key)
        host.use_upstream(httpd.url)
        host.dnf("install", "curl")
        assert "curl-7.76.1-23.el9_2.1.x86_64" in host.rpmdb()

The host sees this machine's programs (rpm, dnf, python3 with their bindings) through a read-only
lower layer; what it writes lands in a tmpfs of its own. It has mount, PID and UTS namespaces of its
own and, on demand, a network. What makes it AlmaLinux: release files, repository files, dnf.conf,
an rpm database with the base packages, EL's plugin path. /tmp, /run and /root start empty: `share`
what it shall see. Not there: systemd as PID 1.

Nothing is left behind: PID 1 of the host waits on a pipe from this process, so it ends with the
test runner, however that ends, and the kernel takes mounts and processes with it.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from . import CHECKOUT
from .catalogue import base_specs
from .keys import SigningKey
from .policy import MARK
from .repofiles import gpg_key_path, repo_files
from .rpms import build_rpms

SITE_PACKAGES = "/usr/lib/python3.9/site-packages"
DNF_CONF = f"""\
[main]
gpgcheck=1
installonly_limit=3
clean_requirements_on_remove=True
best=True
skip_if_unavailable=False
pluginpath={SITE_PACKAGES}/dnf-plugins
"""
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "TERM": "dumb",
}

_SETUP = r"""
set -eu
top=/tmp # of this namespace: no folder of the machine's is needed
mount -t tmpfs -o size=1g,mode=755 upper "$top"
mkdir "$top/upper" "$top/work" "$top/root"
mount -t overlay root -o "lowerdir=/,upperdir=$top/upper,workdir=$top/work" "$top/root"
cd "$top/root"
mount -t proc proc proc
mount --rbind /dev dev
mount --rbind /sys sys
mount -t tmpfs run run
mount -t tmpfs -o mode=1777 tmp tmp
mount -t tmpfs -o mode=700 home root
rm -rf usr/lib/python3/dist-packages/dnf-plugins/* etc/dnf/plugins/* etc/dnf/aliases.d/* \
    etc/dnf/vars/* etc/dnf/dnf-strict.conf etc/dnf/protected.d/* etc/dnf/modules.d/* \
    etc/yum.repos.d etc/pki/rpm-gpg etc/debian_version etc/os-release usr/bin/apt usr/bin/apt-get \
    etc/tuxcare etc/tuxcare-release usr/share/tuxcare var/lib/tuxcare \
    var/lib/rpm var/lib/dnf var/cache/dnf var/log/dnf* var/log/hawkey.log
mkdir -p var/lib/rpm var/lib/dnf etc/yum.repos.d etc/pki/rpm-gpg
ip link set lo up 2>/dev/null || true
hostname "$1"
mkdir .old
pivot_root . .old
umount -l /.old
rmdir /.old
cd /
echo ready
cat # no exec: bash reaps what daemons leave to PID 1
exit 0
"""


class Host:
    """A host that exists while the context lasts.

    Args:
        name: host name inside.
        release: AlmaLinux minor release it claims to be.
        arch: "x86_64" or "aarch64"; of another arch than the machine's, only dnf and rpm know.
        network: "shared" reaches the loopback of this machine, "own" has one of its own: start
            servers inside with `serve` then.
        base: put basesystem, almalinux-release and almalinux-repos into the rpm database.

    Attributes:
        pid: PID 1 of the host, as this machine numbers it.
    """

    def __init__(
        self,
        name: str = "host1",
        release: str = "9.2",
        arch: str = "x86_64",
        network: str = "shared",
        base: bool = True,
    ) -> None:
        if network not in ("shared", "own"):
            raise ValueError(f"network {network!r}: expected shared or own")
        self.name = name
        self.release = release
        self.arch = arch
        self._own_network = network == "own"
        self._base = base
        self._servers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Host:
        namespaces = ["-m", "-p", "-f", "-u", *(["-n"] if self._own_network else [])]
        command = ["unshare", *namespaces, "--kill-child", "--propagation", "private"]
        self._process = subprocess.Popen(
            [*command, "bash", "-c", _SETUP, "_", self.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**ENVIRONMENT, MARK: os.environ.get(MARK, "")},
        )
        try:
            if not self._process.stdout or self._process.stdout.readline() != b"ready\n":
                raise RuntimeError(f"host {self.name}: set-up failed (see its messages above)")
            self.pid = _only_child(self._process.pid)
            self._dress()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(timeout=60)
        for server in self._servers:
            server.wait(timeout=60)
        if self._process.stdout:
            self._process.stdout.close()

    def run(
        self,
        command: Sequence[str | Path] | str,
        check: bool = True,
        input: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 120,
        uid: int = 0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside; a string goes to `sh -c`.

        Args:
            check: raise CommandFailed, which shows the output, on a non-zero exit status.
            env: in addition to a plain environment; nothing of the test runner's is inherited.
            uid: user and group id to run as.
        """
        argv = ["sh", "-c", command] if isinstance(command, str) else [str(a) for a in command]
        done = subprocess.run(
            self._enter(argv, uid),
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            env={**ENVIRONMENT, **(env or {})},
            text=True,
            check=False,
            timeout=timeout,
        )
        if check and done.returncode:
            raise CommandFailed(argv, done)
        return done

    def dnf(
        self,
        *arguments: str | Path,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        uid: int = 0,
    ) -> subprocess.CompletedProcess[str]:
        """`dnf -y ARGUMENTS`, with --forcearch on a host of a foreign arch."""
        forced = [] if self.arch == os.uname().machine else [f"--forcearch={self.arch}"]
        return self.run(["dnf", "-y", *forced, *arguments], check=check, env=env, uid=uid)

    def rpmdb(self) -> list[str]:
        """What is installed, as sorted NEVRAs (`openssl-libs-1:3.0.7-16.el9_2.x86_64`)."""
        listing = self.run(["rpm", "-qa", "--qf", "%{NEVRA}\\n"]).stdout.split()
        return sorted(nevra for nevra in listing if not nevra.startswith("gpg-pubkey-"))

    def path(self, inside: str | Path) -> Path:
        """Where a path of the host is for this process; absolute links in it lead astray."""
        return Path(f"/proc/{self.pid}/root{inside}")

    def read(self, inside: str | Path) -> str:
        return self.path(inside).read_text()

    def write(self, inside: str | Path, text: str | bytes, mode: int = 0o644) -> Path:
        """Write a file of the host, and the folders above it."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        content = text.encode() if isinstance(text, str) else text
        path.write_bytes(content)
        path.chmod(mode)
        return path

    def share(self, outside: Path) -> None:
        """Show a folder of this machine at the same place inside, writable."""
        self.path(outside).mkdir(parents=True, exist_ok=True)
        helper = Path(__file__).with_name("share_mount.py")
        arguments = [str(self.pid), str(outside)]
        subprocess.run([sys.executable, "-I", "-S", str(helper), *arguments], check=True)

    def serve(
        self, command: Sequence[str | Path], port: int, timeout: float = 15
    ) -> subprocess.Popen[bytes]:
        """Start a server inside and wait until something listens on the TCP port."""
        server = subprocess.Popen(
            self._enter([str(a) for a in command]), env=ENVIRONMENT, stdin=subprocess.DEVNULL
        )
        self._servers.append(server)
        deadline = time.monotonic() + timeout
        while not self._listens(port):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{shlex.join(map(str, command))}: not on port {port}")
            time.sleep(0.02)
        return server

    def trust(self, key: SigningKey, path: str | None = None) -> str:
        """Put a public key where the repository files expect AlmaLinux's, or at `path`."""
        target = path or gpg_key_path(self.release)
        self.write(target, key.public.read_bytes())
        return target

    def use_upstream(self, url: str) -> None:
        """Point almalinux*.repo at `<url>/<release>/<Repo>/<arch>/os/` instead of a mirror list."""
        for name, text in repo_files(self.release).items():
            text = text.replace("\nmirrorlist=", "\n# mirrorlist=")
            text = text.replace(
                "\n# baseurl=https://repo.almalinux.org/almalinux/$releasever/",
                f"\nbaseurl={url}/{self.release}/",
            )
            self.write(f"/etc/yum.repos.d/{name}", text)

    def add_repo(self, repo_id: str, baseurl: str, **options: str | int) -> None:
        """Write a repository file of its own; gpgcheck is on unless an option says otherwise."""
        lines = {"name": repo_id, "baseurl": baseurl, "enabled": 1, "gpgcheck": 1, **options}
        text = "".join(f"{name}={value}\n" for name, value in lines.items())
        self.write(f"/etc/yum.repos.d/{repo_id}.repo", f"[{repo_id}]\n{text}")

    def install_checkout(self, env: Mapping[str, str] | None = None) -> None:
        """Install plugin, library, tuxctl, configuration and manifests from this checkout."""
        if not self.path(CHECKOUT / "packaging" / "install.sh").exists():
            self.share(CHECKOUT)  # it is on another file system than /
        self.run([CHECKOUT / "packaging" / "install.sh", "", SITE_PACKAGES], env=env)

    def _enter(self, argv: Sequence[str], uid: int = 0) -> list[str]:
        spaces = ["-m", "-p", "-u", *(["-n"] if self._own_network else [])]
        root = [f"--root=/proc/{self.pid}/root", f"--wd=/proc/{self.pid}/root"]
        user = [f"--setuid={uid}", f"--setgid={uid}"] if uid else []
        return ["nsenter", "-t", str(self.pid), *spaces, *root, *user, *argv]

    def _listens(self, port: int) -> bool:
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/{self.pid}/net/{table}").read_text().splitlines()[1:]:
                address, state = line.split()[1], line.split()[3]
                if state == "0A" and int(address.rpartition(":")[2], 16) == port:
                    return True
        return False

    def _dress(self) -> None:
        """Make it look like AlmaLinux."""
        for spec in base_specs(self.release, self.arch):
            for path, content in spec.contents.items():
                if isinstance(content, bytes):
                    os.utime(self.write(path, content), (spec.build_time, spec.build_time))
        self.write("/etc/dnf/dnf.conf", DNF_CONF)
        self.write("/etc/rpm/macros", "%_dbpath /var/lib/rpm\n")
        if self.arch != os.uname().machine:
            self.write("/etc/rpm/platform", f"{self.arch}-redhat-linux\n")
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        site = f"/usr/local/lib/python{version}/dist-packages"
        self.write(f"{site}/el-site-packages.pth", f"{SITE_PACKAGES}\n")
        if self._base:
            self.write("/var/lib/rpm/rpmdb.sqlite", _base_rpmdb(self.release, self.arch))


class CommandFailed(Exception):
    """A command inside a host exited non-zero; shows all it said."""

    def __init__(self, argv: Sequence[str], done: subprocess.CompletedProcess[str]) -> None:
        self.done = done
        super().__init__(
            f"{shlex.join(argv)}: exit {done.returncode}\n--- stdout\n{done.stdout}"
            f"--- stderr\n{done.stderr}"
        )


@cache
def _base_rpmdb(release: str, arch: str) -> bytes:
    """An rpm database that holds the base packages; made once a process."""
    with tempfile.TemporaryDirectory(prefix="tuxcare-rpmdb-") as name:
        directory = Path(name)
        packages = build_rpms(base_specs(release, arch), directory)
        subprocess.run(
            ["rpm", "--force-debian", "--dbpath", str(directory / "db"), "-i", "--justdb",
             "--nosignature", "--nodeps", "--noscripts", "--ignorearch", *map(str, packages)],
            check=True, env={**ENVIRONMENT, "HOME": name},
        )  # fmt: skip
        return (directory / "db" / "rpmdb.sqlite").read_bytes()


def _only_child(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    if len(children) != 1:
        raise RuntimeError(f"process {pid} should have one child, has {children}")
    return int(children[0])
