"""A root directory with what a customer's host has before registering. Runs on Python 3.6 too.

It holds no programs: only files that tuxctl reads and changes. For real dnf there is
tests.support.host.
"""

import os
import shutil
import stat
import subprocess

from tests.support import CHECKOUT

KEY_FILE = "etc/pki/rpm-gpg/RPM-GPG-KEY-TuxCare"

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
        home = str(directory)
        os.chmod(home, 0o700)
        gpg = ["gpg", "--homedir", home, "--batch", "--quiet"]
        try:
            subprocess.check_call(
                gpg
                + ["--passphrase", "", "--pinentry-mode", "loopback"]
                + ["--quick-generate-key", "Stand-in <stand-in@example.com>", "rsa2048", "sign"],
                stderr=subprocess.DEVNULL,
            )
            listing = subprocess.check_output(gpg + ["--with-colons", "--list-keys"]).decode()
            self.file = os.path.join(home, "public.asc")
            with open(self.file, "wb") as stream:
                stream.write(subprocess.check_output(gpg + ["--armor", "--export"]))
        finally:
            subprocess.call(["gpgconf", "--homedir", home, "--kill", "all"])
        records = [line.split(":") for line in listing.splitlines()]
        self.fingerprint = next(record[9] for record in records if record[0] == "fpr")


class ClientRoot:
    """Files under `directory`; paths are given as on the host, without the leading slash."""

    def __init__(self, directory, key=None, release="9.2"):
        self.directory = str(directory)
        self._dress(release)
        if key is not None:
            self.trust(key)

    def _dress(self, release):
        self.write("etc/almalinux-release", "AlmaLinux release {} (Test Cat)\n".format(release))
        self.write(
            "etc/os-release", 'NAME="AlmaLinux"\nID="almalinux"\nVERSION_ID="{}"\n'.format(release)
        )
        self.write("etc/machine-id", "0123456789abcdef0123456789abcdef\n")
        self.write("etc/hostname", "client.example.com\n")
        for name, repo, enabled in (("baseos", "BaseOS", 1), ("crb", "CRB", 0)):
            self.write(
                "etc/yum.repos.d/almalinux-{}.repo".format(name),
                SECTION.format(id=name, repo=repo, enabled=enabled),
            )
        for name in ("etc/yum.repos.d/tuxcare.repo", "etc/tuxcare/tuxcare.conf"):
            self.copy(str(CHECKOUT / name), name)
        manifests = CHECKOUT / "packaging" / "fips"
        for name in sorted(os.listdir(str(manifests))):
            self.copy(str(manifests / name), "usr/share/tuxcare/fips/" + name)
        for name in ("etc/dnf/vars", "var/lib/tuxcare"):
            os.makedirs(self.path(name), exist_ok=True)

    def trust(self, key):
        """Make a stand-in key the one that tuxcare.conf names."""
        self.copy(key.file, KEY_FILE)
        self.write("etc/tuxcare/tuxcare.conf", "[gpg]\nfingerprint = {}\n".format(key.fingerprint))

    def configure(self, text):
        """Add lines to tuxcare.conf."""
        self.write("etc/tuxcare/tuxcare.conf", self.read("etc/tuxcare/tuxcare.conf") + text)

    def path(self, name):
        return os.path.join(self.directory, name)

    def exists(self, name):
        return os.path.lexists(self.path(name))

    def read(self, name):
        with open(self.path(name), "rb") as stream:
            return stream.read().decode()

    def write(self, name, content):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as stream:
            stream.write(content if isinstance(content, bytes) else content.encode())

    def copy(self, source, name):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        shutil.copyfile(source, self.path(name))

    def mode(self, name):
        return stat.S_IMODE(os.lstat(self.path(name)).st_mode)

    def snapshot(self):
        """Every file and directory but rpm's database: path -> (mode, mtime, bytes or target)."""
        found = {}
        for folder, folders, files in os.walk(self.directory):
            inside = os.path.relpath(folder, self.directory)
            if inside == os.path.join("var", "lib"):
                folders[:] = [name for name in folders if name != "rpm"]
            for name in folders + files:
                path = os.path.join(folder, name)
                status = os.lstat(path)
                content = None
                if stat.S_ISLNK(status.st_mode):
                    content = os.readlink(path)
                elif stat.S_ISREG(status.st_mode):
                    with open(path, "rb") as stream:
                        content = (stream.read(), status.st_mtime_ns)
                key = os.path.join(inside, name) if inside != os.curdir else name
                found[key] = (stat.S_IMODE(status.st_mode), content)
        return found
