"""A throwaway host that boots by pretending: EL's boot and FIPS tools, and what a reboot changes.

    tools = BootTools(host)            # before the first kernel is installed
    host.dnf("install", "kernel")      # a dnf plugin stands in for kernel-core's scriptlets
    tools.reboot()
    tools.fail("dracut")               # that program fails from now on
    assert ["grubby", "--set-default=..."] in tools.calls("grubby")

The programs are tests.support.el_tools; real are rpm, dnf, tuxctl and every file.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from . import el_tools
from .host import SITE_PACKAGES, Host

COMMAND_LINE = "ro root=UUID=11111111-2222-3333-4444-555555555555 quiet"
BOOT_UUID = "99999999-8888-7777-6666-555555555555"

# kernel-core's %posttrans and %preun, which the packages of the test trees have not.
_DNF_PLUGIN = """\
import subprocess
import dnf


class KernelInstall(dnf.Plugin):
    name = "kernel_install"

    def transaction(self):
        changes = [("remove", self.base.transaction.remove_set),
                   ("add", self.base.transaction.install_set)]
        for verb, packages in changes:
            for package in packages:
                if package.name == "kernel-core":
                    release = "%s-%s.%s" % (package.version, package.release, package.arch)
                    image = ["/lib/modules/%s/vmlinuz" % release] if verb == "add" else []
                    subprocess.run(["kernel-install", verb, release] + image, check=True)
"""
_FINDMNT = """\
#!/bin/sh
# findmnt(8) of util-linux, for the one question that is asked about /boot.
case "$*" in
    *"--output uuid --mountpoint /boot"*) echo {uuid} ;;
    *) echo "findmnt: unexpected: $*" >&2; exit 1 ;;
esac
"""


class BootTools:
    """The stand-ins on one host. `separate_boot`: /boot is a file system of its own."""

    def __init__(self, host: Host, separate_boot: bool = False) -> None:
        self._host = host
        host.write("/usr/local/lib/el_tools.py", Path(el_tools.__file__).read_bytes(), 0o755)
        for name in el_tools.PROGRAMS:
            # Before any program of this machine: both folders are first on PATH.
            host.run(["ln", "-sf", "/usr/local/lib/el_tools.py", f"/usr/local/sbin/{name}"])
        host.write(f"{SITE_PACKAGES}/dnf-plugins/kernel_install.py", _DNF_PLUGIN)
        host.write("/etc/kernel/cmdline", COMMAND_LINE + "\n")
        host.write("/etc/crypto-policies/state/current", "DEFAULT\n")
        if not host.path("/etc/machine-id").exists() or not host.read("/etc/machine-id").strip():
            host.write("/etc/machine-id", os.urandom(16).hex() + "\n")
        if separate_boot:
            # Before kernels are put there.
            host.run("mount -t tmpfs -o size=64m boot /boot")
            self.program("findmnt", _FINDMNT.format(uuid=BOOT_UUID))
        query = ["rpm", "-q", "--qf", "%{VERSION}-%{RELEASE}.%{ARCH}\\n", "kernel-core"]
        for release in host.run(query, check=False).stdout.split("\n"):
            if release.startswith("5."):
                host.run(["kernel-install", "add", release, f"/lib/modules/{release}/vmlinuz"])

    def program(self, name: str, text: str) -> None:
        """Another stand-in of the test's own."""
        self._host.write(f"/usr/local/sbin/{name}", text, 0o755)

    def remove(self, name: str) -> None:
        self._host.path(f"/usr/local/sbin/{name}").unlink()

    def reboot(self) -> None:
        """Boot the default entry; raises CommandFailed where a real host would be dead."""
        self._host.run(["reboot"])

    def fail(self, *names: str) -> None:
        """These programs fail from now on; none: all work again."""
        self._host.write("/run/el-tools.fail", " ".join(names))

    def kill_caller_of(self, *names: str) -> None:
        """Whoever starts one of these dies of SIGKILL."""
        self._host.write("/run/el-tools.kill", " ".join(names))

    def calls(self, name: str) -> list[list[str]]:
        """All calls of a program so far, with its name first."""
        path = self._host.path("/var/log/el-tools.log")
        lines = path.read_text().splitlines() if path.exists() else []
        return [call for call in map(json.loads, lines) if call[0] == name]

    @property
    def default(self) -> str:
        return self._host.run(["grubby", "--default-kernel"]).stdout.strip()

    @default.setter
    def default(self, kernel: str) -> None:
        self._host.run(["grubby", f"--set-default={kernel}"])

    @property
    def arguments(self) -> set[str]:
        """The arguments of all boot entries; one where they are alike."""
        text = self._host.run(["grubby", "--info=ALL"]).stdout
        return {line[6:-1] for line in text.splitlines() if line.startswith("args=")}

    @property
    def policy(self) -> str:
        return self._host.read("/etc/crypto-policies/state/current").strip()
