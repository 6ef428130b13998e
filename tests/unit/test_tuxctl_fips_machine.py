"""What is found of a machine, from files and programs of a root directory."""

import io

import pytest

from tests.support.client_root import ClientRoot
from tuxctl.console import Console
from tuxctl.fips import machine
from tuxctl.fips.boot import BootLoader
from tuxctl.fips.machine import Drivers, Encrypted
from tuxctl.system import Outcome, System

KERNEL = "5.14.0-284.30.1.el9_2.x86_64"
SECURE_BOOT = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"


class Recorded(System):
    """Programs by name: what each prints."""

    is_live = True
    separate = False

    def is_separate(self, path):
        return self.separate

    def has_program(self, name):
        return name in self.printed

    def run(self, argv, *_arguments, **_options):
        found = self.printed[argv[0]]
        return found(argv) if callable(found) else Outcome(0, found, "")


@pytest.fixture
def root(tmp_path):
    root = ClientRoot(tmp_path / "root")
    root.write("proc/sys/kernel/osrelease", KERNEL + "\n")
    root.write("proc/modules", "nvme 1 0 - Live 0x0\nvirtio_net 1 0 - Live 0x0\n")
    root.write("boot/vmlinuz-" + KERNEL, b"k" * 1000)
    root.write(f"boot/initramfs-{KERNEL}.img", b"i" * 5000)
    root.write("etc/crypto-policies/state/current", "LEGACY\n")
    return root


@pytest.fixture
def look(root):
    def run(**printed):
        class Host(Recorded):
            separate = printed.pop("separate", False)

        Host.printed = {"lsblk": '{"blockdevices": []}', "grubby": "", **printed}
        system = Host(str(root.directory))
        return machine.look(
            _Context(system), BootLoader(system, Console(io.StringIO(), io.StringIO())), "x86_64", 9
        )

    return run


class _Context:
    def __init__(self, system):
        self.system = system


def test_a_plain_host(look):
    found = look()
    assert (found.kernel, found.policy, found.secure_boot) == (KERNEL, "LEGACY", False)
    assert found.missing_tools == ("fips-mode-setup", "update-crypto-policies")
    assert (found.has_boot, found.separate_boot, found.boot_uuid) == (True, False, None)
    assert found.boot_needed == 1000 + 2 * 5000
    assert found.ssh is None
    assert found.encrypted == ()


def test_a_boot_file_system_of_its_own_is_asked_as_fips_mode_setup_asks(look):
    asked = []

    def findmnt(argv):
        asked.append(argv)
        return Outcome(0, "" if "--fstab" in argv else "1-2-3\n", "")

    assert look(separate=True, findmnt=findmnt).boot_uuid == "1-2-3"
    assert asked[0] == [*asked[1], "--fstab"]


@pytest.mark.parametrize(
    ("variable", "on"),
    [
        (b"\x06\0\0\0\x01", True),
        (b"\x06\0\0\0\0", False),
        (b"\x06", False),
    ],
)
def test_secure_boot_as_the_firmware_has_it(root, look, variable, on):
    root.write(SECURE_BOOT, variable)
    assert look().secure_boot is on


def test_drivers_of_disks_and_network_cards(root, look):
    pci = root.path("sys/devices/pci0000:00/0000:00:04.0")
    disk = pci / "nvme" / "nvme0"
    disk.mkdir(parents=True)
    root.path("sys/module/nvme").mkdir(parents=True)
    root.path("sys/bus/pci/drivers/nvme").mkdir(parents=True)
    (root.path("sys/bus/pci/drivers/nvme") / "module").symlink_to(root.path("sys/module/nvme"))
    (pci / "driver").symlink_to(root.path("sys/bus/pci/drivers/nvme"))
    root.path("sys/block/nvme0n1").mkdir(parents=True)
    (root.path("sys/block/nvme0n1") / "device").symlink_to(disk)
    assert look().drivers == Drivers(("nvme", "virtio_net"), (), ("nvme",))


def test_encrypted_volumes_below_others(look):
    tree = '{"blockdevices": [{"name": "/dev/a", "fstype": null, "children": ['
    tree += '{"name": "/dev/a3", "fstype": "crypto_LUKS"}]}]}'
    dump = "Keyslots:\n  2: luks2\n\tPBKDF:      argon2i\nTokens:\n"
    assert look(lsblk=tree, cryptsetup=dump).encrypted == (Encrypted("/dev/a3", ((2, "argon2i"),)),)
    [unknown] = look(lsblk=tree).encrypted
    assert unknown.problem == "cryptsetup is not installed"
    broken = look(lsblk=tree, cryptsetup=lambda _argv: Outcome(1, "", "Device is busy.\n"))
    assert broken.encrypted[0].problem == "Device is busy."


def test_who_can_log_in(root, look):
    root.write(
        "etc/passwd",
        "root:x:0:0::/root:/bin/bash\nbin:x:1:1::/bin:/sbin/nologin\n"
        "alice:x:1000:1000::/home/alice:/bin/bash\nbot:x:1001:1001::/home/bot:/bin/false\nbroken\n",
    )
    root.write("home/alice/.ssh/authorized_keys", "ssh-ed25519 AAAA alice\n")
    root.write("etc/ssh/sshd_config", "PasswordAuthentication yes\n")
    root.write("etc/ssh/sshd_config.d/01.conf", "PermitRootLogin no\nPasswordAuthentication no\n")
    ssh = look().ssh
    assert [account.name for account in ssh.accounts] == ["root", "alice"]
    assert [str(key) for key in ssh.accounts[1].keys] == ["ssh-ed25519"]
    assert (ssh.passwords, ssh.root) == (False, False)
