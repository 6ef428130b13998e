"""What stands in the way of a FIPS boot, and the parsers that find it."""

import base64
import datetime
import struct

import pytest

from tuxcare.manifest import parse
from tuxctl.fips import access, attest, boot, checks, findings, keys, machine
from tuxctl.fips.access import Account, Ssh
from tuxctl.fips.boot import Entry, Target
from tuxctl.fips.builds import Selection
from tuxctl.fips.machine import Drivers, Encrypted, Machine

TODAY = datetime.date(2026, 1, 1)
MANIFEST = parse(
    "test",
    """
[manifest]
format = 1
release = 9.2
status = validated
patched_repositories = tuxcare-esu
[pin openssl]
builds = openssl-3.0.7-20.el9_2.tuxcare.1
epoch = 1
arches = x86_64 aarch64
certificate = 4823
status = interim
sunset = 2026-10-06
repositories = tuxcare-fips
binaries = openssl-libs
""",
)
RSA = keys.PublicKey("ssh-rsa", 3072)
ED25519 = keys.PublicKey("ssh-ed25519", None)
SOUND = Machine(
    arch="x86_64",
    major=9,
    kernel="5.14.0-284.30.1.el9_2.x86_64",
    missing_tools=(),
    has_boot=True,
    separate_boot=False,
    boot_uuid=None,
    boot_free=500 << 20,
    boot_needed=150 << 20,
    entries=(),
    default_kernel="/boot/vmlinuz-5.14.0-284.30.1.el9_2.x86_64",
    secure_boot=False,
    policy="DEFAULT",
    encrypted=(),
    ssh=Ssh((RSA,), (Account("root", 0, (RSA,)), Account("alice", 1000, (RSA,))), False, True),
    drivers=Drivers((), (), ()),
)
NOTHING = Selection((), (), (), "5.14.0-284.11.1.el9_2.tuxcare.6.x86_64")


def found(machine=SOUND, selection=NOTHING, modules=(), today=TODAY):
    return [
        (finding.level, finding.name)
        for finding in checks.check(machine, selection, MANIFEST.pins, modules, today)
    ]


def with_accounts(*accounts, **changes):
    ssh = SOUND.ssh._replace(accounts=accounts, **changes)
    return SOUND._replace(ssh=ssh)


def test_a_sound_host_has_nothing_in_the_way():
    assert found() == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"missing_tools": ("grubby",)}, ("blocker", "tools")),
        ({"has_boot": False}, ("blocker", "boot")),
        ({"boot_free": 70 << 20}, ("blocker", "boot-space")),
        ({"separate_boot": True}, ("blocker", "boot-device")),
        ({"separate_boot": True, "boot_uuid": "1-2"}, None),
        ({"secure_boot": True}, ("warning", "secure-boot")),
        ({"arch": "aarch64"}, ("warning", "aarch64")),
        ({"major": 10}, ("warning", "installed-without-fips")),
        ({"policy": "LEGACY"}, ("warning", "crypto-policy")),
        ({"policy": "FIPS:OSPP"}, None),
        ({"encrypted": (Encrypted("/dev/a", ((0, "pbkdf2"),)),)}, None),
        ({"encrypted": (Encrypted("/dev/a", ((0, "argon2id"),)),)}, ("blocker", "luks")),
        ({"encrypted": (Encrypted("/dev/a", ((3, "argon2i"),)),)}, ("blocker", "luks")),
        ({"encrypted": (Encrypted("/dev/a", (), "no cryptsetup"),)}, ("blocker", "luks")),
        ({"ssh": None}, None),
        ({"ssh": SOUND.ssh._replace(host_keys=(ED25519,))}, ("blocker", "ssh-host-keys")),
        ({"ssh": SOUND.ssh._replace(host_keys=(ED25519, RSA))}, ("warning", "ssh-host-keys")),
        ({"entries": (Entry("/boot/k", "ro boot=UUID=9"),)}, ("warning", "boot-argument")),
    ],
)
def test_one_thing_in_the_way(changes, expected):
    assert found(SOUND._replace(**changes)) == ([expected] if expected else [])


def test_a_new_kernel_needs_room_for_itself():
    half = SOUND._replace(boot_free=80 << 20)
    assert found(half) == []
    replacement = type("R", (), {"package": type("P", (), {"name": "kernel-core"})})
    assert found(half, NOTHING._replace(install=(replacement,))) == [("blocker", "boot-space")]


def test_who_can_log_in_afterwards():
    alice = Account("alice", 1000, (ED25519,))
    root = Account("root", 0, (RSA,))
    assert found(with_accounts(root, alice)) == [("warning", "ssh-keys")]
    assert found(with_accounts(alice)) == [("blocker", "ssh-locked-out"), ("warning", "ssh-keys")]
    assert found(with_accounts(alice, passwords=True)) == [("warning", "ssh-keys")]
    assert found(with_accounts(root)) == [("warning", "ssh-root-only")]
    assert found(with_accounts(root, root=False)) == []


def test_drivers_that_the_validated_kernel_lacks():
    drivers = Drivers(("nvidia", "nvme", "virtio_net", "xfs"), ("nvidia",), ("nvme",))
    host = SOUND._replace(drivers=drivers)
    assert found(host, modules=["nvme", "virtio_net", "xfs"]) == [("warning", "foreign-drivers")]
    assert found(host, modules=["virtio_net"]) == [
        ("blocker", "drivers"),
        ("warning", "foreign-drivers"),
        ("warning", "drivers-other"),
    ]
    assert found(host, modules=None) == [("warning", "foreign-drivers"), ("warning", "drivers")]


def test_builds_that_nobody_offers():
    assert found(selection=NOTHING._replace(missing=("nettle",))) == [("blocker", "builds")]


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (datetime.date(2026, 7, 7), None),
        (datetime.date(2026, 7, 8), "ends on 2026-10-06"),
        (datetime.date(2026, 10, 6), "ends on 2026-10-06"),
        (datetime.date(2026, 10, 7), "ended on 2026-10-06"),
    ],
)
def test_certificates_that_run_out(day, expected):
    said = [f.message for f in checks.check(SOUND, NOTHING, MANIFEST.pins, (), day)]
    assert [expected in text for text in said] == ([True] if expected else [])


def test_some_blockers_can_be_accepted_and_others_not():
    host = SOUND._replace(missing_tools=("grubby",), boot_free=0)
    before = checks.check(host, NOTHING, MANIFEST.pins, (), TODAY)
    after = findings.accept(before, ["boot-space", "tools"])
    assert {finding.name: finding.level for finding in after} == {
        "tools": "blocker",
        "boot-space": "warning",
    }


# -- parsers -------------------------------------------------------------------------------------


def rsa(bits):
    modulus = (1 << (bits - 1)) | 1
    fields = [b"ssh-rsa", b"\x01\x00\x01", modulus.to_bytes(bits // 8 + 1, "big")]
    blob = b"".join(struct.pack(">I", len(field)) + field for field in fields)
    return "ssh-rsa " + base64.b64encode(blob).decode()


@pytest.mark.parametrize(
    ("line", "works"),
    [
        (rsa(3072), True),
        (rsa(2048) + " alice@example.com", True),
        (rsa(1024), False),
        ("ssh-rsa !!!! broken", False),
        ("ssh-rsa AAAAB3NzaC1yc2E=", False),
        ("ecdsa-sha2-nistp256 AAAA bob", True),
        ("ssh-ed25519 AAAA bob", False),
        ("sk-ssh-ed25519@openssh.com AAAA bob", False),
        ("ssh-dss AAAA", False),
        ('command="echo ssh",no-pty ssh-ed25519 AAAA bob', False),
        ('from="10.0.0.0/8" ' + rsa(4096), True),
    ],
)
def test_which_keys_work_in_fips_mode(line, works):
    [key] = keys.parse("# comment\n\n" + line + "\n")
    assert key.works_in_fips_mode is works


def test_what_is_no_key_is_passed_over():
    assert keys.parse("hello\n# ssh-rsa AAAA\nssh-rsa\n") == []


def test_options_of_the_ssh_server_the_first_counts_and_match_blocks_do_not():
    text = "# PermitRootLogin yes\npermitrootlogin no\nPermitRootLogin yes\nUseDNS=no\n"
    text += "Match User x\nPasswordAuthentication no\n"
    assert access.sshd_options(text) == {"permitrootlogin": "no", "usedns": "no"}


def test_key_slots_of_a_luks2_volume():
    dump = (
        "LUKS header information\nVersion:       \t2\nKeyslots:\n  0: luks2\n"
        "\tKey:        512 bits\n\tPBKDF:      argon2id\n\tTime cost:  7\n  1: luks2 (unbound)\n"
        "        PBKDF:      pbkdf2\nTokens:\n  0: systemd-tpm2\n        PBKDF:      argon2i\n"
        "Digests:\n  0: pbkdf2\n"
    )
    assert machine.parse_key_slots(dump) == [(0, "argon2id"), (1, "pbkdf2")]
    assert machine.parse_key_slots("LUKS header information for /dev/a\nVersion: 1\n") == []


def test_modules_loaded_and_modules_brought():
    text = "xfs 1 2 libcrc32c, Live 0x0\nnvidia 9 0 - Live 0x0 (POE)\ndrm 1 0 - Live 0x0 (E)\n"
    assert machine.parse_modules(text) == (["drm", "nvidia", "xfs"], ["nvidia"])
    files = [
        "/lib/modules/5.14.0/kernel/drivers/nvme/host/nvme-core.ko.xz",
        "/lib/modules/5.14.0/kernel/fs/xfs/xfs.ko",
        "/lib/modules/5.14.0/modules.dep",
    ]
    assert machine.modules_in(files) == ["nvme_core", "xfs"]
    assert machine.modules_in(["/usr/share/doc/x"]) is None


GRUBBY = """\
index=0
kernel="/boot/vmlinuz-5.14.0-1.x86_64"
args="ro crashkernel=1G-4G:192M fips=1 boot=UUID=1-2"
root="/dev/mapper/root"
initrd="/boot/initramfs-5.14.0-1.x86_64.img $tuned_initrd"
title="AlmaLinux (5.14.0-1.x86_64) 9.2"
id="a-5.14.0-1.x86_64"
index=1
kernel="/boot/vmlinuz-0-rescue"
args="ro"
initrd="/boot/initramfs-0-rescue.img"
index=2
non linux entry
"""


def test_boot_entries_as_grubby_prints_them():
    first, rescue = boot.parse_entries(GRUBBY)
    assert first.kernel == "/boot/vmlinuz-5.14.0-1.x86_64"
    assert first.options["boot"] == "UUID=1-2"
    assert first.initrd.split()[0] == "/boot/initramfs-5.14.0-1.x86_64.img"
    assert rescue == Entry("/boot/vmlinuz-0-rescue", "ro", "/boot/initramfs-0-rescue.img")
    assert Target(first.kernel, "1-2").lacking(first) == []
    assert Target(first.kernel, "3").lacking(first) == ["boot=UUID=3"]
    assert Target(rescue.kernel, None).lacking(rescue) == ["fips=1"]


def test_providers_as_openssl_prints_them():
    text = (
        "Providers:\n  base\n    name: OpenSSL Base Provider\n    version: 3.0.7\n"
        "    status: active\n  fips\n    name: OpenSSL FIPS Provider for AlmaLinux 9\n"
        "    version: 3.0.7-1d2bd88ee26b3c90\n    status: active\n"
    )
    assert attest.parse_providers(text)["fips"] == {
        "name": "OpenSSL FIPS Provider for AlmaLinux 9",
        "version": "3.0.7-1d2bd88ee26b3c90",
        "status": "active",
    }
    assert attest.parse_providers("") == {}
