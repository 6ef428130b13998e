"""A host in memory for `tuxctl fips`, on the files of a ClientRoot. Runs on Python 3.6 too.

    machine = Machine(client_root)
    tuxctl.system_at = machine.system                   # or with faults: machine.faulty(kill_at=7)
    assert machine.state() == before

rpm, dnf, grubby and fips-mode-setup are played in process, so that hundreds of runs take seconds;
tests.e2e.test_fips_mode has the real rpm and dnf. What they changed outlives a killed run.
"""

import json

from tests.support.faults import FaultySystem
from tuxctl.system import Outcome

OLD = "5.14.0-284.30.1.el9_2.aarch64"
NEW = "5.14.0-284.11.1.el9_2.tuxcare.6.aarch64"
ROWS = {
    "old": [
        ("openssl-libs", "1", "3.0.7", "24.el9_2", "openssl"),
        ("kernel-core", "0", "5.14.0", "284.30.1.el9_2", "kernel"),
    ],
    "new": [
        ("openssl-libs", "1", "3.0.7", "20.el9_2.tuxcare.1", "openssl"),
        ("openssl", "1", "3.0.7", "20.el9_2.tuxcare.1", "openssl"),
        ("kernel-core", "0", "5.14.0", "284.11.1.el9_2.tuxcare.6", "kernel"),
        ("kernel", "0", "5.14.0", "284.11.1.el9_2.tuxcare.6", "kernel"),
        ("libkcapi", "0", "1.3.1", "3.el9", "libkcapi"),
        ("libkcapi-hmaccalc", "0", "1.3.1", "3.el9", "libkcapi"),
    ],
}
POLICY = "etc/crypto-policies/state/current"
MODULE = "etc/dracut.conf.d/40-fips.conf"


class Machine:
    """aarch64: the shorter list of modules. `broken`: programs that fail."""

    def __init__(self, root):
        self._root = root
        self.packages = "old"
        self.default = OLD
        self.arguments = {OLD: "ro quiet"}
        self.broken = set()
        self.calls = []
        root.write(POLICY, "DEFAULT\n")
        root.write("proc/sys/kernel/osrelease", OLD + "\n")
        root.write("proc/sys/kernel/random/boot_id", "first\n")
        root.write("proc/sys/crypto/fips_enabled", "0\n")
        self._install_kernel(OLD)

    def state(self):
        """All that must be as before when a run is undone; packages stay."""
        files = self._root.snapshot()
        kept = {
            name: (*content[:1], content[1][0] if content[1] else None)
            for name, content in files.items()
            if not name.startswith(("var/lib/tuxcare", "boot"))
        }
        arguments = {OLD: self.arguments[OLD]}
        return kept, self.default, arguments, self._root.read(POLICY)

    def reboot(self):
        self._root.write("proc/sys/kernel/osrelease", self.default + "\n")
        self._root.write("proc/sys/kernel/random/boot_id", "another\n")
        on = "fips=1" in self.arguments[self.default].split()
        self._root.write("proc/sys/crypto/fips_enabled", f"{int(on)}\n")

    def system(self, root):
        return self.faulty()(root)

    def faulty(self, **faults):
        """A `system_at` whose systems have these faults; `faulty.last` is the latest one."""

        def system_at(root):
            system_at.last = LiveSystem(root, self, **faults)
            return system_at.last

        return system_at

    # -- programs ----------------------------------------------------------------------------

    def run(self, argv):
        self.calls.append(list(argv))
        program = argv[0]
        if program in self.broken:
            return Outcome(1, "", f"{program}: it does not work today\n")
        play = getattr(self, "_" + program.replace("-", "_"), None)
        assert play, f"unexpected: {argv}"
        out = play(list(argv[1:]))
        return Outcome(0, out or "", "") if not isinstance(out, Outcome) else out

    def _rpm(self, arguments):
        if "-qa" in arguments and "REQUIRENAME" not in " ".join(arguments):
            rows = ROWS["old"] if self.packages == "old" else ROWS["old"][1:] + ROWS["new"]
            return "".join("\t".join(self._row(row, self._provides(row))) + "\n" for row in rows)
        assert "-ql" in arguments or "-qa" in arguments, arguments
        return ""

    @staticmethod
    def _provides(row):
        return "installonlypkg(kernel) " if row[0] == "kernel-core" else "x "

    @staticmethod
    def _row(row, last):
        name, epoch, version, release, source = row
        source = f"{source}-{version}-{release}.src.rpm"
        return (name, epoch, version, release, "aarch64", source, last)

    def _dnf(self, arguments):
        words = [word for word in arguments if not word.startswith("-")]
        if words[0] == "repoquery":
            if "--list" in arguments:
                return ""
            rows = [self._row(row, "tuxcare-fips") for row in ROWS["new"]]
            return "".join(
                "\t".join(row).replace("tuxcare-fips", "baseos" if "kcapi" in row[0] else row[6])
                + "\n"
                for row in rows
            )
        if "--assumeno" in arguments:
            return Outcome(1, "Dependencies resolved.\n Installing: x\n", "Operation aborted.")
        if words[0] == "install":
            self.packages = "new"
            self.default = NEW
            self.arguments[NEW] = self.arguments[OLD]
            self._install_kernel(NEW)
        else:
            assert words[0] == "mark", arguments
        return ""

    def _install_kernel(self, release):
        self._root.write("boot/vmlinuz-" + release, "kernel")
        self._root.write(f"boot/initramfs-{release}.img", "initramfs")

    def _grubby(self, arguments):
        options = dict(word.partition("=")[::2] for word in arguments)
        if "--default-kernel" in options:
            return f"/boot/vmlinuz-{self.default}\n"
        if options.get("--info") == "ALL":
            return "".join(
                f'index={number}\nkernel="/boot/vmlinuz-{release}"\nargs="{text}"\n'
                f'initrd="/boot/initramfs-{release}.img"\n'
                for number, (release, text) in enumerate(sorted(self.arguments.items()))
            )
        if "--set-default" in options:
            self.default = options["--set-default"][len("/boot/vmlinuz-") :]
            return ""
        assert options["--update-kernel"] == "ALL", arguments
        for release, text in self.arguments.items():
            words = [w for w in text.split() if w != options.get("--remove-args")]
            for added in options.get("--args", "").split():
                name = added.partition("=")[0]
                words = [w for w in words if w.partition("=")[0] != name] + [added]
            self.arguments[release] = " ".join(words)
        return ""

    def _fips_mode_setup(self, arguments):
        on = self._root.read("proc/sys/crypto/fips_enabled").strip() == "1"
        if arguments == ["--check"]:
            return "FIPS mode is {}.\n".format("enabled" if on else "disabled")
        assert arguments in (["--enable"], ["--disable"])
        if arguments == ["--enable"]:
            self._root.write(MODULE, "fips")
            self._root.write(POLICY, "FIPS\n")
        else:
            self._root.path(MODULE).unlink()
            self._root.write(POLICY, "DEFAULT\n")
        self._grubby(
            ["--update-kernel=ALL", "--args=fips={}".format(int(arguments == ["--enable"]))]
        )
        return ""

    def _update_crypto_policies(self, arguments):
        assert arguments[0] == "--set"
        self._root.write(POLICY, arguments[1] + "\n")

    def _lsblk(self, _arguments):
        return json.dumps({"blockdevices": [{"name": "/dev/vda", "fstype": None}]})

    def _openssl(self, _arguments):
        return "Providers:\n  fips\n    version: 3.0.7-1d2bd88ee26b3c90\n    status: active\n"


class LiveSystem(FaultySystem):
    """The running host, as tuxctl sees it."""

    is_live = True

    def __init__(self, root, machine, **faults):
        super().__init__(root, **faults)
        self._machine = machine

    def machine(self):
        return "aarch64"

    def euid(self):
        return 0

    def on_terminal(self):
        return False

    def has_program(self, name):
        return hasattr(Machine, "_" + name.replace("-", "_"))

    def run(self, argv, *_arguments, **_options):
        return self._operation(lambda: self._machine.run(argv))
